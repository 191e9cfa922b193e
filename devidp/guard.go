package devidp

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// foreign says why a request does not come from this machine, or nothing when it does.
func foreign(r *http.Request) string {
	if !loopbackAuthority(r.Host) {
		return "foreign Host header"
	}
	for _, origin := range r.Header.Values("Origin") {
		if !loopbackOrigin(origin) {
			return "foreign Origin header"
		}
	}
	// A handler that was never on a socket (httptest.NewRecorder) has no local address, and a
	// made-up remote one.
	if _, connected := r.Context().Value(http.LocalAddrContextKey).(net.Addr); connected {
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && !peer.Addr().Unmap().IsLoopback() {
			return "request from another machine"
		}
	}
	return ""
}

// loopbackAuthority reports whether the host:port of a Host header is this machine, whatever its
// port.
func loopbackAuthority(authority string) bool {
	u, err := url.Parse("http://" + authority + "/")
	return err == nil && u.Host == authority && plainurl.IsLoopbackHost(u.Hostname())
}

// loopbackOrigin reports whether an Origin header (RFC 6454 section 7) names a page of this
// machine. The opaque origin "null", which sandboxed frames of any site send, does not.
func loopbackOrigin(origin string) bool {
	scheme, authority, ok := strings.Cut(origin, "://")
	return ok && (scheme == "http" || scheme == "https") && loopbackAuthority(authority)
}

// preflightMaxAge is how many seconds a browser may remember that it can call an endpoint.
const preflightMaxAge = "600"

// allowScripts sets the CORS headers for pages of loopback origins, the only ones that pass the
// guard, and answers a preflight; then it returns true. Credentials (cookies) are never allowed.
func allowScripts(w http.ResponseWriter, r *http.Request, methods string) bool {
	header := w.Header()
	if origin := r.Header.Get("Origin"); origin != "" {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
	}
	if r.Method != http.MethodOptions {
		return false
	}
	header.Set("Access-Control-Allow-Methods", methods)
	header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, MCP-Protocol-Version")
	header.Set("Access-Control-Max-Age", preflightMaxAge)
	w.WriteHeader(http.StatusNoContent)
	return true
}
