package broker

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// maxRedirectURI bounds one redirect URI; real ones have up to about 150 bytes.
const maxRedirectURI = 512

// schemePattern is a URI scheme (RFC 3986 section 3.1), in lower case.
var schemePattern = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)

// forbiddenSchemes run code, read files or open other handlers in the browser: no list can allow them.
var forbiddenSchemes = []string{
	"about", "blob", "chrome", "chrome-extension", "data", "edge", "file", "filesystem", "ftp", "http", "https", "intent",
	"jar", "javascript", "mailto", "moz-extension", "ms-settings", "resource", "search-ms", "sms", "tel", "vbscript",
	"view-source", "ws", "wss",
}

// responseParams are the parameters of authorization responses: a redirect URI that brings its own would let the client
// read the wrong one.
var responseParams = []string{"code", "state", "iss", "error", "error_description", "error_uri", "response"}

// checkCustomSchemes checks the operator's list.
func checkCustomSchemes(schemes []string) error {
	for _, s := range schemes {
		switch {
		case !schemePattern.MatchString(s):
			return fmt.Errorf(`custom scheme %q must be a scheme in lower case such as "cursor", without "://"`, s)
		case slices.Contains(forbiddenSchemes, s):
			return fmt.Errorf("custom scheme %q cannot be allowed: browsers handle it themselves", s)
		}
	}
	return nil
}

// parseRedirectURI checks a redirect URI that a client wants to register or use: https, plain http to loopback
// (RFC 8252 section 7.3), or a custom scheme that the operator allowed (RFC 8252 section 7.1). It accepts one spelling per
// address, since registered and used ones are compared as texts and people have to recognise the host.
func parseRedirectURI(raw string, customSchemes []string) (*url.URL, error) {
	if raw == "" || len(raw) > maxRedirectURI {
		return nil, fmt.Errorf("must have 1 to %d characters", maxRedirectURI)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }) {
		return nil, errors.New("has characters that a URI cannot have")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || !u.IsAbs():
		return nil, errors.New("must be an absolute URI")
	case !strings.HasPrefix(raw, u.Scheme+":"):
		return nil, errors.New("must have its scheme in lower case")
	case strings.Contains(raw, "#"):
		return nil, errors.New("must not have a fragment (RFC 6749 section 3.1.2)")
	case u.User != nil:
		return nil, errors.New("must not have user information, which hides the host")
	case hasDotSegment(u):
		return nil, errors.New("must not have dot segments")
	}
	if err := checkRedirectQuery(u); err != nil {
		return nil, err
	}
	return u, checkRedirectHost(raw, u, customSchemes)
}

func checkRedirectHost(raw string, u *url.URL, customSchemes []string) error {
	switch {
	case u.Scheme == "https" || u.Scheme == "http":
		if err := checkWebHost(raw, u); err != nil {
			return err
		}
		if u.Scheme == "http" && !isLoopback(u) {
			return errors.New("must use https; plain http is for localhost, 127.0.0.1 and [::1]")
		}
	case !slices.Contains(customSchemes, u.Scheme):
		return fmt.Errorf("must use https, or http to a loopback host; the scheme %q is not allowed here", u.Scheme)
	}
	return nil
}

// hostLabel is one label of a host name in lower case.
var hostLabel = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// checkWebHost makes sure that the host is what it looks like, here and in a browser: a lower-case ASCII name, or an
// address in its usual spelling.
func checkWebHost(raw string, u *url.URL) error {
	if !strings.HasPrefix(raw, u.Scheme+"://"+u.Host) || u.Host == "" {
		return errors.New("must have a host in its plain spelling")
	}
	if _, port, found := strings.Cut(u.Host[strings.LastIndexByte(u.Host, ']')+1:], ":"); found {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port != strconv.FormatUint(n, 10) {
			return errors.New("must have a port from 1 to 65535, or none")
		}
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.String() != host || addr.Is4In6() || addr.Zone() != "" || addr.Is6() != strings.HasPrefix(u.Host, "[") {
			return errors.New("must have its address in the usual spelling")
		}
		return nil
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !hostLabel.MatchString(label) {
			return errors.New("must have a host name of lower-case letters, digits and hyphens (xn-- for others)")
		}
	}
	// Browsers take every host that ends in a number for an IPv4 address: 2130706433 and 0x7f.1 are 127.0.0.1.
	last := labels[len(labels)-1]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || strings.HasPrefix(last, "0x") || last[0] >= '0' && last[0] <= '9' {
		return errors.New("must have its address in the usual spelling")
	}
	return nil
}

func hasDotSegment(u *url.URL) bool {
	path := u.EscapedPath()
	if u.Opaque != "" {
		path = u.Opaque
	}
	path = strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%5c", "/", "%5C", "/").Replace(path)
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func checkRedirectQuery(u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has a query that cannot be read")
	}
	for _, name := range responseParams {
		if query.Has(name) {
			return fmt.Errorf("must not have the parameter %s, which belongs to the response", name)
		}
	}
	return nil
}

// isLoopback reports whether a checked redirect URI leads to this machine, in the spellings that clients use.
func isLoopback(u *url.URL) bool {
	switch u.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return oauth.IsLoopbackHost(u.Hostname()) && u.Scheme == "https"
}

// isNative reports whether a checked redirect URI leads to an application on the user's device rather than to a web site.
// Any application there could have sent the user here under that name.
func isNative(u *url.URL) bool { return u.Scheme != "https" || isLoopback(u) }

// registeredRedirect reports whether asked is one of the registered redirect URIs: the same text (RFC 9700 section 2.1),
// except that a loopback redirect may have any port (RFC 8252 section 7.3). Both sides passed [parseRedirectURI].
func registeredRedirect(registered []string, asked string) bool {
	if slices.Contains(registered, asked) {
		return true
	}
	wanted, ok := withoutLoopbackPort(asked)
	return ok && slices.ContainsFunc(registered, func(r string) bool {
		other, ok := withoutLoopbackPort(r)
		return ok && other == wanted
	})
}

// withoutLoopbackPort cuts the port out of a plain http redirect URI, all of which are loopback.
func withoutLoopbackPort(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return "", false
	}
	host := strings.TrimSuffix(u.Host, ":"+u.Port())
	return "http://" + host + strings.TrimPrefix(raw, "http://"+u.Host), true
}
