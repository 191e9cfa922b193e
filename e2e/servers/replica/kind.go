package replica

import (
	"net/http"
	"net/url"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// kind is in what a provider differs from the others. Every function may be nil.
type kind struct {
	// generic says that nothing is known of the provider but its spec, and anyScope that it knows
	// every scope.
	generic, anyScope bool
	// https says that the provider is reached by https. Those are not for which latchkey's
	// configuration can name a plain http URL on loopback, and those whose endpoints are replaced.
	https bool
	// at are the fields of latchkey's configuration that name the provider's place. It is nil for
	// providers in mode proxy: latchkey is configured with the real provider's place, and is told
	// other endpoints.
	at func(*Server) map[string]string
	// documents are the discovery documents by where they are. There are no others.
	documents map[facts.Form]string
	// document changes a document before it is served.
	document func(s *Server, document map[string]any)
	// keyPrefix begins the names of keys; key changes a key of the key set.
	keyPrefix string
	key       func(s *Server, key map[string]any)
	// register says how clients register. Without it there is one client, that of latchkey's
	// configuration.
	register *registration
	// scopes are those of the operator's own API; those of the documents are known anyway.
	scopes func(*Server) []string
	// issuer is the iss of an access token with the given claims of its own.
	issuer func(s *Server, claims map[string]any) string
	// prepare looks at an authorization request: it decides on grant.audience and grant.opaque, and
	// refuses what the provider refuses.
	prepare func(s *Server, g *grant) *failure
	// unasked are the scopes of a login that asks for none.
	unasked string
	// plainChallenge says that PKCE's method plain is accepted.
	plainChallenge bool
	// offline says whether a login brings a refresh token. Without it offline_access does.
	offline func(g *grant) bool
	// redeem looks at a token request.
	redeem func(s *Server, g *grant, form url.Values) *failure
	// keepRefresh says that refreshing brings no new refresh token, and that the old one stays.
	keepRefresh bool
	// scope is how tokens name a granted scope; empty leaves it out.
	scope func(s *Server, name string) string
	// shape changes the claims of the access token of a login.
	shape func(s *Server, g *grant, claims map[string]any)
	// header changes the header of access tokens.
	header func(s *Server, header map[string]any)
	// opaquePrefix begins opaque access tokens.
	opaquePrefix string
	// lifetime of access tokens; the default is an hour.
	lifetime time.Duration
	// scripts are the request headers that pages of other origins may send (CORS). Without any,
	// pages cannot use the provider.
	scripts []string
	// further adds what else the provider has.
	further func(s *Server, mux *http.ServeMux)
}

// registration says how clients register.
type registration struct {
	// prefix begins client ids.
	prefix string
	// method is that of clients that ask for none.
	method string
}

// kinds are all replicas.
func kinds() map[string]kind {
	return map[string]kind{
		"auth0": auth0(), "clerk": clerk(), "workos": workos(), "supabase": supabase(),
		"okta": okta(), "entra": entra(), "google": google(),
	}
}

// Names are the providers that have a replica.
func Names() []string {
	return []string{"auth0", "clerk", "workos", "supabase", "okta", "entra", "google"}
}
