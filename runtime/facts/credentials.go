package facts

import "github.com/latchkey-auth/latchkey/oauth"

// Credentials are this server's own at an endpoint of the provider. They print without the secret
// and the key.
type Credentials struct {
	// ClientID is the application that this server is at the provider.
	ClientID string
	// ClientSecret is the secret of [AuthBasic] and [AuthPost], and the token of [AuthBearer].
	ClientSecret oauth.Secret
	// AuthMethod says how the provider knows that it is us.
	AuthMethod AuthMethod
	// ClientKey is the private key of [AuthPrivateKeyJWT], in PEM, and ClientKeyID the name under
	// which the provider knows its public part.
	ClientKey   oauth.Secret
	ClientKeyID string
}

// AuthMethod says how this server authenticates itself at an endpoint of the provider. Its values
// are those of the registry for token endpoints (RFC 7591 section 4.2), and bearer.
type AuthMethod string

const (
	// AuthBasic sends client id and secret in the Authorization header, each form-encoded first
	// (RFC 6749 section 2.3.1).
	AuthBasic AuthMethod = "client_secret_basic"
	// AuthPost sends client id and secret in the form or JSON body.
	AuthPost AuthMethod = "client_secret_post"
	// AuthPrivateKeyJWT proves the possession of a private key with a signed assertion (RFC 7523
	// section 2.2): no secret leaves this server.
	AuthPrivateKeyJWT AuthMethod = "private_key_jwt"
	// AuthBearer sends the secret as a bearer token of this server's own (RFC 7662 section 2.1): an
	// API key. It is for endpoints that are asked about tokens.
	AuthBearer AuthMethod = "bearer"
	// AuthNone proves nothing: a token endpoint gets the client id alone; at an endpoint that is
	// asked about tokens the token under question is the only credential.
	AuthNone AuthMethod = "none"
)
