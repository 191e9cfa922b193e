package runtime

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// originList are the browser origins that may call a guarded endpoint.
type originList struct {
	any   bool
	exact []string
}

func newOriginList(origins []string) (originList, error) {
	var list originList
	for _, o := range origins {
		if o == "*" {
			list.any = true
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
			strings.Contains(u.Host, "*") {
			return list, fmt.Errorf("allowed origin %q must be a scheme and host such as https://app.example.com, or *", o)
		}
		list.exact = append(list.exact, asBrowsersWriteIt(u))
	}
	return list, nil
}

// asBrowsersWriteIt returns a URL's origin in lower case and without its scheme's default port (RFC 6454 section 6.2).
func asBrowsersWriteIt(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme { // which url.Parse has put in lower case
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

func (l originList) allows(origin string) bool {
	return origin != "" && (l.any || slices.Contains(l.exact, strings.ToLower(origin)))
}

// The headers that browsers' MCP clients send and read beyond the CORS-safelisted ones.
const (
	corsAllowHeaders  = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name"
	corsExposeHeaders = "WWW-Authenticate, Mcp-Session-Id, Retry-After"
	corsAllowMethods  = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
)

// expose lets the scripts of an allowed origin read the answer, the challenge included. Credentials mode stays off: the
// token is in a header that the script sets.
func (l originList) expose(header http.Header, r *http.Request) {
	if !l.any && len(l.exact) == 0 {
		return
	}
	header.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); l.allows(origin) {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", corsExposeHeaders)
	}
}

// Preflight answers a CORS preflight request and reports whether it was one. Browsers send those without credentials, so
// they are never refused with 401: an origin that is not allowed gets an answer without permission. For any other request
// it sets the headers that let an allowed origin read the answer.
func (g *Guard) Preflight(w http.ResponseWriter, r *http.Request) bool {
	g.origins.expose(w.Header(), r)
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if g.origins.allows(r.Header.Get("Origin")) {
		h := w.Header()
		h.Set("Access-Control-Allow-Methods", corsAllowMethods)
		h.Set("Access-Control-Allow-Headers", corsAllowHeaders)
		h.Set("Access-Control-Max-Age", "7200")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
