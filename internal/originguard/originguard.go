// Package originguard keeps DNS rebinding away from servers on this machine: a request must name a
// host that the server knows itself by, and a browser's request must come from a known origin.
package originguard

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// Guard knows the hosts and origins that a server answers.
type Guard struct {
	hosts   []string
	origins []string
	any     bool
}

// New returns the guard of a server that is reached at publicURL and listens on listenAddr. Where
// it listens on loopback, the usual names of loopback with its port are its own too. origins are
// further browser origins; "*" allows all.
func New(publicURL, listenAddr string, origins []string) (*Guard, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("public URL %q must be absolute", publicURL)
	}
	g := &Guard{}
	g.own(u.Scheme, u.Host)
	if host, port, err := net.SplitHostPort(listenAddr); err == nil && plainurl.IsLoopbackHost(host) {
		for _, name := range []string{"localhost", "127.0.0.1", "::1", host} {
			g.own("http", net.JoinHostPort(name, port))
		}
	}
	for _, origin := range origins {
		g.any = g.any || origin == "*"
		scheme, host, _ := strings.Cut(strings.ToLower(origin), "://")
		g.origins = append(g.origins, scheme+"://"+strings.TrimSuffix(host, defaultPort(scheme)))
	}
	return g, nil
}

// own adds a host of the server's and its origin. A host with its scheme's default port and one
// without are the same (RFC 9110 section 4.2): reverse proxies write either, browsers leave it out
// of an origin.
func (g *Guard) own(scheme, host string) {
	scheme, host = strings.ToLower(scheme), strings.ToLower(host)
	host = strings.TrimSuffix(host, defaultPort(scheme))
	g.hosts = append(g.hosts, host)
	if _, _, err := net.SplitHostPort(host); err != nil { // it has no port
		g.hosts = append(g.hosts, host+defaultPort(scheme))
	}
	g.origins = append(g.origins, scheme+"://"+host)
}

// Allow adds a further host, NAME or NAME:PORT, under which a reverse proxy passes requests on. A
// name alone is the host without a port and with the default ones. It is no origin of the server:
// browsers do not see it.
func (g *Guard) Allow(host string) error {
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host || u.Hostname() == "" || strings.HasSuffix(host, ":") || strings.Contains(host, "*") {
		return fmt.Errorf("%q must be a host name, or one with a port, such as mcp.internal:8080", host)
	}
	host = strings.ToLower(host)
	g.hosts = append(g.hosts, host)
	if u.Port() == "" {
		g.hosts = append(g.hosts, host+":80", host+":443")
	}
	return nil
}

// Hosts are the hosts that requests may name.
func (g *Guard) Hosts() []string { return slices.Clone(g.hosts) }

func defaultPort(scheme string) string {
	if scheme == "https" {
		return ":443"
	}
	return ":80"
}

// AllowsHost reports whether a request names a host of this server.
func (g *Guard) AllowsHost(r *http.Request) bool {
	return slices.Contains(g.hosts, strings.ToLower(r.Host))
}

// Allows reports whether a request names a host and, where it has one, an origin of this server.
func (g *Guard) Allows(r *http.Request) bool {
	if !g.AllowsHost(r) {
		return false
	}
	origins := r.Header.Values("Origin")
	switch len(origins) {
	case 0:
		return true
	case 1:
		return g.any || slices.Contains(g.origins, strings.ToLower(origins[0]))
	default:
		return false
	}
}
