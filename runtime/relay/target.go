package relay

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
)

// maxURL is the longest URL that is looked at.
const maxURL = 2048

// parseURL reads a URL that a browser sent. field names it in the error.
func (r *Relay) parseURL(field, text string) (*url.URL, error) {
	if text == "" {
		return nil, fail(http.StatusBadRequest, field+" is required", nil)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || u.Host == "":
		return nil, fail(http.StatusBadRequest, field+" is not a valid URL", nil)
	case !plainurl.Bare(text, u):
		return nil, fail(http.StatusBadRequest, field+" must not contain credentials or a fragment", nil)
	}
	if err := egress.CheckURL(r.client, u); err != nil {
		return nil, fail(http.StatusBadRequest, field+" may not be reached: only https URLs of public hosts are", err).because(oauth.ReasonRelayTarget)
	}
	return u, nil
}

// parseUpstreamURL reads a URL that stands in fetched metadata.
func (r *Relay) parseUpstreamURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Host == "" || !plainurl.Bare(text, u) {
		return nil, false
	}
	return u, egress.CheckURL(r.client, u) == nil
}

// canonical writes a URL so that two spellings compare equal only if every server takes them for
// the same: scheme and host in lower case, no default port. Path and query stay as they are, since
// a server may tell their spellings apart.
func canonical(u *url.URL) string {
	path := u.EscapedPath()
	if path == "/" {
		path = ""
	}
	text := cors.OriginOf(u) + path
	if u.RawQuery != "" || u.ForceQuery {
		text += "?" + u.RawQuery
	}
	return text
}

// covers reports whether a protected resource is the MCP server or a parent of it on the same
// origin, as MCP clients accept it: many servers announce their origin for all their endpoints.
func covers(resource string, server *url.URL) bool {
	u, err := url.Parse(resource)
	if err != nil || u.Host == "" || !plainurl.Bare(resource, u) || cors.OriginOf(u) != cors.OriginOf(server) {
		return false
	}
	parent, path := strings.TrimSuffix(u.EscapedPath(), "/"), strings.TrimSuffix(server.EscapedPath(), "/")
	if plainurl.HasDotSegment(server) || plainurl.HasDotSegment(u) {
		return false
	}
	if u.RawQuery != "" || u.ForceQuery {
		return canonical(u) == canonical(server)
	}
	return path == parent || strings.HasPrefix(path, parent+"/")
}
