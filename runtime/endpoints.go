package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
)

// endpoint is a protected path with what its challenges say.
type endpoint struct {
	// path is the one at which requests arrive. spelled is the same as the resource has it, whether
	// with a slash at its end or not.
	path, spelled string
	outside       string // what the resource has before the path that arrives
	resource      string
	metadataURL   string
}

// addEndpoints lists the resource and its subpaths.
func (g *Guard) addEndpoints(resource string) error {
	if err := checkPrefix(g.config.ExternalPrefix, resource); err != nil {
		return err
	}
	base := strings.TrimSuffix(resource, "/")
	for _, sub := range g.config.Subpaths {
		full, err := oauth.CanonicalResource(base + sub)
		if err != nil || len(sub) < 2 || sub[0] != '/' || full != base+sub {
			return fmt.Errorf("subpath %q must be a path such as /sse", sub)
		}
		if err := g.addEndpoint(full); err != nil {
			return err
		}
	}
	if err := g.addEndpoint(resource); err != nil {
		return err
	}
	if address := g.config.ResourceMetadataURL; address != "" {
		if err := plainurl.CheckEndpoint(address, nil); err != nil || strings.ContainsFunc(address, plainurl.IsUnusual) {
			return fmt.Errorf("ResourceMetadataURL %q: %w", address, cmp.Or(err, errUnusualURL))
		}
		g.endpoints[len(g.endpoints)-1].metadataURL = address
	}
	slices.SortStableFunc(g.endpoints, func(a, b endpoint) int { return len(b.path) - len(a.path) })
	return nil
}

// errUnusualURL is about a URL that a challenge could not carry.
var errUnusualURL = errors.New("must have ASCII characters only, others escaped")

// checkPrefix says what is wrong with the prefix of a resource.
func checkPrefix(prefix, resource string) error {
	if prefix == "" {
		return nil
	}
	u, err := url.Parse(prefix)
	if err != nil || u.Path != prefix || u.EscapedPath() != prefix || u.Host != "" || prefix[0] != '/' || strings.HasSuffix(prefix, "/") ||
		plainurl.HasDotSegment(u) {
		return fmt.Errorf("ExternalPrefix %q must be a path without a slash at its end, such as /api", prefix)
	}
	own, err := url.Parse(resource)
	if err != nil {
		return err
	}
	if rest, below := strings.CutPrefix(own.EscapedPath(), prefix); !below || rest != "" && rest[0] != '/' {
		return fmt.Errorf("resource %s must be below the ExternalPrefix %s, which the reverse proxy takes away", resource, prefix)
	}
	return nil
}

func (g *Guard) addEndpoint(resource string) error {
	u, err := url.Parse(resource)
	if err != nil {
		return err
	}
	spelled := g.arriving(u.Path)
	e := endpoint{
		path: strings.TrimSuffix(spelled, "/"), spelled: spelled, outside: u.Scheme + "://" + u.Host + g.config.ExternalPrefix,
		resource: resource, metadataURL: oauth.ProtectedResourceMetadataURL(resource),
	}
	if g.config.ExternalPrefix != "" {
		e.metadataURL = oauth.AppendWellKnown(resource, oauth.WellKnownProtectedResource)
	}
	if slices.ContainsFunc(g.endpoints, func(other endpoint) bool { return other.path == e.path }) {
		return fmt.Errorf("two subpaths are %s: a slash at the end does not make another endpoint", e.path)
	}
	g.endpoints = append(g.endpoints, e)
	return nil
}

// presented is a token with what else of its request a proof may be bound to.
func (e *endpoint) presented(r *http.Request, token string) oauth.Presented {
	presented := e.credential(r, token)
	presented.URL = e.requestURL(r.URL.EscapedPath())
	return presented
}

// credential is what a request presents, without the URL, which takes memory for most paths.
func (e *endpoint) credential(r *http.Request, token string) oauth.Presented {
	presented := oauth.Presented{
		Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: e.resource, Method: r.Method,
	}
	if proofs := r.Header["Dpop"]; len(proofs) == 1 {
		presented.Proof = proofs[0]
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		presented.Certificate = r.TLS.PeerCertificates[0]
	}
	return presented
}

// requestURL is the URL of a request as it is configured, for its path as it was asked for.
func (e *endpoint) requestURL(asked string) string {
	if e.resource[len(e.outside):] == asked { // as nearly all are: no string has to be made
		return e.resource
	}
	return e.outside + asked
}

// endpointOf returns the endpoint that a URL is for. Protected handlers elsewhere belong to the
// resource itself.
//
// A caller must not choose another audience by writing the path differently. Routers read one in
// two ways: net/http's undoes its escapes and dot segments, Echo takes it as it stands. Where that
// makes a difference, plain is false.
func (g *Guard) endpointOf(u *url.URL) (_ *endpoint, plain bool) {
	if len(g.endpoints) == 1 {
		return &g.endpoints[0], true
	}
	cleaned, verbatim := g.endpointAt(cleanPath(u)), g.endpointAt(cmp.Or(u.RawPath, u.Path))
	return cleaned, cleaned == verbatim
}

// endpointAt returns the endpoint that a path is at or below.
func (g *Guard) endpointAt(asked string) *endpoint {
	for i := range g.endpoints {
		if below, ok := strings.CutPrefix(asked, g.endpoints[i].path); ok && (below == "" || below[0] == '/') {
			return &g.endpoints[i]
		}
	}
	return &g.endpoints[len(g.endpoints)-1]
}

// cleanPath is the path as net/http's router divides it. An encoded slash divides nothing, so
// /mcp%2Fsse is below no endpoint; dot segments lead where they lead.
func cleanPath(u *url.URL) string {
	if u.RawPath != "" && strings.Count(u.RawPath, "/") != strings.Count(u.Path, "/") {
		return ""
	}
	return path.Clean(u.Path)
}
