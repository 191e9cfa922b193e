// Package echoadapter mounts an identity provider on an Echo v4 server: public metadata routes, and
// middleware that lets only verified callers through.
package echoadapter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/latchkey-auth/latchkey/internal/pacedbody"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// Config says what is protected. Resource is required.
type Config = runtime.GuardConfig

// Guard makes middleware for the routes of one protected resource.
type Guard struct {
	guard *runtime.Guard
	// public are the patterns of the guard's own routes.
	public map[string]bool
}

// Mount adds the public metadata routes of a resource to e and returns its guard. Nothing is
// protected until [Guard.Require] is put on a route or group. The well-known forms at the root of
// the host go to the first resource mounted on e; every further one is found by its path-inserted
// forms.
func Mount(e *echo.Echo, provider oauth.Provider, config Config) (*Guard, error) {
	g, err := runtime.NewGuard(provider, config)
	if err != nil {
		return nil, err
	}
	for _, route := range g.Routes() {
		if strings.Contains(route.Path, "*") {
			return nil, fmt.Errorf("echoadapter: %s cannot be mounted: Echo reads a star as a pattern", route.Path)
		}
	}
	site, err := siteOf(e)
	if err != nil {
		return nil, err
	}
	own, err := site.Add(g)
	if err != nil {
		return nil, fmt.Errorf("echoadapter: %w", err)
	}
	public := map[string]bool{}
	for _, route := range own {
		for _, added := range e.Any(literal(route.Path), echo.WrapHandler(route.Handler)) {
			added.Name = mounted + g.Resource()
		}
		public[literal(route.Path)] = true
	}
	if len(config.AllowedOrigins) > 0 {
		for _, path := range g.EndpointPaths() {
			e.OPTIONS(literal(path), preflight(g)) // for routes that are registered for some methods only
		}
	}
	return &Guard{guard: g, public: public}, nil
}

// mounted begins the names of the routes that Mount adds, by which the next one says whose they
// are.
const mounted = "latchkey: the guard of "

// siteOf is what is on an Echo so far.
func siteOf(e *echo.Echo) (*runtime.Site, error) {
	site, err := runtime.NewSite()
	if err != nil {
		return nil, err
	}
	for _, route := range e.Routes() {
		name := "another route"
		if guard, ok := strings.CutPrefix(route.Name, mounted); ok {
			name = "the guard of " + guard
		}
		site.Reserve(strings.ReplaceAll(route.Path, `\:`, ":"), name)
	}
	return site, nil
}

// literal keeps Echo from reading a colon in a path as the start of a parameter.
func literal(path string) string { return strings.ReplaceAll(path, ":", `\:`) }

// Format prints the guard's resource, whatever the verb: its inside holds secrets.
func (g *Guard) Format(state fmt.State, verb rune) { g.guard.Format(state, verb) }

func preflight(g *runtime.Guard) echo.HandlerFunc {
	return func(c echo.Context) error {
		if g.Preflight(c.Response(), c.Request()) {
			return nil
		}
		return refusal(c, g, oauth.ErrMissingCredentials)
	}
}

// UpstreamToken returns the provider's own access token of the caller that ctx carries, as
// [runtime.Guard.UpstreamToken] does: for tools that call the provider's API in the user's name, in
// mode proxy.
func (g *Guard) UpstreamToken(ctx context.Context) (oauth.Secret, error) {
	return g.guard.UpstreamToken(ctx)
}

// Refuse answers a request with the refusal of an error, for net/http handlers below
// [Guard.Require], such as mcpadapter's.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) { g.guard.Refuse(w, r, err) }

// RequireConfig adjusts [Guard.RequireWithConfig].
type RequireConfig struct {
	// Skipper leaves requests unprotected. The default protects all.
	Skipper middleware.Skipper
}

// Require returns middleware that lets only verified callers through. [AuthInfo] finds them in the
// handlers below. On the whole of an Echo (Use) it leaves the routes alone that Mount added, which
// clients need before they have a token.
//
// Preflight requests of the allowed origins are answered where Echo routes OPTIONS requests to this
// middleware: for the paths of the resource, in groups, and on the whole of an Echo. A single route
// of another path and method needs one for OPTIONS too.
func (g *Guard) Require() echo.MiddlewareFunc { return g.RequireWithConfig(RequireConfig{}) }

// RequireWithConfig is [Guard.Require] with a configuration.
func (g *Guard) RequireWithConfig(config RequireConfig) echo.MiddlewareFunc {
	if config.Skipper == nil {
		config.Skipper = middleware.DefaultSkipper
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if g.owns(c) || config.Skipper(c) {
				return next(c)
			}
			r, body := pacedbody.Begin(c.Response(), r)
			defer body.End()
			if g.guard.Preflight(c.Response(), r) || g.guard.Landing(c.Response(), r) {
				return nil
			}
			info, err := g.guard.Authenticate(r)
			if err != nil {
				return refusal(c, g.guard, err)
			}
			response := c.Response()
			outer := response.Writer
			response.Writer, r = g.guard.Stream(outer, r, info)
			defer func() {
				g.guard.EndStream(r)
				response.Writer = outer
			}()
			c.SetRequest(r)
			return g.answer(c, next(c))
		}
	}
}

// owns reports whether Echo chose one of the routes that Mount added. The pattern alone does not
// say so: an application may put a handler of its own at the same path, for a method or for a host.
func (g *Guard) owns(c echo.Context) bool {
	if !g.public[c.Path()] {
		return false
	}
	r := c.Request()
	if _, ofHost := c.Echo().Routers()[r.Host]; ofHost {
		return false
	}
	return slices.ContainsFunc(c.Echo().Routes(), func(route *echo.Route) bool {
		return route.Path == c.Path() && route.Method == r.Method && strings.HasPrefix(route.Name, mounted)
	})
}

// answer turns an [*oauth.Error] that a handler below returned into a refusal with this resource's
// challenge. Handlers may return one at any time before they write. An [*echo.HTTPError] with
// another status stands: it tells of somebody else's refusal, such as that of a service that the
// handler asked.
func (g *Guard) answer(c echo.Context, err error) error {
	if _, ok := errors.AsType[*oauth.Error](err); !ok || c.Response().Committed {
		return err
	}
	refused := oauth.AsError(err)
	if chosen, ok := errors.AsType[*echo.HTTPError](err); ok && chosen.Code != refused.Status {
		return err
	}
	return refusal(c, g.guard, refused)
}

// refusal answers through Echo's error handling, so that logging middleware and custom error
// handlers see it: the challenge is set already, the error is an [*echo.HTTPError] whose cause is
// the [*oauth.Error].
func refusal(c echo.Context, g *runtime.Guard, err error) error {
	cause := oauth.AsError(err)
	refused := g.Refusal(c.Request(), cause)
	maps.Copy(c.Response().Header(), refused.Header)
	return echo.NewHTTPError(refused.Status, refused.Body).SetInternal(cause)
}

// AuthInfo returns the verified caller of a request below [Guard.Require].
func AuthInfo(c echo.Context) (*oauth.AuthInfo, bool) {
	return oauth.FromContext(c.Request().Context())
}
