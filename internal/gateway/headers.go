package gateway

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Header names that several places need.
const (
	sessionHeader = "Mcp-Session-Id"
	paramPrefix   = "Mcp-Param-" // of tool parameters (MCP 2026-07-28, "Transports")
)

// single are the headers of clients that reach the upstream and may be there once: two would be
// read in two ways. Whatever no list names stays behind, and so do all spellings that only some
// servers read as the same name.
func single() []string {
	return []string{
		"Content-Type", "Content-Encoding", "User-Agent", "Last-Event-Id", sessionHeader, "Mcp-Protocol-Version",
		"Mcp-Method", "Mcp-Name", "Traceparent",
	}
}

// lists are the headers of clients that reach the upstream with all their values.
func lists() []string {
	return []string{"Accept", "Accept-Encoding", "Accept-Language", "Tracestate"}
}

// answered are the headers of the upstream that reach clients.
func answered() []string {
	return []string{
		"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", sessionHeader, "Mcp-Protocol-Version",
		"Retry-After", "Allow", "X-Accel-Buffering",
	}
}

// header is the header of the request to the upstream.
func (g *Gateway) header(r *http.Request) (http.Header, error) {
	header := make(http.Header, 16)
	for _, name := range single() {
		switch values := r.Header[name]; len(values) {
		case 0:
		case 1:
			header[name] = values
		default:
			return nil, fmt.Errorf("The header %s is there more than once", name) //nolint:staticcheck // clients read it
		}
	}
	for _, name := range lists() {
		if values := r.Header[name]; len(values) > 0 {
			header[name] = values
		}
	}
	for name, values := range r.Header {
		switch {
		case g.pass[name]:
			header[name] = values
		case strings.HasPrefix(name, paramPrefix) && plainName(name):
			if len(values) > 1 {
				return nil, fmt.Errorf("The header %s is there more than once", name) //nolint:staticcheck // clients read it
			}
			header[name] = values
		}
	}
	if g.identity != IdentityNone {
		info, _ := oauth.FromContext(r.Context())
		if err := identify(header, info); err != nil {
			return nil, err
		}
	}
	for _, h := range g.static {
		header[http.CanonicalHeaderKey(h.Name)] = []string{h.Value.Reveal()}
	}
	return header, nil
}

// plainName reports whether a header's name is of letters, digits and hyphens: CGI and its heirs
// read an underscore as a hyphen.
func plainName(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}

// reserved says why neither a client nor the operator may set a header, empty where they may.
func reserved(name string) string {
	switch {
	case strings.HasPrefix(name, "X-Auth-"):
		return "it says who calls"
	case name == sessionHeader || strings.HasPrefix(name, "Mcp-"):
		return "MCP gives it its meaning"
	}
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Host", "Expect", "Http2-Settings":
		return "it is about the connection"
	}
	return ""
}

// fromStrangers says why clients' values of a header may not reach the upstream.
func fromStrangers(name string) string {
	for _, prefix := range []string{
		"X-Forwarded", "X-Real-", "X-Original-", "X-Rewrite-", "X-Remote-", "X-User", "X-Email", "X-Client-", "X-Cluster-", "X-Envoy-",
		"X-Amzn-Oidc-", "X-Goog-", "X-Ms-", "X-Webauth-", "X-Authentik-", "X-Pomerium-", "X-Latchkey-", "X-Http-Method", "Cf-", "Proxy-", "Remote-", "True-Client-", "Tailscale-",
	} {
		if strings.HasPrefix(name, prefix) {
			return "servers take it for what a proxy says"
		}
	}
	switch name {
	case "Authorization", "Cookie", "Cookie2":
		return "it holds the client's credentials"
	case "Forwarded", "Via", "Origin", "Referer":
		return "servers take it for what a proxy says"
	}
	return ""
}

// passed checks the operator's list of headers that clients may send to the upstream.
func passed(names []string) (map[string]bool, error) {
	pass := map[string]bool{}
	for _, name := range names {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if !httpguts.ValidHeaderFieldName(name) || !plainName(name) {
			return nil, fmt.Errorf("--pass-header %q must be the name of a header, of letters, digits and hyphens, such as X-Api-Version", name)
		}
		if why := reserved(canonical) + fromStrangers(canonical); why != "" {
			return nil, fmt.Errorf("--pass-header %s cannot be a client's: %s", canonical, why)
		}
		pass[canonical] = true
	}
	return pass, nil
}

// checkStatic checks the headers that the operator adds.
func checkStatic(headers []Header, pass map[string]bool) error {
	seen := map[string]bool{}
	for _, h := range headers {
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		switch {
		case !httpguts.ValidHeaderFieldName(h.Name):
			return fmt.Errorf("--upstream-header %q has no name of a header, such as X-Api-Key", h.Name)
		case h.Value == "" || !httpguts.ValidHeaderFieldValue(h.Value.Reveal()):
			return fmt.Errorf("--upstream-header %s has no value that a header may have: one line, not empty", name)
		case reserved(name) != "":
			return fmt.Errorf("--upstream-header %s cannot be set: %s", name, reserved(name))
		case seen[name]:
			return fmt.Errorf("--upstream-header %s is given twice", name)
		case pass[name]:
			return fmt.Errorf("%s cannot be both --upstream-header and --pass-header", name)
		}
		seen[name] = true
	}
	return nil
}
