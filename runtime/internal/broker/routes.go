package broker

import (
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
)

// Route is an endpoint of the broker. The handler answers all methods.
type Route struct {
	// Path is the path below the resource's own, such as "/register".
	Path    string
	Handler http.Handler
}

// endpoints are the handlers behind the routes.
type endpoints struct{ register, authorize, consent, callback, token, revoke http.HandlerFunc }

// routes are the endpoints with what guards them.
func routes(scripts cors.Policy, out answers, e endpoints) []Route {
	return []Route{
		{pathRegister, forScripts(scripts, out, e.register)},
		{pathAuthorize, forBrowsers(out, e.authorize, http.MethodGet, http.MethodPost)},
		{pathConsent, forBrowsers(out, e.consent, http.MethodPost)},
		{pathCallback, forBrowsers(out, e.callback, http.MethodGet)},
		{pathToken, forScripts(scripts, out, e.token)},
		{pathRevoke, forScripts(scripts, out, e.revoke)},
		{pathJWKS, cors.Public(keySet)},
	}
}

// forBrowsers guards an endpoint that a person's browser opens.
func forBrowsers(out answers, next http.HandlerFunc, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			out.refusePage(w, r, methodNotAllowed())
			return
		}
		next(w, r)
	})
}

// forScripts guards an endpoint that clients call: POST only, and readable for scripts of the
// allowed origins.
func forScripts(policy cors.Policy, out answers, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if policy.Preflight(w, r) {
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST, OPTIONS")
			out.refuseJSON(w, r, methodNotAllowed(), "")
			return
		}
		next(w, r)
	})
}

func methodNotAllowed() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Status: http.StatusMethodNotAllowed, Reason: oauth.ReasonMethod,
		Description: "This address does not answer requests of this kind",
	}
}
