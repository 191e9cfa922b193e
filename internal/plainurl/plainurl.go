// Package plainurl says which URLs every parser reads alike. Redirect URIs, client identifiers,
// resources and endpoints are compared as texts or shown to people, so that another reading of one
// would lead somebody elsewhere.
package plainurl

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// IsLoopbackHost reports whether a host name without port always means this machine: localhost, a
// name below it (RFC 6761 section 6.3), or a loopback address in its usual spelling.
func IsLoopbackHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// HostOf returns the host of a host:port pair, or the whole where there is no port.
func HostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// IsUnusual reports whether a character is none that a URL has (RFC 3986 section 2), or one that
// parsers disagree about.
func IsUnusual(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }

// Bare reports whether a URL, of which text is the spelling, has neither user information, which
// hides the host, nor a fragment, not even an empty one.
func Bare(text string, u *url.URL) bool { return u.User == nil && !strings.Contains(text, "#") }

// hostLabel is one label of a host name in lower case. Underscores occur in private networks.
var hostLabel = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// CheckHost makes sure that the host of a URL, of which raw is the spelling, is what it looks like,
// here and in a browser: a lower-case ASCII name, or an address in its usual spelling. Its errors
// are what the URL must have.
func CheckHost(raw string, u *url.URL) error {
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
	// Browsers take every host that ends in a number for an IPv4 address: 2130706433 and 0x7f.1 are
	// 127.0.0.1.
	last := labels[len(labels)-1]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || strings.HasPrefix(last, "0x") || last[0] >= '0' && last[0] <= '9' {
		return errors.New("must have its address in the usual spelling")
	}
	return nil
}
