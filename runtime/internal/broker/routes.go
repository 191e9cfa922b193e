package broker

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
)

// The endpoints' paths below the resource.
const (
	pathRegister  = "/register"
	pathAuthorize = "/authorize"
	pathConsent   = "/consent"
	pathCallback  = "/oauth/callback"
	pathToken     = "/token"
	pathRevoke    = "/revoke"
	pathJWKS      = "/jwks"
)

// Route is an endpoint of the broker. The handler answers all methods.
type Route struct {
	// Path is the path below the resource's own, such as "/register".
	Path    string
	Handler http.Handler
}

// Routes returns the endpoints, all public, for routers other than net/http's.
func (b *Broker) Routes() []Route {
	return []Route{
		{pathRegister, b.forScripts(b.register)},
		{pathAuthorize, b.forBrowsers(b.authorize, http.MethodGet, http.MethodPost)},
		{pathConsent, b.forBrowsers(b.consent, http.MethodPost)},
		{pathCallback, b.forBrowsers(b.callback, http.MethodGet)},
		{pathToken, b.forScripts(b.token)},
		{pathRevoke, b.forScripts(b.revoke)},
		{pathJWKS, cors.Public(b.keySet)},
	}
}

// Handler serves the endpoints under the resource's path and the metadata at its well-known places, and answers 404 to all
// else.
func (b *Broker) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range b.Routes() {
		mux.Handle(b.path+r.Path, r.Handler)
	}
	seen := map[string]bool{}
	for _, suffix := range []string{oauth.WellKnownAuthorizationServer, oauth.WellKnownOpenID} {
		for _, address := range []string{
			oauth.InsertWellKnown(b.resource, suffix), oauth.AppendWellKnown(b.resource, suffix), oauth.RootWellKnown(b.resource, suffix),
		} {
			u, err := url.Parse(address)
			if err != nil || seen[u.Path] {
				continue
			}
			seen[u.Path] = true
			mux.Handle(u.Path, b.MetadataHandler(suffix))
		}
	}
	return mux
}

// forBrowsers guards an endpoint that a person's browser opens.
func (b *Broker) forBrowsers(next http.HandlerFunc, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			b.refusePage(w, r, methodNotAllowed())
			return
		}
		next(w, r)
	})
}

// forScripts guards an endpoint that clients call: POST only, and readable for scripts of the allowed origins.
func (b *Broker) forScripts(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.cors.Preflight(w, r) {
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST, OPTIONS")
			b.refuseJSON(w, r, methodNotAllowed())
			return
		}
		next(w, r)
	})
}

func methodNotAllowed() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRequest, Status: http.StatusMethodNotAllowed, Reason: refusal.ReasonMethod,
		Description: "This address does not answer requests of this kind",
	}
}
