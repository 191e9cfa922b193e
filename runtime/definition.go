package runtime

import (
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// SupportsGeneratedCodeV1 is the handshake between generated code and this runtime: generated
// packages refer to it, so that a runtime which is too old or too new for them does not compile.
const SupportsGeneratedCodeV1 = true

// Definition is a provider's spec with the configuration filled in. Generated code builds it; the
// runtime does the rest.
type Definition struct {
	// Name is the spec's name, Title the name for people.
	Name  string
	Title string
	Mode  oauth.Mode
	// Issuer is the issuer that metadata announces. Further accepted values are in Tokens.Issuers,
	// which defaults to it.
	Issuer    string
	Endpoints oauth.Endpoints
	// Discovery are the well-known documents that the provider serves, best first. Without any the
	// authorization server metadata is put together from Endpoints.
	Discovery []facts.Form
	// Discovered names what is taken from the issuer's own document, which is then read when the
	// provider is made: endpoints, in RFC 8414's words without _endpoint, and jwks; "algorithms",
	// of those announced the asymmetric ones; "client_auth", how our application authenticates;
	// "scopes", where Scopes is empty. Mode may then be empty: the provider is in mode direct if
	// clients register there, unless an application of ours is configured.
	Discovered []string
	// Tokens are the rules for access tokens that are JWTs. Opaque ones are checked at the
	// provider: set one of Introspection, TokenInfo and UserInfo in place of Tokens.Algorithms.
	Tokens facts.Rules
	Claims facts.ClaimMap
	// Introspection, TokenInfo and UserInfo check opaque access tokens at the endpoints of these
	// names; Profile adds the user's profile from the userinfo endpoint.
	Introspection *facts.Introspection
	TokenInfo     *facts.TokenInfo
	UserInfo      *facts.UserInfo
	Profile       *facts.Profile
	// Binding ties opaque tokens to this server. Without anything in it the audience of Tokens
	// does.
	Binding facts.Binding
	// Upstream is our application at the provider, in mode proxy. Its endpoints are filled in here,
	// and so are title and issuer where it has none of its own. Parameters with an empty value are
	// left out, and without a client secret the client id alone is sent.
	Upstream *facts.Upstream
	// TokenMode says whose access tokens clients get in mode proxy. Empty means sealed ones.
	TokenMode proxy.TokenMode
	// ScopePrefix stands before the names of scopes at the provider, in mode proxy.
	ScopePrefix facts.ScopePrefix
	// ScopeWords say in words, for the consent page, what scopes allow.
	ScopeWords map[string]string
	// Scopes are the scopes that the provider knows and clients may ask for.
	Scopes []string
	// GrantTypes are the grants that the provider offers.
	GrantTypes []string
	// Verifier replaces the verification by rules, for the custom provider.
	Verifier oauth.TokenVerifier
	// UserMapper replaces Claims' mapping to the user.
	UserMapper oauth.UserMapper
}
