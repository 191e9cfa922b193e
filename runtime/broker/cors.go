package broker

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// originList are the browser origins whose scripts may call an endpoint.
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
		if err != nil || u.Scheme == "" || u.Host == "" || !strings.EqualFold(o, u.Scheme+"://"+u.Host) || strings.Contains(o, "*") {
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

// preflight lets scripts of the allowed origins read the answer, and answers preflight requests; it reports whether the
// request was one. Cookies play no part in the endpoints that scripts call, so credentials stay off.
func (l originList) preflight(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	origin := r.Header.Get("Origin")
	allowed := origin != "" && (l.any || slices.Contains(l.exact, strings.ToLower(origin)))
	if l.any || len(l.exact) > 0 {
		h.Add("Vary", "Origin")
	}
	if allowed {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if allowed {
		h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, MCP-Protocol-Version")
		h.Set("Access-Control-Max-Age", "7200")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// public answers GET and HEAD, readable for scripts of every origin: what it serves is the same for everybody.
func public(get http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			get(w, r)
		case http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		default:
			h.Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
}
