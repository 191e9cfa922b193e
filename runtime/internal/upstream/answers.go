package upstream

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// maxAnswer bounds an answer in bytes; token answers with group claims have up to some 20 KB.
const maxAnswer = 256 << 10

// parseAnswer reads a JSON or form-encoded answer of any status.
func parseAnswer(resp *egress.Response) (oauth.Claims, error) {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case mediaType == "application/x-www-form-urlencoded":
		return parseForm(string(resp.Body))
	case egress.IsJSON(resp.Header):
		return oauth.ParseClaims(string(resp.Body))
	default:
		return oauth.Claims{}, errors.New("the answer is neither JSON nor form-encoded")
	}
}

func parseForm(body string) (oauth.Claims, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return oauth.Claims{}, errors.New("the answer is no form: a member is not properly encoded")
	}
	members := make(map[string]any, len(form))
	for name, values := range form {
		if len(values) > 1 {
			return oauth.Claims{}, errors.New("the answer has a member twice")
		}
		members[name] = values[0]
	}
	return oauth.NewClaims(members)
}

// ErrOwnCredentials is in the error of an answer that refuses our own credentials (RFC 6749 section 5.2).
var ErrOwnCredentials = errors.New("the provider refuses this server's own credentials")

// answerError says what the provider answered instead of tokens. GitHub does so with status 200.
func (c *Client) answerError(resp *egress.Response, answer oauth.Claims, parseErr error) error {
	name := answer.String("error")
	if resp.StatusCode == http.StatusOK && name == "" && parseErr == nil {
		return nil
	}
	cause := fmt.Errorf("the provider answered status %d, error %q: %q", resp.StatusCode, clip(name), clip(answer.String("error_description")))
	if parseErr != nil {
		cause = fmt.Errorf("the provider answered status %d: %w", resp.StatusCode, parseErr)
	}
	switch code := c.Code(name); {
	case resp.StatusCode == http.StatusTooManyRequests: // whatever the body says: it ends no grant
		return &Error{Kind: KindUnavailable, RetryAfter: egress.RetryAfter(resp.Header, c.now()), cause: cause}
	case name == string(oauth.CodeInvalidClient), resp.StatusCode == http.StatusUnauthorized:
		return failure(KindRejected, fmt.Errorf("%w: %w", ErrOwnCredentials, cause))
	case code == oauth.CodeInvalidGrant || code == oauth.CodeAccessDenied:
		return failure(KindDenied, cause)
	case resp.StatusCode >= http.StatusInternalServerError,
		code == oauth.CodeTemporarilyUnavailable, code == "slow_down":
		return &Error{Kind: KindUnavailable, RetryAfter: egress.RetryAfter(resp.Header, c.now()), cause: cause}
	case name == "":
		return failure(KindUnusable, cause)
	default:
		return failure(KindRejected, cause)
	}
}

// clip shortens what the provider said for a log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
