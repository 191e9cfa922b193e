package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const (
	// defaultRetry is what callers are told to wait after an outage of which nothing more is known.
	defaultRetry = time.Second
	// defaultPause is how long a provider is left alone that asked for it without saying how long.
	defaultPause = 5 * time.Second
	// credentialsPause is how long a provider is left alone that refused our own credentials: each
	// further try could lock the application out.
	credentialsPause = 10 * time.Second
	// maxPause bounds what a provider may ask for: a wrong Retry-After must not keep callers out
	// for long.
	maxPause = 5 * time.Minute
)

// endpoint is one URL of a provider that answers questions about tokens. A token goes to this URL
// and nowhere else, and into no error.
type endpoint struct {
	name string // for errors: "the introspection endpoint"
	kind string // for events: "introspection"
	// call is the gate's for questions of this kind.
	call          func(g *upstream.Gate, req *http.Request, maxBytes int64) (*egress.Response, error)
	gate          *upstream.Gate
	url           string
	place         facts.TokenPlace
	asking        facts.Asking // of a token in the header
	parameter     string       // the token's name in a form, JSON object or query
	extra         url.Values   // sent beside it
	credentials   facts.Credentials
	audience      string // of client assertions
	auth          *upstream.ClientAuth
	header        map[string]string
	invalidStatus []int    // answers that say: no such token
	invalidErrors []string // error codes that say so
	now           func() time.Time
	events        *events.Sender
}

// backOffError is the cause of an outage after which the provider should be left alone for a while.
type backOffError struct {
	pause  time.Duration
	detail string
}

func (b *backOffError) Error() string { return b.detail }

// check reports mistakes in the endpoint's configuration and fills in its client.
func (e *endpoint) check(client *http.Client, plain plainurl.HTTPHosts) error {
	e.gate = upstream.NewGate(client)
	problems := []error{e.checkURL(plain), e.checkAuth(), checkHeader(e.header), e.checkAsking()}
	if slices.Contains(e.invalidErrors, "") {
		problems = append(problems, errors.New("an empty entry in InvalidErrors"))
	}
	for _, status := range e.invalidStatus {
		if status < 400 || status > 499 {
			problems = append(problems, fmt.Errorf("InvalidStatus %d: only a 4xx status can say that a token is invalid", status))
		}
	}
	return errors.Join(problems...)
}

func (e *endpoint) checkURL(plain plainurl.HTTPHosts) error {
	if err := plainurl.CheckEndpoint(e.url, plain); err != nil {
		return fmt.Errorf("the URL %w", err)
	}
	return e.checkPlaceholder()
}

func (e *endpoint) checkAuth() (err error) {
	switch e.place {
	case facts.TokenInHeader, facts.TokenInForm, facts.TokenInJSON, facts.TokenInQuery, facts.TokenInPath:
	default:
		return fmt.Errorf("%q is no place for a token: want header, form, json, query or path", e.place)
	}
	if e.auth, err = upstream.NewClientAuth(e.credentials, e.audience, e.now); err != nil {
		return err
	}
	body := e.place == facts.TokenInForm || e.place == facts.TokenInJSON
	switch {
	case e.auth.NeedsBody() && !body:
		return fmt.Errorf("%s needs the token in a form or JSON body, where the credentials go too", e.auth.Method())
	case e.auth.NeedsHeader() && e.place == facts.TokenInHeader:
		return fmt.Errorf("the Authorization header cannot carry both the token and the credentials of %s", e.auth.Method())
	}
	return nil
}

// anonymous reports whether the token under question is the only credential.
func (e *endpoint) anonymous() bool { return e.auth.Method() == facts.AuthNone }

func checkHeader(header map[string]string) error {
	for name, value := range header {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Cookie", "Host", "Content-Type", "Content-Length":
			return fmt.Errorf("the header %s is not free to be set", name)
		}
		if name == "" || strings.Trim(name, headerNameBytes) != "" || !isPrintable(value) {
			return fmt.Errorf("the header %q cannot be sent", name)
		}
	}
	return nil
}

func (e *endpoint) checkAsking() error {
	a := e.asking
	switch {
	case a == facts.Asking{}:
	case e.place != facts.TokenInHeader:
		return errors.New("a scheme, POST, GraphQL and a list are for a token in the header")
	case a.Scheme != "" && strings.Trim(a.Scheme, headerNameBytes) != "":
		return fmt.Errorf("the scheme %q cannot be sent", a.Scheme)
	case a.Post && a.GraphQL != "":
		return errors.New("a POST without a body and GraphQL: one of them")
	}
	return nil
}

const headerNameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// ask asks about a token. The error is an [*oauth.Error]: 401 where the provider says that the
// token is no good, else 503.
func (e *endpoint) ask(ctx context.Context, token string) (oauth.Claims, error) {
	answer, err := e.exchange(ctx, token)
	if err != nil {
		return oauth.Claims{}, err
	}
	if err := e.usable(answer, token); err != nil {
		return oauth.Claims{}, err
	}
	claims, err := e.read(answer)
	if err != nil {
		return oauth.Claims{}, e.outage("the answer is not JSON that can be used: %w", err)
	}
	if code, failed := errorMember(claims, token); failed {
		return oauth.Claims{}, e.errorWithin(code)
	}
	if e.asking.GraphQL != "" && claims.Has("errors") { // what stands in them belongs in no log
		return oauth.Claims{}, e.outage("the answer to the GraphQL query holds errors")
	}
	return claims, nil
}

// read reads the object of a good answer.
func (e *endpoint) read(answer *egress.Response) (oauth.Claims, error) {
	claims, err := upstream.Object(answer)
	if err == nil || !e.asking.Listed { // an object in place of the list says what went wrong
		return claims, err
	}
	entries, err := strictjson.ParseArray(string(strictjson.WithoutBOM(answer.Body)), nil)
	switch {
	case err != nil:
		return oauth.Claims{}, err
	case len(entries) != 1:
		return oauth.Claims{}, fmt.Errorf("the list has %d entries, where one is the user", len(entries))
	}
	return oauth.ParseClaims(entries[0])
}

// exchange returns an answer of any status.
func (e *endpoint) exchange(ctx context.Context, token string) (*egress.Response, error) {
	ctx, end := e.events.Begin(ctx, observe.Operation{Kind: observe.ProviderAsked, Endpoint: e.kind, URL: e.url})
	request, err := e.request(ctx, token)
	if err != nil {
		end(asked(nil, err))
		if refused, ok := errors.AsType[*oauth.Error](err); ok {
			return nil, refused
		}
		return nil, e.outage("no request can be made for it")
	}
	answer, err := e.call(e.gate, request, upstream.MaxAnswer)
	end(asked(answer, err))
	if err != nil {
		return nil, e.outage("%w", err)
	}
	return answer, nil
}

// asked is the event of a question. A consequence of the question is an event of its own, for the
// operator's attention.
func asked(answer *egress.Response, err error) observe.Event {
	event := observe.Event{Level: slog.LevelDebug, Err: err}
	switch {
	case err != nil:
		event.Reason = oauth.ReasonProviderUnavailable
	case answer.StatusCode >= http.StatusInternalServerError:
		event.Status, event.Reason = answer.StatusCode, oauth.ReasonProviderUnavailable
	default:
		event.Status = answer.StatusCode
	}
	return event
}

// usable tells why an answer is not what was asked for.
func (e *endpoint) usable(answer *egress.Response, token string) error {
	if answer.StatusCode != http.StatusOK {
		return e.refusal(answer, token)
	}
	return nil
}

// refusal sorts an answer that is not 200. An answer that might speak of this server rather than of
// the token is never a 401: clients would log in again for nothing.
func (e *endpoint) refusal(answer *egress.Response, token string) error {
	status, code := answer.StatusCode, errorCode(answer, token)
	switch {
	case rateLimited(answer):
		return e.leaveAlone(e.pauseOf(answer), "status %d: too many requests", status)
	case slices.Contains(e.invalidStatus, status):
		return invalidAtProvider(e.name, "status %d", status)
	case slices.Contains(e.invalidErrors, code) && status < http.StatusInternalServerError && !e.speaksOfUs(status):
		return invalidAtProvider(e.name, "status %d, error %s", status, code)
	case e.anonymous() && status == http.StatusUnauthorized:
		return invalidAtProvider(e.name, "status %d", status)
	case e.anonymous() && status == http.StatusForbidden && code == string(oauth.CodeInsufficientScope):
		return oauth.InvalidToken(oauth.ReasonClaim, fmt.Errorf(
			"%s: the token may not be used there (insufficient_scope): clients must ask for the scopes that it needs", e.name))
	case status == http.StatusUnauthorized, status == http.StatusForbidden && !e.anonymous(),
		code == string(oauth.CodeInvalidClient), code == string(oauth.CodeUnauthorizedClient):
		return e.credentialsRefused(status, code)
	case status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
		return e.leaveAlone(e.pauseOf(answer), "status %d", status)
	case code != "":
		return e.outage("status %d, error %s", status, code)
	default:
		return e.outage("status %d", status)
	}
}

