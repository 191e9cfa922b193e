package runtime

import (
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// bearerToken returns the one well-formed bearer credential of a request (RFC 6750 section 2.1). Tokens in the query or
// the body are never read: they end up in logs and histories (MCP authorization, "Access Token Usage").
func bearerToken(r *http.Request, maxBytes int) (string, error) {
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) == 0 || len(headers) == 1 && headers[0] == "":
		return "", oauth.ErrMissingCredentials
	case len(headers) > 1:
		return "", malformed(oauth.ReasonMultipleCredentials)
	}
	scheme, token, found := strings.Cut(headers[0], " ")
	switch {
	case !found || !strings.EqualFold(scheme, "Bearer") || !isToken68(token): // the scheme ignores case: RFC 9110 section 11.1
		return "", malformed(oauth.ReasonMalformedHeader)
	case len(token) > maxBytes:
		return "", oauth.InvalidToken(oauth.ReasonTokenTooLarge, nil)
	case r.URL.RawQuery != "" && r.URL.Query().Has("access_token"):
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

// isToken68 tells whether s is a b64token of RFC 6750 section 2.1.
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		switch c := body[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return body != ""
}
