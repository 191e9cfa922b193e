// Package chi mounts the guards of a site on a chi router: an adapter for a third router, to copy.
package chi

import (
	"fmt"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/latchkey-auth/latchkey/runtime"
)

// Mount adds the public paths of a site to r: metadata, and the endpoints of mode proxy. Nothing is
// protected until [runtime.Guard.Protect] is put around a handler; it and the guard's requirements
// are middleware for chi's With and Use:
//
//	r.With(guard.Protect, guard.RequireScope("admin")).Delete("/admin", purge)
//
// On a router with Use(guard.Protect) mount the site on a router above it: clients need its paths
// before they have a token.
func Mount(r chi.Router, site *runtime.Site) error {
	routes := site.Routes()
	for _, route := range routes {
		if strings.ContainsAny(route.Path, "*{}") {
			return fmt.Errorf("chi: %s cannot be mounted: chi reads stars and braces as a pattern", route.Path)
		}
		if r.Match(chi.NewRouteContext(), "GET", route.Path) {
			return fmt.Errorf("chi: %s is mounted already", route.Path)
		}
	}
	for _, route := range routes {
		r.Handle(route.Path, route.Handler)
	}
	return nil
}
