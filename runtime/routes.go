package runtime

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/pacedbody"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/metadata"
)

// Route is a public path of a guard with its handler. The handler answers all methods.
type Route struct {
	// Path is the path at which requests arrive, and no other: a pattern of net/http for one with a
	// slash at its end needs {$} behind it.
	Path    string
	Handler http.Handler
	// Shared marks a path that is not this resource's alone: the well-known forms at the root of
	// the host and those of the issuer. With several guards on one host they belong to the first:
	// see [Site].
	Shared bool
}

// addRoutes lists the metadata paths: for every endpoint its own document, the root forms, and the
// authorization server's documents at the root and where clients look that take the resource or the
// issuer for the base.
func (g *Guard) addRoutes(resource string) error {
	for _, e := range slices.Backward(g.endpoints) {
		handler, err := metadata.ResourceHandler(g.resourceMetadata(e.resource))
		if err != nil {
			return err
		}
		g.inserted(e.resource, oauth.WellKnownProtectedResource, handler)
		// Proxies that route by the path's beginning pass on nothing else.
		g.route(oauth.AppendWellKnown(e.resource, oauth.WellKnownProtectedResource), handler, false)
		if e.resource == resource {
			g.route(oauth.RootWellKnown(resource, oauth.WellKnownProtectedResource), handler, true)
		}
	}
	authorizationServer := metadataHandlerOf(g.provider)
	if g.broker != nil {
		authorizationServer = g.broker.MetadataHandler
	}
	for _, suffix := range []string{oauth.WellKnownAuthorizationServer, oauth.WellKnownOpenID} {
		handler := authorizationServer(suffix)
		g.inserted(resource, suffix, handler)
		g.route(oauth.RootWellKnown(resource, suffix), handler, true)
		g.route(oauth.InsertWellKnown(g.issuer, suffix), handler, true)
		if g.broker != nil {
			g.route(oauth.AppendWellKnown(resource, suffix), handler, false)
		}
	}
	if g.broker != nil {
		for _, r := range g.broker.Routes() {
			g.route(strings.TrimSuffix(resource, "/")+r.Path, r.Handler, false)
		}
	}
	return nil
}

// inserted adds the forms of a well-known address that have the path of a resource at their end,
// with and without a slash, since clients add and drop one. A proxy that takes a prefix away from
// every path passes on the one that is meant for the host without it.
func (g *Guard) inserted(resource, suffix string, handler http.Handler) {
	address := oauth.InsertWellKnown(strings.TrimSuffix(resource, "/"), suffix)
	g.route(address, handler, false)
	if address != oauth.RootWellKnown(resource, suffix) {
		g.route(address+"/", handler, false)
	}
	if u, err := url.Parse(resource); err == nil && g.config.ExternalPrefix != "" {
		below := strings.TrimSuffix(g.arriving(u.EscapedPath()), "/")
		g.route(u.Scheme+"://"+u.Host+"/.well-known/"+suffix+below, handler, true)
	}
}

// arriving is the path at which a request for a path of the host arrives. Paths outside the prefix
// arrive as they are.
func (g *Guard) arriving(path string) string {
	rest, below := strings.CutPrefix(path, g.config.ExternalPrefix)
	if !below || rest != "" && rest[0] != '/' {
		return path
	}
	return rest
}

// route adds the path of a URL unless it is there already. The resource's own forms come first:
// without a path they are the root's, and not shared.
func (g *Guard) route(address string, handler http.Handler, shared bool) {
	u, err := url.Parse(address)
	if err != nil {
		return
	}
	path := g.arriving(u.Path)
	if path == "" || slices.ContainsFunc(g.routes, func(r Route) bool { return r.Path == path }) {
		return
	}
	g.routes = append(g.routes, Route{Path: path, Handler: pacedbody.Handler(handler), Shared: shared})
}
