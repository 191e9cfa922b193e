package oauth

import (
	"strings"
)

// Challenge is one challenge of a WWW-Authenticate header with the parameters of RFC 6750 section 3
// and RFC 9728 section 5.1.
type Challenge struct {
	// Scheme is the authentication scheme; empty means Bearer.
	Scheme string
	Realm  string
	// Error is empty when the request carried no credentials.
	Error            Code
	ErrorDescription string
	// Scope is the space-separated scope that the request needs.
	Scope string
	// ResourceMetadata is the URL of the endpoint's own RFC 9728 document.
	ResourceMetadata string
}

// String returns the challenge as a header value. Characters that the header cannot carry are left
// out.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(schemeOr(c.Scheme))
	separator := " "
	for _, p := range []struct{ name, value string }{
		{"realm", c.Realm},
		{"error", string(c.Error)},
		{"error_description", c.ErrorDescription},
		{"scope", c.Scope},
		{"resource_metadata", c.ResourceMetadata},
	} {
		if p.value == "" {
			continue
		}
		b.WriteString(separator + p.name + `="`)
		writeQuoted(&b, p.value)
		b.WriteByte('"')
		separator = ", "
	}
	return b.String()
}

func schemeOr(scheme string) string {
	if scheme == "" {
		return "Bearer"
	}
	return scheme
}

// writeQuoted writes the inside of a quoted-string (RFC 9110 section 5.6.4).
func writeQuoted(b *strings.Builder, value string) {
	for i := range len(value) {
		switch c := value[i]; {
		case c < ' ' || c > '~': // neither control characters nor anything beyond ASCII: no response splitting
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
}

// ParseChallenges reads the challenges of WWW-Authenticate header values (RFC 9110 section 11.6.1).
// A part that cannot be read ends its header value; the challenges that were read before it count.
// Unknown parameters and token68 credentials are skipped.
func ParseChallenges(values []string) []Challenge {
	var challenges []Challenge
	for _, value := range values {
		challenges = append(challenges, parseChallengeList(value)...)
	}
	return challenges
}

func parseChallengeList(value string) []Challenge {
	var list []Challenge
	p := &headerParser{rest: value}
	for {
		p.skip(" \t,")
		word := p.token()
		if word == "" {
			return list
		}
		spaces := p.skip(" \t")
		if p.peek() == '=' && len(list) > 0 {
			content, ok := p.parameter()
			if !ok {
				return list
			}
			list[len(list)-1].set(word, content)
			continue
		}
		if spaces == 0 && p.peek() != 0 && p.peek() != ',' {
			return list
		}
		list = append(list, Challenge{Scheme: word})
	}
}

func (c *Challenge) set(name, value string) {
	switch strings.ToLower(name) {
	case "realm":
		c.Realm = value
	case "error":
		c.Error = Code(value)
	case "error_description":
		c.ErrorDescription = value
	case "scope":
		c.Scope = value
	case "resource_metadata":
		c.ResourceMetadata = value
	}
}

// headerParser walks one header value.
type headerParser struct{ rest string }

func (p *headerParser) peek() byte {
	if p.rest == "" {
		return 0
	}
	return p.rest[0]
}

func (p *headerParser) skip(set string) int {
	before := len(p.rest)
	p.rest = strings.TrimLeft(p.rest, set)
	return before - len(p.rest)
}

func (p *headerParser) token() string {
	end := 0
	for end < len(p.rest) && isTokenChar(p.rest[end]) {
		end++
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

// parameter reads `= value` with a token or a quoted-string.
func (p *headerParser) parameter() (string, bool) {
	p.rest = p.rest[1:]
	p.skip(" \t")
	if p.peek() != '"' {
		return p.token(), true
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			i++
			if i < len(p.rest) {
				b.WriteByte(p.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// isTokenChar reports whether c is a tchar of RFC 9110 section 5.6.2.
func isTokenChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
