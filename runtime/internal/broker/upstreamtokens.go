package broker

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// maxUpstreamAnswer bounds the provider's token answer; those with group claims have up to some 20 KB.
const maxUpstreamAnswer = 256 << 10

// upstreamTokens is the provider's token answer (RFC 6749 section 5.1).
type upstreamTokens struct {
	access  string
	refresh string
	id      string
	scopes  []string // under our names; nil where the answer names none
	// expires is zero where the answer does not say.
	expires time.Time
	// refreshExpires is when the refresh token ends, zero where the answer does not say.
	refreshExpires time.Time
}

// record puts the tokens into a record; the ID token has done its work by then.
func (t *upstreamTokens) record() []byte {
	var w recordWriter
	w.text(t.access)
	w.text(t.refresh)
	w.flag(t.scopes != nil)
	w.texts(t.scopes)
	w.time(t.expires)
	w.time(t.refreshExpires)
	return w.b
}

func readUpstreamTokens(record string) (upstreamTokens, error) {
	r := recordReader{rest: record}
	t := upstreamTokens{access: r.text(), refresh: r.text()}
	named := r.flag()
	if t.scopes = r.texts(); t.scopes == nil && named {
		t.scopes = []string{}
	}
	t.expires, t.refreshExpires = r.time(), r.time()
	return t, r.end()
}

// exchangeCode redeems the provider's code.
func (b *Broker) exchangeCode(ctx context.Context, c code) (upstreamTokens, *oauth.Error) {
	form := url.Values{"grant_type": {grantAuthorizationCode}, "code": {c.upstream}, "redirect_uri": {b.CallbackURL()}}
	if b.upstream.CodeProtection == facts.ProtectPKCE {
		form.Set("code_verifier", verifier(c.secret))
	}
	tokens, refused := b.askForTokens(ctx, form, c.scopes, c.resource)
	if refused == nil && b.upstream.CodeProtection == facts.ProtectNonce {
		if err := b.checkNonce(tokens.id, publicPart(c.secret)); err != nil {
			return tokens, invalidGrant(reasonNonce, err)
		}
	}
	return tokens, refused
}

// exchangeRefresh asks for new tokens. The provider may keep its refresh token, and then leaves it out.
func (b *Broker) exchangeRefresh(ctx context.Context, refresh string, scopes []string, resource string) (upstreamTokens, *oauth.Error) {
	tokens, refused := b.askForTokens(ctx, url.Values{"grant_type": {grantRefreshToken}, "refresh_token": {refresh}}, scopes, resource)
	if tokens.refresh == "" {
		tokens.refresh = refresh
	}
	return tokens, refused
}

