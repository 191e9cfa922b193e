package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Tokens is the provider's token answer (RFC 6749 section 5.1).
type Tokens struct {
	Access string
	// Refresh is empty where the provider gave none.
	Refresh string
	// Scopes are under our names; nil where the answer names none.
	Scopes []string
	// Expires is when the access token ends, zero where the answer does not say.
	Expires time.Time
	// RefreshExpires is when the refresh token ends, zero where the answer does not say.
	RefreshExpires time.Time
}

// Code is an authorization code of the provider's, with what is known of its login.
type Code struct {
	Code string
	// Secret, Scopes and Resource are those of the [Login].
	Secret   [32]byte
	Scopes   []string
	Resource string
}

// ExchangeCode redeems a code. The permit is of [Client.Admit].
func (c *Client) ExchangeCode(ctx context.Context, permit Permit, code Code) (Tokens, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code.Code}, "redirect_uri": {c.redirectURI}}
	if c.provider.CodeProtection == facts.ProtectPKCE {
		form.Set("code_verifier", verifier(code.Secret))
	}
	answer, err := c.askForTokens(ctx, permit, form, code.Scopes, code.Resource)
	if err != nil {
		return Tokens{}, err
	}
	if c.provider.CodeProtection == facts.ProtectNonce {
		if err := c.checkNonce(answer.members.String("id_token"), publicPart(code.Secret)); err != nil {
			return Tokens{}, failure(KindNonce, err)
		}
	}
	return c.readTokens(answer)
}

// Refresh asks for new tokens. A provider that keeps its refresh token leaves it out of its answer:
// it stays the same then. The permit is of [Client.Admit].
func (c *Client) Refresh(ctx context.Context, permit Permit, refresh string, scopes []string, resource string) (Tokens, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	answer, err := c.askForTokens(ctx, permit, form, scopes, resource)
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := c.readTokens(answer)
	if tokens.Refresh == "" {
		tokens.Refresh = refresh
	}
	return tokens, err
}

// askForTokens sends one token request.
func (c *Client) askForTokens(
	ctx context.Context, permit Permit, form url.Values, scopes []string, resource string,
) (tokenAnswer, error) {
	if !permit.given {
		return tokenAnswer{}, surplus(0, errNoPermit)
	}
	p := c.provider
	if p.ScopeAtToken {
		form.Set("scope", strings.Join(p.theirScopes(scopes, resource), p.ScopeSeparator))
	}
	if p.Resource == facts.ResourceForward {
		form.Set("resource", resource)
	}
	for name, value := range p.TokenParams {
		form.Set(name, value)
	}
	resp, err := c.post(ctx, c.gate.Token, c.endpoints().Token, form)
	if err != nil {
		return tokenAnswer{}, err
	}
	answer := c.readAnswer(resp, form)
	return answer, answer.failed(form.Get("grant_type") == "refresh_token")
}

// readTokens reads a token answer.
func (c *Client) readTokens(a tokenAnswer) (Tokens, error) {
	now, answer := c.now(), a.members
	t := Tokens{
		Access: answer.String("access_token"), Refresh: answer.String("refresh_token"),
		Expires: deadline(answer, now, "expires_in"),
		// Three spellings of what no RFC has named.
		RefreshExpires: deadline(answer, now, "refresh_token_expires_in", "refresh_expires_in", "refresh_token_lifetime"),
	}
	if answer.Has("scope") {
		t.Scopes = c.provider.ourScopes(splitScopes(strings.Join(answer.Strings("scope"), " ")))
	}
	kind := answer.String("token_type")
	switch {
	case t.Access == "":
		return t, failure(KindUnusable, errors.New("the provider's answer has no access_token"))
	case kind != "" && !strings.EqualFold(kind, "bearer"):
		return t, failure(KindUnusable, fmt.Errorf("the provider's token type is %q, only bearer is supported", a.quote(kind)))
	}
	return t, nil
}

// deadline reads a number of seconds, which some providers send as a string. Zero and less say
// nothing.
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
