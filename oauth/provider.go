package oauth

import "context"

// Mode says who the authorization server is in the eyes of an MCP client.
type Mode string

const (
	// Direct means that clients register at the provider and talk to it themselves; the server only
	// verifies tokens.
	Direct Mode = "direct"
	// Proxy means that the server stands in as the authorization server, since the provider knows
	// only one pre-registered application.
	Proxy Mode = "proxy"
)

// Endpoints are a provider's URLs under their names of RFC 8414. An empty one does not exist at
// that provider.
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
	// Issuer is the issuer identifier, byte for byte as the provider's tokens and metadata carry it
	// (RFC 8414 section 2).
	Issuer string
	// Endpoints are the provider's URLs.
	Endpoints Endpoints
	// Audience is the value that access tokens must be made for; empty means the server's own
	// resource URL.
	Audience string
	// ScopesSupported are the scopes that a client may ask for at the provider.
	ScopesSupported []string
	// GrantTypesSupported are the grants that the provider offers (RFC 7591 section 2).
	GrantTypesSupported []string
}

// Provider is an identity provider as a resource server sees it. The generated packages return one;
// anybody may write another by hand, or wrap one. Its methods are called from many goroutines at
// once.
//
// Everything beyond these two methods is a capability, an interface of its own, such as
// [UserMapper]. A type that wraps a provider keeps all of its capabilities with one more method, by
// which they are looked for:
//
//	func (w wrapper) Unwrap() oauth.Provider { return w.Provider }
//
// A guard that needs a capability which it cannot find is an error at its construction. The
// outermost provider decides with Verify: nothing that is found through Unwrap, such as remembered
// callers, takes its place.
type Provider interface {
	// Describe returns the provider's facts. They do not change during the provider's life.
	Describe() Description

	// Verify checks an access token for the protected resource that it is presented to and returns
	// its caller.
	//
	// A refused token gives an error that is an [*Error]: [ErrInvalidToken] for a token that will
	// never do, [ErrTemporarilyUnavailable] when the provider could not be asked. Any other error
	// is answered as a server error. The returned value may be shared between requests and is never
	// modified afterwards.
	//
	// In direct mode Verify is asked at every request, except that a guard may remember the callers
	// of a provider of package runtime which nothing wraps. In proxy mode Verify of a wrapper is
	// asked about every token of the provider, with scheme Bearer and our resource: at each login
	// and each refresh, after our own checks and before anything is issued. A refusal ends the
	// login. At a request with a sealed token it is not asked, since the provider's token is not
	// presented there: to refuse callers at every request use RequireFunc of the guard or of the
	// adapter.
	Verify(ctx context.Context, presented Presented) (*AuthInfo, error)
}

// TokenVerifier is a custom check of an access token, for providers that no spec describes. It
// returns the token's claims, or an error as [Provider] documents it. A verifier must refuse a
// token that was made for another resource than the one that it is presented to.
type TokenVerifier interface {
	VerifyToken(ctx context.Context, presented Presented) (Claims, error)
}

// TokenVerifierFunc is a function as a [TokenVerifier].
type TokenVerifierFunc func(ctx context.Context, presented Presented) (Claims, error)

// VerifyToken calls the function.
func (f TokenVerifierFunc) VerifyToken(ctx context.Context, presented Presented) (Claims, error) {
	return f(ctx, presented)
}
