package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// MaxAnswer bounds an answer in bytes; token answers with group claims have up to some 20 KB.
const MaxAnswer = 256 << 10

// Object reads the JSON object of an answer of any status, whatever content type it has: some
// providers call it text/plain or text/html.
func Object(resp *egress.Response) (oauth.Claims, error) {
	return oauth.ParseClaims(string(strictjson.WithoutBOM(resp.Body)))
}

// parseAnswer reads an answer to a token request: a form where it says that it is one, else an
// object.
func parseAnswer(resp *egress.Response) (oauth.Claims, error) {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if mediaType == "application/x-www-form-urlencoded" {
		return parseForm(string(resp.Body))
	}
	if !bytes.HasPrefix(bytes.TrimLeft(strictjson.WithoutBOM(resp.Body), " \t\r\n"), []byte("{")) {
		return oauth.Claims{}, errors.New("the answer is neither a JSON object nor form-encoded")
	}
	return Object(resp)
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

// ErrOwnCredentials is in the error of an answer that refuses our own credentials (RFC 6749
// section 5.2).
var ErrOwnCredentials = errors.New("the provider refuses this server's own credentials")

// tokenAnswer is what the provider answered a token request.
type tokenAnswer struct {
	status     int
	retryAfter time.Duration
	members    oauth.Claims
	unreadable error
	// code is the error that the answer names, as its spec maps it; empty for none.
	code oauth.Code
	// quote makes the provider's words fit for a log.
	quote func(string) string
}

func (c *Client) readAnswer(resp *egress.Response, form url.Values) tokenAnswer {
	members, err := parseAnswer(resp)
	secrets := c.secrets(form, members)
	return tokenAnswer{
		status: resp.StatusCode, retryAfter: egress.RetryAfter(resp.Header, c.now()), members: members, unreadable: err,
		code: c.Code(members.String("error")), quote: func(said string) string { return Quote(said, secrets...) },
	}
}

// failed says what the provider answered instead of tokens; nil where it gave some. GitHub answers
// errors with status 200. The provider's no to a refresh ends the grant under whatever name, since
// providers name it in many ways; what is about our own credentials, or looks like an outage, ends
// none.
func (a tokenAnswer) failed(refresh bool) error {
	succeeded := a.status == http.StatusOK || a.status == http.StatusCreated
	if succeeded && a.code == "" && a.unreadable == nil {
		return nil
	}
	switch cause := a.cause(); {
	case a.isOutage():
		return &Error{Kind: KindUnavailable, RetryAfter: a.retryAfter, cause: cause}
	case a.code == oauth.CodeInvalidClient:
		return failure(KindRejected, fmt.Errorf("%w: %w", ErrOwnCredentials, cause))
	case refresh:
		return a.refusedRefresh(cause)
	case a.code == oauth.CodeInvalidGrant || a.code == oauth.CodeAccessDenied:
		return failure(KindDenied, cause)
	case a.status == http.StatusUnauthorized:
		return failure(KindRejected, fmt.Errorf("%w: %w", ErrOwnCredentials, cause))
	case a.code == "":
		return failure(KindUnusable, cause)
	default:
		return failure(KindRejected, cause)
	}
}

// isOutage reports whether the provider cannot answer now, or asks to be left alone, whatever else
// its answer says.
func (a tokenAnswer) isOutage() bool {
	return a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError ||
		a.code == oauth.CodeTemporarilyUnavailable || a.code == oauth.CodeServerError || a.code == "slow_down"
}

// refusedRefresh says what an answer to a refresh means that is neither tokens nor an outage by
// name. A status of 400 or 401, or success, with an OAuth error (RFC 6749 section 5.2) is the
// provider's no, and so is 403 with invalid_grant, which is how Atlassian says it; other client
// errors are of something in between, such as a proxy.
func (a tokenAnswer) refusedRefresh(cause error) error {
	clientError := a.status >= http.StatusBadRequest // above it all are outages
	spoken := !clientError || a.status == http.StatusBadRequest || a.status == http.StatusUnauthorized ||
		a.status == http.StatusForbidden && a.code == oauth.CodeInvalidGrant
	switch {
	case a.code != "" && spoken:
		return failure(KindDenied, cause)
	case a.status == http.StatusUnauthorized: // most likely
		return failure(KindUnavailable, fmt.Errorf("%w: %w", ErrOwnCredentials, cause))
	case clientError:
		return failure(KindUnavailable, cause)
	default:
		return failure(KindUnusable, cause)
	}
}

// cause is the answer for the log.
func (a tokenAnswer) cause() error {
	if a.unreadable != nil {
		return fmt.Errorf("the provider answered status %d: %w", a.status, a.unreadable)
	}
	return fmt.Errorf("the provider answered status %d, error %q: %q", a.status,
		a.quote(a.members.String("error")), a.quote(a.members.String("error_description")))
}
