package runtime

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/pacedbody"
)

// Site is several guards on one host. It owns what they share: the well-known forms at the root of
// the host, which belong to the guard that was added first, and the table of public paths, in which
// every path has one owner. (The cookies of logins under way share a budget of the host without it,
// so that it also holds for servers in several processes.)
//
// With net/http one pattern is enough, beside those of the protected handlers:
//
//	mux.Handle("/", site.Handler())
//
// A pattern for a whole tree, such as "/mcp/", would hide the endpoints of mode proxy, which are
// below the resource. Where one is needed mount each of [Site.Routes] as a pattern of its own.
//
// A site is complete before it serves: Add and Reserve must not run beside requests.
type Site struct {
	guards []*Guard
	routes []Route
	owners map[string]owner // by path
}

// owner is who has a path.
type owner struct {
	name string
	// reserved marks a path that is no guard's.
	reserved bool
}

// NewSite returns the site of guards, of which the first has the forms at the root.
func NewSite(guards ...*Guard) (*Site, error) {
	s := &Site{owners: map[string]owner{}}
	for _, g := range guards {
		if _, err := s.Add(g); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Reserve says that a path is served by somebody else, whom errors call name. Shared forms leave it
// alone, and a guard that needs it is an error.
func (s *Site) Reserve(path, name string) {
	if _, ok := s.owners[path]; !ok {
		s.owners[path] = owner{name: name, reserved: true}
	}
}

// Add adds a guard and returns the routes that are the guard's on this site: all of its own, and
// the shared ones that nobody has. A path that somebody else has is an error that names both, and
// nothing is added.
func (s *Site) Add(guard *Guard) ([]Route, error) {
	if guard == nil {
		return nil, errors.New("site: a guard is nil")
	}
	if len(s.guards) > 0 && s.guards[0].origin() != guard.origin() {
		return nil, fmt.Errorf("site: %s is on another host than %s", guard.name(), s.guards[0].name())
	}
	var own []Route
	for _, route := range guard.routes {
		switch has, taken := s.owners[route.Path]; {
		case !taken:
			own = append(own, route)
		case !route.Shared:
			return nil, collision(route.Path, guard, has)
		}
	}
	for _, e := range guard.endpoints {
		if has, taken := s.owners[e.path]; taken && !has.reserved { // a reserved one may be the protected handler itself
			return nil, collision(e.path, guard, has)
		}
		if slices.ContainsFunc(own, func(route Route) bool { return route.Path == e.path }) {
			return nil, fmt.Errorf("site: %s is protected and needed for something else: choose another subpath", e.path)
		}
	}
	for _, route := range own {
		s.owners[route.Path] = owner{name: guard.name()}
	}
	for _, e := range guard.endpoints {
		s.owners[e.path] = owner{name: guard.name()}
	}
	s.guards, s.routes = append(s.guards, guard), append(s.routes, own...)
	return own, nil
}

func collision(path string, guard *Guard, has owner) error {
	return fmt.Errorf("site: %s needs %s, which %s has: two resources cannot share a path, and one without a path has to come first",
		guard.name(), path, has.name)
}

// Routes returns the public paths of all guards, for routers other than net/http's.
func (s *Site) Routes() []Route { return slices.Clone(s.routes) }

// Guards returns the guards in the order in which they were added.
func (s *Site) Guards() []*Guard { return slices.Clone(s.guards) }

// Handler serves the public paths of all guards and answers 404 to all others.
func (s *Site) Handler() http.Handler {
	handlers := make(map[string]http.Handler, len(s.routes)) // no ServeMux: it would read a path as a pattern
	for _, route := range s.routes {
		handlers[route.Path] = route.Handler
	}
	return pacedbody.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler, ok := handlers[r.URL.Path]; ok {
			handler.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}))
}

// Format prints the guards' resources, whatever the verb: the inside holds secrets.
func (s *Site) Format(state fmt.State, _ rune) { _, _ = fmt.Fprintf(state, "site of %v", s.guards) }

// origin is the scheme and host of the resource.
func (g *Guard) origin() string {
	return strings.TrimSuffix(g.endpoints[0].outside, g.config.ExternalPrefix)
}

func (g *Guard) name() string { return "the guard of " + g.Resource() }
