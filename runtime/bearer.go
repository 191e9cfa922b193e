package runtime

import (
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// bearerToken returns the one bearer credential of a request (RFC 6750 section 2.1), whose
// characters [isToken68] has yet to look at. Tokens in the query or the body are never read: they
// end up in logs and histories (MCP authorization, "Access Token Usage").
func bearerToken(r *http.Request, maxBytes int) (string, error) {
	headers := r.Header["Authorization"]
	switch {
	case len(headers) == 0 || len(headers) == 1 && headers[0] == "":
		return "", oauth.ErrMissingCredentials
	case len(headers) > 1:
		return "", malformed(oauth.ReasonMultipleCredentials)
	}
	scheme, token, found := strings.Cut(headers[0], " ")
	switch {
	case !found || scheme != "Bearer" && !strings.EqualFold(scheme, "Bearer"): // the scheme ignores case: RFC 9110 section 11.1
		return "", malformed(oauth.ReasonMalformedHeader)
	case len(token) > maxBytes:
		return "", oauth.InvalidToken(oauth.ReasonTokenTooLarge, nil)
	case namesToken(r.URL.RawQuery) && r.URL.Query().Has("access_token"):
		return "", oauth.InvalidRequest(oauth.ReasonMultipleCredentials,
			"More than one method of sending the access token was used: send it in the Authorization header alone")
	}
	return token, nil
}

func malformed(reason oauth.Reason) *oauth.Error {
	e := oauth.InvalidToken(reason, nil)
	e.Description = `Invalid Authorization header format, expected "Bearer TOKEN"`
	return e
}

// ambiguousPath is the refusal of a path that routers take for different endpoints.
func ambiguousPath() *oauth.Error {
	return oauth.InvalidRequest(oauth.ReasonAmbiguousPath, "The path of the request is not in its plain spelling")
}

// namesToken reports whether a query may have a parameter access_token, so that others need not be
// taken apart.
func namesToken(query string) bool {
	return strings.Contains(query, "access_token") || strings.IndexByte(query, '%') >= 0
}

// token68 are the characters of a b64token (RFC 6750 section 2.1) but the padding at its end.
var token68 = func() (allowed [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/") {
		allowed[c] = true
	}
	return allowed
}()

// isToken68 reports whether s is a b64token of RFC 6750 section 2.1. A loop that looks at a
// character at a time takes as long as the rest of a request with a cached token; this one takes a
// third.
func isToken68(s string) bool {
	rest := strings.TrimRight(s, "=")
	if rest == "" {
		return false
	}
	for len(rest) >= 8 {
		c := rest[:8]
		if !(token68[c[0]] && //nolint:staticcheck // "not all of them" reads better than De Morgan's "any not"
			token68[c[1]] && token68[c[2]] && token68[c[3]] &&
			token68[c[4]] && token68[c[5]] && token68[c[6]] && token68[c[7]]) {
			return false
		}
		rest = rest[8:]
	}
	for i := range len(rest) {
		if !token68[rest[i]] {
			return false
		}
	}
	return true
}
