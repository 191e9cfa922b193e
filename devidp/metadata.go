package devidp

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
)

// metadataPaths are where clients look for the metadata: with the issuer's path behind the
// well-known one (RFC 8414 section 3.1) and before it (OpenID Connect Discovery section 4.1).
// Without a path the two are one.
func (s *Server) metadataPaths() []string {
	const rfc8414, openID = "/.well-known/" + oauth.WellKnownAuthorizationServer, "/.well-known/" + oauth.WellKnownOpenID
	paths := []string{rfc8414 + s.path, s.path + rfc8414, openID + s.path, s.path + openID}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// serveMetadata is the document of RFC 8414 section 2 and OpenID Connect Discovery section 3.
func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	httpanswer.JSON(w, http.StatusOK, s.Metadata())
}

// Metadata returns what the server announces of itself.
func (s *Server) Metadata() oauth.AuthorizationServerMetadata {
	scopes := s.config.Scopes
	if len(scopes) == 0 {
		scopes = []string{"openid", "profile", "email", "offline_access"}
	}
	m := oauth.AuthorizationServerMetadata{
		Issuer:                            cmp.Or(s.faults.Load().MetadataIssuer, s.config.Issuer),
		AuthorizationEndpoint:             s.URL(pathAuthorize),
		TokenEndpoint:                     s.URL(pathToken),
		JWKSURI:                           s.URL(pathJWKS),
		UserInfoEndpoint:                  s.URL(pathUserInfo),
		IntrospectionEndpoint:             s.URL(pathIntrospect),
		RevocationEndpoint:                s.URL(pathRevoke),
		ScopesSupported:                   scopes,
		ResponseTypesSupported:            []string{"code"},
		ResponseModesSupported:            []string{"query"},
		GrantTypesSupported:               []string{grantCode, grantRefresh, grantMachine},
		TokenEndpointAuthMethodsSupported: []string{authNone, authBasic, authPost},
		CodeChallengeMethodsSupported:     []string{"S256"},
		SubjectTypesSupported:             []string{"public"},
		IDTokenSigningAlgValuesSupported:  []string{string(s.config.Algorithm)},
		ClientIDMetadataDocumentSupported: s.documents != nil,

		AuthorizationResponseIssParameterSupported: true,
	}
	if !s.config.DisableRegistration {
		m.RegistrationEndpoint = s.URL(pathRegister)
	}
	return m
}

// serveJWKS is the key set of RFC 7517 section 5.
func (s *Server) serveJWKS(w http.ResponseWriter, r *http.Request) {
	set, err := s.keys.set(s.faults.Load())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	httpanswer.JSON(w, http.StatusOK, set)
}