// askForTokens sends one token request.
func (b *Broker) askForTokens(ctx context.Context, form url.Values, scopes []string, resource string) (upstreamTokens, *oauth.Error) {
	u := b.upstream
	if u.ScopeAtToken {
		form.Set("scope", strings.Join(u.theirScopes(scopes, resource), u.ScopeSeparator))
	}
	if u.Resource == facts.ResourceForward {
		form.Set("resource", resource)
	}
	for name, value := range u.TokenParams {
		form.Set(name, value)
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	resp, err := b.postUpstream(ctx, u.Token, form)
	if err != nil {
		return upstreamTokens{}, exchangeFailed(err)
	}
	answer, err := parseAnswer(resp)
	if refused := b.answerError(resp, answer, err); refused != nil {
		return upstreamTokens{}, refused
	}
	return b.readTokens(answer)
}

// postUpstream posts a form as our application. Its errors name neither URL nor body.
func (b *Broker) postUpstream(ctx context.Context, endpoint string, form url.Values) (*egress.Response, error) {
	u := b.upstream
	if u.AuthMethod != facts.AuthBasic {
		form.Set("client_id", u.ClientID)
	}
	switch u.AuthMethod {
	case facts.AuthPost:
		form.Set("client_secret", u.ClientSecret.Reveal())
	case facts.AuthPrivateKeyJWT:
		assertion, err := b.clientAssertion()
		if err != nil {
			return nil, err
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	default:
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json") // GitHub answers with a form otherwise
	if u.AuthMethod == facts.AuthBasic {
		req.SetBasicAuth(url.QueryEscape(u.ClientID), url.QueryEscape(u.ClientSecret.Reveal())) // RFC 6749 section 2.3.1
	}
	return egress.Fetch(b.provider, req, maxUpstreamAnswer)
}

// exchangeFailed tells an outage from what stays wrong until somebody mends it.
func exchangeFailed(err error) *oauth.Error {
	switch egress.KindOf(err) {
	case egress.KindURL, egress.KindPolicy, egress.KindScheme, egress.KindAddress, egress.KindRedirect, egress.KindTooLarge:
		return misconfigured(reasonUpstreamResponse, err)
	default:
		return retryLater(reasonUpstreamUnavailable, 0, err)
	}
}

// parseAnswer reads a JSON or form-encoded answer of any status.
func parseAnswer(resp *egress.Response) (oauth.Claims, error) {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case mediaType == "application/x-www-form-urlencoded":
		return parseFormAnswer(string(resp.Body))
	case egress.IsJSON(resp.Header):
		return oauth.ParseClaims(string(resp.Body))
	default:
		return oauth.Claims{}, errors.New("the answer is neither JSON nor form-encoded")
	}
}

func parseFormAnswer(body string) (oauth.Claims, error) {
	var p params
	if err := p.add(body); err != nil {
		return oauth.Claims{}, err
	}
	if len(p.repeated) > 0 {
		return oauth.Claims{}, errors.New("the answer has a member twice")
	}
	members := make(map[string]any, len(p.values))
	for name, value := range p.values {
		members[name] = value
	}
	return oauth.NewClaims(members)
}

// answerError maps what the provider answered instead of tokens. GitHub does so with status 200.
func (b *Broker) answerError(resp *egress.Response, answer oauth.Claims, parseErr error) *oauth.Error {
	name := answer.String("error")
	if resp.StatusCode == http.StatusOK && name == "" && parseErr == nil {
		return nil
	}
	cause := fmt.Errorf("the provider answered status %d, error %q: %q", resp.StatusCode, clip(name), clip(answer.String("error_description")))
	if parseErr != nil {
		cause = fmt.Errorf("the provider answered status %d: %w", resp.StatusCode, parseErr)
	}
	code := oauth.Code(name)
	if mapped, ok := b.upstream.ErrorCodes[name]; ok {
		code = mapped
	}
	switch {
	case code == oauth.CodeInvalidGrant || code == oauth.CodeAccessDenied:
		return invalidGrant(reasonUpstreamError, cause)
	case resp.StatusCode >= http.StatusInternalServerError, resp.StatusCode == http.StatusTooManyRequests,
		code == oauth.CodeTemporarilyUnavailable, code == "slow_down":
		return retryLater(reasonUpstreamUnavailable, egress.RetryAfter(resp.Header, b.now()), cause)
	case name == "":
		return misconfigured(reasonUpstreamResponse, cause)
	default:
		return misconfigured(reasonUpstreamError, cause)
	}
}

// readTokens reads a token answer.
func (b *Broker) readTokens(answer oauth.Claims) (upstreamTokens, *oauth.Error) {
	now := b.now()
	t := upstreamTokens{
		access: answer.String("access_token"), refresh: answer.String("refresh_token"), id: answer.String("id_token"),
		expires: deadline(answer, now, "expires_in"),
		// Three spellings of what no RFC has named.
		refreshExpires: deadline(answer, now, "refresh_token_expires_in", "refresh_expires_in", "refresh_token_lifetime"),
	}
	if answer.Has("scope") {
		t.scopes = b.upstream.ourScopes(splitScopes(strings.Join(answer.Strings("scope"), " ")))
	}
	kind := answer.String("token_type")
	switch {
	case t.access == "":
		return t, misconfigured(reasonUpstreamResponse, errors.New("the provider's answer has no access_token"))
	case kind != "" && !strings.EqualFold(kind, "bearer"):
		return t, misconfigured(reasonUpstreamResponse, fmt.Errorf("the provider's token type is %q, only bearer is supported", clip(kind)))
	}
	return t, nil
}

// deadline reads a number of seconds, which some providers send as a string. Zero and less say nothing.
func deadline(answer oauth.Claims, now time.Time, names ...string) time.Time {
	for _, name := range names {
		n, ok := answer.Number(name)
		if !ok {
			parsed, err := strconv.ParseFloat(answer.String(name), 64)
			if err != nil {
				continue
			}
			n = parsed
		}
		if n >= 1 && n < 1e9 {
			return now.Add(time.Duration(n) * time.Second)
		}
	}
	return time.Time{}
}
