package broker

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
)

// serverMetadata is the RFC 8414 document with the member that says how clients authenticate at the
// revocation endpoint; without it client_secret_basic would be meant.
type serverMetadata struct {
	oauth.AuthorizationServerMetadata

	RevocationEndpointAuthMethodsSupported []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
}

// metadata is the content of the documents about the server.
type metadata struct {
	oauth.AuthorizationServerMetadata
}

func newMetadata(s site, scopes, grantTypes []string) metadata {
	return metadata{oauth.AuthorizationServerMetadata{
		Issuer:                            s.resource(),
		AuthorizationEndpoint:             s.url(pathAuthorize),
		TokenEndpoint:                     s.url(pathToken),
		RegistrationEndpoint:              s.url(pathRegister),
		RevocationEndpoint:                s.url(pathRevoke),
		ScopesSupported:                   scopes,
		ResponseTypesSupported:            []string{"code"},
		ResponseModesSupported:            []string{"query"},
		GrantTypesSupported:               grantTypes,
		TokenEndpointAuthMethodsSupported: []string{"none"},
		CodeChallengeMethodsSupported:     []string{"S256"},
		// RFC 9207 and draft-ietf-oauth-client-id-metadata-document
		AuthorizationResponseIssParameterSupported: true,
		ClientIDMetadataDocumentSupported:          true,
	}}
}

func (m metadata) document(suffix string) serverMetadata {
	d := serverMetadata{AuthorizationServerMetadata: m.AuthorizationServerMetadata, RevocationEndpointAuthMethodsSupported: []string{"none"}}
	if suffix == oauth.WellKnownOpenID {
		// OpenID Connect Discovery section 3 requires these, and clients refuse a document without
		// them, although the broker issues no ID token and so has no key.
		d.JWKSURI = m.Issuer + pathJWKS
		d.SubjectTypesSupported = []string{"public"}
		d.IDTokenSigningAlgValuesSupported = []string{"RS256"}
	}
	return d
}

// keySet is the empty key set that the OpenID document has to name.
func keySet(w http.ResponseWriter, _ *http.Request) {
	writeDocument(w, map[string][]string{"keys": {}})
}

// writeDocument writes a public JSON document, which clients may keep for five minutes.
func writeDocument(w http.ResponseWriter, document any) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	httpanswer.JSON(w, http.StatusOK, document)
}
