package broker

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
)

// serverMetadata is the RFC 8414 document with the members that say how clients authenticate at the
// revocation endpoint; without them client_secret_basic would be meant.
type serverMetadata struct {
	oauth.AuthorizationServerMetadata

	TokenEndpointAuthSigningAlgValuesSupported      []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationEndpointAuthMethodsSupported          []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	RevocationEndpointAuthSigningAlgValuesSupported []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
}

// metadata is the content of the documents about the server.
type metadata struct {
	oauth.AuthorizationServerMetadata

	// algorithms are those of clients that sign assertions.
	algorithms []string
	keySetURL  string
}

// newMetadata says how the server is used. Only clients with a document have keys, so that without
// documents nobody can sign.
func newMetadata(s site, scopes, grantTypes []string, documents bool) metadata {
	methods, algorithms := []string{clients.MethodNone}, []string(nil)
	if documents {
		methods, algorithms = append(methods, clients.MethodPrivateKeyJWT), clients.Algorithms()
	}
	return metadata{algorithms: algorithms, keySetURL: s.url(pathJWKS), AuthorizationServerMetadata: oauth.AuthorizationServerMetadata{
		Issuer:                            s.resource(),
		AuthorizationEndpoint:             s.url(pathAuthorize),
		TokenEndpoint:                     s.url(pathToken),
		RegistrationEndpoint:              s.url(pathRegister),
		RevocationEndpoint:                s.url(pathRevoke),
		ScopesSupported:                   scopes,
		ResponseTypesSupported:            []string{"code"},
		ResponseModesSupported:            []string{"query"},
		GrantTypesSupported:               grantTypes,
		TokenEndpointAuthMethodsSupported: methods,
		CodeChallengeMethodsSupported:     []string{"S256"},
		// RFC 9207 and draft-ietf-oauth-client-id-metadata-document
		AuthorizationResponseIssParameterSupported: true,
		ClientIDMetadataDocumentSupported:          documents,
	}}
}

func (m metadata) document(suffix string) serverMetadata {
	d := serverMetadata{
		AuthorizationServerMetadata: m.AuthorizationServerMetadata, TokenEndpointAuthSigningAlgValuesSupported: m.algorithms,
		RevocationEndpointAuthMethodsSupported:          m.TokenEndpointAuthMethodsSupported,
		RevocationEndpointAuthSigningAlgValuesSupported: m.algorithms,
	}
	if suffix == oauth.WellKnownOpenID {
		// OpenID Connect Discovery section 3 requires these, and clients refuse a document without
		// them, although the broker issues no ID token and so has no key.
		d.JWKSURI = m.keySetURL
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
