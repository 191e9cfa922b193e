package runtime

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
)

// RequireScope returns middleware for handlers below [Guard.Protect]: the caller needs all of the
// given scopes or permissions. Above or without Protect every request is a 500, and the log says
// what to do.
func (g *Guard) RequireScope(needed ...string) func(http.Handler) http.Handler {
	return g.require(func(caller *oauth.AuthInfo) error { return caller.CheckScope(needed...) })
}

// RequireAnyScope returns middleware for handlers below [Guard.Protect]: the caller needs at least
// one of the given scopes or permissions.
func (g *Guard) RequireAnyScope(needed ...string) func(http.Handler) http.Handler {
	return g.require(func(caller *oauth.AuthInfo) error { return caller.CheckAnyScope(needed...) })
}

// RequireRole returns middleware for handlers below [Guard.Protect]: the caller needs all of the
// given roles.
func (g *Guard) RequireRole(needed ...string) func(http.Handler) http.Handler {
	return g.require(func(caller *oauth.AuthInfo) error { return caller.CheckRole(needed...) })
}

// RequireAnyRole returns middleware for handlers below [Guard.Protect]: the caller needs at least
// one of the given roles.
func (g *Guard) RequireAnyRole(needed ...string) func(http.Handler) http.Handler {
	return g.require(func(caller *oauth.AuthInfo) error { return caller.CheckAnyRole(needed...) })
}

// RequireFunc returns middleware for handlers below [Guard.Protect]: a function decides about the
// caller, at every request and in every mode. An [*oauth.Error] that it returns is answered as it
// is: [oauth.MissingScopes] makes clients ask for a scope, [oauth.Unavailable] is a 503. Any other
// error is a 403, and its text goes to the log alone, behind the name.
func (g *Guard) RequireFunc(name string, allowed func(*oauth.AuthInfo) error) func(http.Handler) http.Handler {
	return g.require(func(caller *oauth.AuthInfo) error { return caller.Check(name, allowed) })
}

func (g *Guard) require(check func(*oauth.AuthInfo) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, _ := oauth.FromContext(r.Context())
			if err := check(caller); err != nil {
				g.Refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
