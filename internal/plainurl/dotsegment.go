package plainurl

import (
	"net/url"
	"strings"
)

// HasDotSegment reports whether any server, proxy or browser on the way could find a dot segment in
// the path of a URL, and so read another path: "." and ".." as they stand (RFC 3986 section 5.2.4),
// with dots, slashes or backslashes behind escapes, however often those are escaped themselves, and
// with what some servers cut off a segment (";x" of Java's, an escaped query or fragment).
func HasDotSegment(u *url.URL) bool {
	path := u.EscapedPath()
	if u.Opaque != "" {
		path = u.Opaque
	}
	for segment := range strings.FieldsFuncSeq(unescaped(path), func(r rune) bool { return r == '/' || r == '\\' }) {
		if cut := strings.IndexAny(segment, ";?#"); cut >= 0 {
			segment = segment[:cut]
		}
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// unescaped undoes the escapes of a text and those that appear by that, in one pass: each byte is
// looked at once more for every escape that it completes, and each escape takes two bytes away.
func unescaped(text string) string {
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		out = append(out, text[i])
		for len(out) >= 3 && out[len(out)-3] == '%' {
			high, low := hexValue(out[len(out)-2]), hexValue(out[len(out)-1])
			if high < 0 || low < 0 {
				break
			}
			out = append(out[:len(out)-3], byte(high<<4|low)) //nolint:gosec // two digits of four bits each
		}
	}
	return string(out)
}

// hexValue is the value of a hexadecimal digit, negative for anything else.
func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
