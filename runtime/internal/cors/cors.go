// Package cors answers browsers that ask whether a page of another origin may call, and read the
// answer (Fetch standard, "CORS protocol"). Credentials mode stays off throughout: tokens are in
// headers that scripts set.
package cors

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
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

// OriginOf returns a URL's origin as browsers write it: in lower case, without its scheme's default
// port (RFC 6454 section 6.2).
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

// Allows reports whether a page of the origin may call. The empty origin, which no browser sends,
// may not.
func (o Origins) Allows(origin string) bool {
	return origin != "" && (o.any || slices.Contains(o.exact, strings.ToLower(origin)))
}

// None reports whether no origin is listed.
func (o Origins) None() bool { return !o.any && len(o.exact) == 0 }

// Policy says what pages of the allowed origins may send and read.
type Policy struct {
	Origins Origins
	// Methods and Headers are what requests may have, Expose the headers of answers that scripts
	// may read; each separated by commas.
	Methods string
	Headers string
	Expose  string
	// Further are more headers that requests may have, each a name: see [ParseHeaders].
	Further []string
}

// ParseHeaders checks an operator's list of headers that scripts may send.
func ParseHeaders(list []string) ([]string, error) {
	for _, name := range list {
		if name == "*" || !httpguts.ValidHeaderFieldName(name) {
			return nil, fmt.Errorf("allowed header %q must be the name of a header such as X-Api-Version", name)
		}
	}
	return slices.Clone(list), nil
}

// traceHeaders are what instrumented clients add to every request (W3C Trace Context, W3C Baggage).
const traceHeaders = "traceparent, tracestate, baggage"

// parameterPrefix begins the headers in which MCP clients repeat parameters of a call, one for each
// that a tool's schema marks (MCP 2026-07-28, "Streamable HTTP"): no list can name them.
const parameterPrefix = "mcp-param-"

// maxParameters is how many such headers one request may announce.
const maxParameters = 64

// allowedHeaders are what the request of a preflight may have.
func (p *Policy) allowedHeaders(asked http.Header) string {
	allowed := append([]string{p.Headers, traceHeaders}, p.Further...)
	most := len(allowed) + maxParameters
	for _, line := range asked.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if strings.HasPrefix(name, parameterPrefix) && httpguts.ValidHeaderFieldName(name) && len(allowed) < most {
				allowed = append(allowed, name)
			}
		}
	}
	return strings.Join(allowed, ", ")
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

// Preflight answers a preflight request and reports whether it was one. An origin that is not
// allowed gets an answer without permission. For any other request it does what Admit does.
func (p *Policy) Preflight(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	p.Admit(h, r)
	origin := r.Header.Get("Origin")
	if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if p.Origins.Allows(origin) {
		h.Set("Access-Control-Allow-Methods", p.Methods)
		h.Set("Access-Control-Allow-Headers", p.allowedHeaders(r.Header))
		h.Set("Access-Control-Max-Age", "7200")
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// Public answers GET and HEAD, readable for scripts of every origin: for documents that are the
// same for everybody.
func Public(get http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			get(w, r)
		case http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
			// The documents are the same for everybody, whatever a request says. The star stands
			// for all but Authorization.
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version, "+traceHeaders+", *")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		default:
			h.Set("Allow", "GET, HEAD, OPTIONS")
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
}
