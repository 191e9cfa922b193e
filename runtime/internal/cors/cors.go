// Package cors answers browsers that ask whether a page of another origin may call, and read the answer (Fetch standard,
// "CORS protocol"). Credentials mode stays off throughout: tokens are in headers that scripts set.
package cors

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Origins are the browser origins that may call.
type Origins struct {
	any   bool
	exact []string
}

// ParseOrigins reads a list of origins such as "https://app.example.com"; "*" stands for all.
func ParseOrigins(list []string) (Origins, error) {
	var o Origins
	for _, entry := range list {
		if entry == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(entry)
		if err != nil || u.Scheme == "" || u.Host == "" || !strings.EqualFold(entry, u.Scheme+"://"+u.Host) || strings.Contains(entry, "*") {
			return o, fmt.Errorf("allowed origin %q must be a scheme and host such as https://app.example.com, or *", entry)
		}
		o.exact = append(o.exact, OriginOf(u))
	}
	return o, nil
}

// OriginOf returns a URL's origin as browsers write it: in lower case, without its scheme's default port (RFC 6454
// section 6.2).
func OriginOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// Allows reports whether a page of the origin may call. The empty origin, which no browser sends, may not.
func (o Origins) Allows(origin string) bool {
	return origin != "" && (o.any || slices.Contains(o.exact, strings.ToLower(origin)))
}

// None reports whether no origin is listed.
func (o Origins) None() bool { return !o.any && len(o.exact) == 0 }

// Policy says what pages of the allowed origins may send and read.
type Policy struct {
	Origins Origins
	// Methods and Headers are what requests may have, Expose the headers of answers that scripts may read; each separated
	// by commas.
	Methods string
	Headers string
	Expose  string
}

// Admit lets the scripts of an allowed origin read the answer whose header it is given.
func (p *Policy) Admit(header http.Header, r *http.Request) {
	if p.Origins.None() {
		return
	}
	header.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); p.Origins.Allows(origin) {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", p.Expose)
	}
}

// Preflight answers a preflight request and reports whether it was one. An origin that is not allowed gets an answer
// without permission. For any other request it does what Admit does.
func (p *Policy) Preflight(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	p.Admit(h, r)
	origin := r.Header.Get("Origin")
	if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if p.Origins.Allows(origin) {
		h.Set("Access-Control-Allow-Methods", p.Methods)
		h.Set("Access-Control-Allow-Headers", p.Headers)
		h.Set("Access-Control-Max-Age", "7200")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// Public answers GET and HEAD, readable for scripts of every origin: for documents that are the same for everybody.
func Public(get http.HandlerFunc) http.Handler {
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
