package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// The registered well-known suffixes.
const (
	// WellKnownProtectedResource is RFC 9728's.
	WellKnownProtectedResource = "oauth-protected-resource"
	// WellKnownAuthorizationServer is RFC 8414's.
	WellKnownAuthorizationServer = "oauth-authorization-server"
	// WellKnownOpenID is OpenID Connect Discovery's.
	WellKnownOpenID = "openid-configuration"
)

// InsertWellKnown puts a well-known suffix between host and path of a URL: https://h/p gives
// https://h/.well-known/suffix/p. A slash at the end of the path is left out (RFC 8414 section
// 3.1), but not behind the suffix of protected resources, whose identifiers it is a part of (RFC
// 9728 section 3.1). A URL that does not parse gives the empty string.
func InsertWellKnown(base, suffix string) string {
	return wellKnown(base, func(path string) string {
		if suffix != WellKnownProtectedResource || path == "/" {
			path = strings.TrimSuffix(path, "/")
		}
		return "/.well-known/" + suffix + path
	})
}

// AppendWellKnown puts a well-known suffix behind the path of a URL: https://h/p gives
// https://h/p/.well-known/suffix (OpenID Connect Discovery section 4.1).
func AppendWellKnown(base, suffix string) string {
	return wellKnown(base, func(path string) string { return strings.TrimSuffix(path, "/") + "/.well-known/" + suffix })
}

// RootWellKnown puts a well-known suffix at the root of a URL's host, whatever its path.
func RootWellKnown(base, suffix string) string {
	return wellKnown(base, func(string) string { return "/.well-known/" + suffix })
}

func wellKnown(base string, place func(path string) string) string {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host + place(u.EscapedPath())
}

// AuthorizationServerMetadataURLs returns where the metadata of an issuer may be, in the order in
// which MCP clients try: RFC 8414 inserted, OpenID inserted, OpenID appended. Without a path the
// forms coincide and are listed once.
func AuthorizationServerMetadataURLs(issuer string) []string {
	forms := []string{
		InsertWellKnown(issuer, WellKnownAuthorizationServer),
		InsertWellKnown(issuer, WellKnownOpenID),
	}
	if appended := AppendWellKnown(issuer, WellKnownOpenID); appended != forms[1] {
		forms = append(forms, appended)
	}
	return forms
}

// ProtectedResourceMetadataURL returns the path-inserted address of a resource's own RFC 9728
// document.
func ProtectedResourceMetadataURL(resource string) string {
	return InsertWellKnown(resource, WellKnownProtectedResource)
}

// CanonicalResource checks a resource URL and returns its canonical form: lower-case scheme and
// host, no default port (MCP authorization, "Canonical Server URI"; RFC 8707 section 2). The path
// stays as it is, a slash at its end included: with and without one are two identifiers (RFC 9728
// section 3.3). Plain http is accepted for loopback hosts only.
func CanonicalResource(resource string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(resource))
	switch {
	case err != nil:
		return "", fmt.Errorf("resource URL: %w", err)
	case u.Scheme == "" || u.Hostname() == "":
		return "", errors.New("resource URL must be absolute, such as https://mcp.example.com/mcp")
	case u.User != nil:
		return "", errors.New("resource URL must not contain credentials")
	case !plainurl.Bare(resource, u):
		return "", errors.New("resource URL must not contain a fragment (RFC 8707 section 2)")
	case u.RawQuery != "" || u.ForceQuery:
		return "", errors.New("resource URL must not contain a query")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > '~' }):
		// A challenge leaves out what a header cannot carry: it would name another host.
		return "", errors.New("resource URL must have an ASCII host; write an internationalized name in its xn-- form")
	}
	scheme, host := strings.ToLower(u.Scheme), strings.TrimSuffix(strings.ToLower(u.Host), ":")
	switch {
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case scheme == "http" && plainurl.IsLoopbackHost(u.Hostname()):
		host = strings.TrimSuffix(host, ":80")
	case scheme == "http":
		return "", errors.New("resource URL must use https (plain http is for loopback hosts only)")
	default:
		return "", fmt.Errorf("resource URL must use https, not %q", scheme)
	}
	if plainurl.HasDotSegment(u) {
		return "", errors.New("resource URL must not contain dot segments")
	}
	if strings.HasSuffix(u.EscapedPath(), "//") {
		return "", errors.New("resource URL must not end in more than one slash")
	}
	return scheme + "://" + host + u.EscapedPath(), nil
}
