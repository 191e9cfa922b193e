package oauth

import "context"

// Mode says who the authorization server is in the eyes of an MCP client.
type Mode string

const (
	// Direct means that clients register at the provider and talk to it themselves; the server only verifies tokens.
	Direct Mode = "direct"
	// Proxy means that the server stands in as the authorization server, since the provider knows only one
	// pre-registered application.
	Proxy Mode = "proxy"
)

// Endpoints are a provider's URLs under their names of RFC 8414. An empty one does not exist at that provider.
type Endpoints struct {
	Authorization string
	Token         string
	JWKS          string
	Registration  string
	UserInfo      string
	TokenInfo     string
	Introspection string
	Revocation    string
	EndSession    string
}

// Description is what a provider says of itself. It holds no secret and is safe to print.
type Description struct {
	// Name is the short, stable name: "keycloak".
	Name string
	// Title is the name for people: "Keycloak".
	Title string
	// Mode is Direct or Proxy.
	Mode Mode
	// Issuer is the issuer identifier, byte for byte as the provider's tokens and metadata carry it (RFC 8414 section 2).
	Issuer string
	// Endpoints are the provider's URLs.
	Endpoints Endpoints
	// Audience is the value that access tokens must be made for; empty means the server's own resource URL.
	Audience string
	// ScopesSupported are the scopes that a client may ask for at the provider.
	ScopesSupported []string
	// GrantTypesSupported are the grants that the provider offers (RFC 7591 section 2).
	GrantTypesSupported []string
}

// Provider is an identity provider as a resource server sees it. The generated packages return one; anybody may write
// another by hand. Its methods are called from many goroutines at once.
type Provider interface {
	// Describe returns the provider's facts. They do not change during the provider's life.
	Describe() Description

	// Verify checks an access token for the protected resource with the given canonical URL and returns its caller.
	//
	// A refused token gives an error that is an [*Error]: [ErrInvalidToken] for a token that will never do,
	// [ErrTemporarilyUnavailable] when the provider could not be asked. Any other error is answered as a server error.
	// The returned value may be shared between requests and is never modified afterwards.
	Verify(ctx context.Context, token, resource string) (*AuthInfo, error)

	// UserInfo maps a verified token's claims to the common user shape.
	UserInfo(claims Claims) UserInfo
}

// TokenVerifier is a custom check of an access token, for providers that no spec describes. It returns the token's claims,
// or an error as [Provider] documents it. resource is the canonical URL of the protected resource: a verifier must refuse
// a token that was made for another one.
type TokenVerifier interface {
	VerifyToken(ctx context.Context, token, resource string) (Claims, error)
}

// TokenVerifierFunc is a function as a [TokenVerifier].
type TokenVerifierFunc func(ctx context.Context, token, resource string) (Claims, error)

// VerifyToken calls the function.
func (f TokenVerifierFunc) VerifyToken(ctx context.Context, token, resource string) (Claims, error) {
	return f(ctx, token, resource)
}

// UserMapper turns verified claims into the common user shape, in place of a provider's own mapping.
type UserMapper func(claims Claims) UserInfo
