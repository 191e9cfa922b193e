package spec

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/names"
)

// IsFunction reports whether the field is set by Go code only.
func (f *Field) IsFunction() bool {
	return f.Type == TypeVerifier || f.Type == TypeUserMapper
}

// isText reports whether the field resolves to one text that may be shown.
func (f *Field) isText() bool {
	switch f.Type {
	case TypeString, TypeURL, TypeEndpoint, TypeIdentifier, TypeHost, TypeSegment, TypeLabel:
		return true
	default:
		return false
	}
}

// MayBeEmpty reports whether the field may resolve to nothing.
func (f *Field) MayBeEmpty() bool { return !f.Required && len(f.Default) == 0 }

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// accepts reports whether a value that the spec gives is one that the field's type takes at run
// time, and else what it must be.
func (f *Field) accepts(value string) (must string, ok bool) {
	if value == "" {
		return "", true
	}
	if f.Pattern != "" && !matches(f.Pattern, value, true) || f.Not != "" && matches(f.Not, value, false) {
		return f.Must, false
	}
	switch f.Type {
	case TypeURL:
		u, err := url.Parse(value)
		return "an https URL without query and fragment", err == nil && Protected(u) && ValidHost(u.Host) &&
			u.User == nil && u.RawQuery == "" && !u.ForceQuery && !strings.Contains(value, "#")
	case TypeEndpoint:
		u, err := url.Parse(value)
		return "an https URL without fragment", err == nil && Protected(u) && ValidHost(u.Host) &&
			u.User == nil && !strings.Contains(value, "#")
	case TypeIdentifier:
		return "a URI, or a text without white space", ValidIdentifier(value)
	case TypeHost:
		u, err := url.Parse("https://" + value)
		return "a host without scheme and path", err == nil && u.Host == value && ValidHost(u.Host)
	case TypeSegment:
		return "one path segment", !strings.ContainsAny(value, `/?#\%`) && value != "." && value != ".."
	case TypeLabel:
		return "one DNS label", labelPattern.MatchString(value)
	case TypeList:
		return "one entry, without comma and space", !strings.ContainsAny(value, ", ")
	default:
		return "", true
	}
}

// matches reports whether a pattern describes the whole of a value. A text that is no pattern is
// reported elsewhere; here it counts as otherwise says.
func matches(pattern, value string, otherwise bool) bool {
	compiled, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return otherwise
	}
	return compiled.MatchString(value)
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*(:[0-9]{1,5})?$`)

// ValidHost reports whether a host, with a port where one is given, is a DNS name or IPv4 address
// in its usual spelling.
func ValidHost(host string) bool { return hostPattern.MatchString(host) }

// Protected reports whether what goes to a URL is safe from others on the way: by https or, with
// plain http, since it stays on this machine.
func Protected(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}

// GoName returns the field's name in Go.
func (f *Field) GoName() string {
	if f.Go != "" {
		return f.Go
	}
	return names.Exported(f.Name)
}