// speaksOfUs reports whether the bearer token that the answer is about is this server's own.
func (e *endpoint) speaksOfUs(status int) bool {
	return e.auth.Method() == facts.AuthBearer && status == http.StatusUnauthorized
}

// errorWithin sorts an answer with status 200 and an error inside, as some providers give.
func (e *endpoint) errorWithin(code string) error {
	switch {
	case slices.Contains(e.invalidErrors, code):
		return invalidAtProvider(e.name, "error %s", code)
	case code == string(oauth.CodeInvalidClient), code == string(oauth.CodeUnauthorizedClient):
		return e.credentialsRefused(http.StatusOK, code)
	case code == "":
		return e.outage("the answer holds an error")
	default:
		return e.outage("the answer holds the error %s", code)
	}
}

func invalidAtProvider(name, format string, args ...any) error {
	return oauth.InvalidToken(oauth.ReasonInactive, fmt.Errorf("%s does not accept the token: "+format, append([]any{name}, args...)...))
}

func (e *endpoint) outage(format string, args ...any) error {
	return oauth.Unavailable(defaultRetry, fmt.Errorf(e.name+": "+format, args...))
}

func (e *endpoint) leaveAlone(pause time.Duration, format string, args ...any) error {
	return oauth.Unavailable(pause, &backOffError{pause: pause, detail: fmt.Sprintf(e.name+": "+format, args...)})
}

func (e *endpoint) credentialsRefused(status int, code string) error {
	text := "status " + strconv.Itoa(status)
	if code != "" {
		text += ", error " + code
	}
	refused := oauth.Unavailable(credentialsPause, &backOffError{pause: credentialsPause, detail: fmt.Sprintf(
		"%s refuses this server's own credentials (%s, sent by %s): correct the client id, the secret or the application's "+
			"rights at the provider", e.name, text, e.auth.Method())})
	refused.Reason = oauth.ReasonOwnCredentials
	return refused
}

// rateLimited reports whether the provider has had enough. GitHub says so with 403 and headers.
func rateLimited(answer *egress.Response) bool {
	switch answer.StatusCode {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden:
		return answer.Header.Get("Retry-After") != "" || answer.Header.Get("X-Ratelimit-Remaining") == "0"
	default:
		return false
	}
}

// pauseOf is how long the provider wants to be left alone, between one second and maxPause.
func (e *endpoint) pauseOf(answer *egress.Response) time.Duration {
	now := e.now()
	pause := egress.RetryAfter(answer.Header, now)
	if reset, err := strconv.ParseInt(answer.Header.Get("X-Ratelimit-Reset"), 10, 64); pause == 0 && err == nil {
		pause = time.Unix(reset, 0).Sub(now)
	}
	if pause <= 0 {
		pause = defaultPause
	}
	return min(max(pause, time.Second), maxPause)
}

// errorCode is the OAuth error code of an answer that is not 200: in its JSON object (RFC 6749
// section 5.2) or in its challenge (RFC 6750 section 3).
func errorCode(answer *egress.Response, token string) string {
	if claims, err := upstream.Object(answer); err == nil {
		if code, _ := errorMember(claims, token); code != "" {
			return code
		}
	}
	for _, challenge := range oauth.ParseChallenges(answer.Header.Values("WWW-Authenticate")) {
		if code := knownSpelling(string(challenge.Error), token); code != "" {
			return code
		}
	}
	return ""
}

// errorMember reports whether an answer is an error, and its code if that is one.
func errorMember(claims oauth.Claims, token string) (code string, failed bool) {
	switch raw := string(claims.Raw("error")); raw {
	case "", "null", "false", `""`:
		return "", false
	default:
		return knownSpelling(claims.String("error"), token), true
	}
}

// knownSpelling lets pass what looks like an error code. Anything else may be a sentence with the
// token in it, which belongs in no log.
func knownSpelling(code, token string) string {
	if len(code) > 64 || code == token || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return code
}
