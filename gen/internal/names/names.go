// Package names turns the names of specs into names of Go.
package names

import (
	"strings"
	"unicode"
)

// initialisms are written in capitals throughout, as Go does. A spec overrides the result with its
// own `go:`.
var initialisms = map[string]bool{
	"aal": true, "acr": true, "amr": true, "api": true, "azp": true, "cid": true, "dn": true, "dns": true, "fga": true,
	"html": true, "http": true, "https": true, "iam": true, "id": true, "idp": true, "ip": true, "json": true,
	"jti": true, "jwe": true, "jwk": true, "jwks": true, "jws": true, "jwt": true, "mfa": true, "oid": true,
	"oidc": true, "oci": true, "pkce": true, "rbac": true, "saml": true, "scim": true, "sid": true, "sso": true,
	"tls": true, "uid": true, "uri": true, "url": true, "uuid": true,
}

// Exported returns the exported Go name: frontendApiUrl and frontend_api_url become FrontendAPIURL.
// It is empty where nothing of the name can begin a Go name.
func Exported(name string) string {
	var b strings.Builder
	for _, word := range Words(name) {
		b.WriteString(capital(word))
	}
	exported := b.String()
	if exported == "" || exported[0] < 'A' || exported[0] > 'Z' {
		return ""
	}
	return exported
}

// Local returns the name of a local variable: frontendApiUrl becomes frontendAPIURL.
func Local(name string) string {
	words := Words(name)
	if len(words) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(strings.ToLower(words[0]))
	for _, word := range words[1:] {
		b.WriteString(capital(word))
	}
	return b.String()
}

func capital(word string) string {
	lower := strings.ToLower(word)
	if initialisms[lower] {
		return strings.ToUpper(lower)
	}
	return strings.ToUpper(lower[:1]) + lower[1:]
}

// Words splits a name where its spelling changes: at everything but letters and digits, before a
// capital that follows a small letter or digit, and before the last capital of a run that goes on
// in small letters (HTTPServer is HTTP, Server).
func Words(name string) []string {
	var words []string
	runes := []rune(name)
	start := 0
	flush := func(end int) {
		if word := string(runes[start:end]); word != "" {
			words = append(words, word)
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case !isWord(r):
			flush(i)
			start = i + 1
		case i == start:
		case unicode.IsUpper(r) && !unicode.IsUpper(runes[i-1]):
			flush(i)
		case unicode.IsUpper(r) && i+1 < len(runes) && unicode.IsLower(runes[i+1]) && isWord(runes[i+1]):
			flush(i)
		}
	}
	flush(len(runes))
	return words
}

// isWord reports whether a rune is part of a word. Letters beyond ASCII are not: two that look
// alike would be two names.
func isWord(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
