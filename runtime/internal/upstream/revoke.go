package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// The hints of a revocation (RFC 7009 section 2.1).
const (
	HintAccessToken  = "access_token"
	HintRefreshToken = "refresh_token"
)

// Revoke takes a token back at the provider, where it has an endpoint for it. A provider that does
// not know the token is content (RFC 7009 section 2.2). One that refuses the request is an error of
// [KindRejected]: asking again changes nothing. Repeats are answered from memory for a while; what
// goes beyond the caller's limits is an error of [KindSurplus].
func (c *Client) Revoke(ctx context.Context, caller Caller, token, hint string) error {
	if c.endpoints().Revocation == "" {
		return nil
	}
	return c.revoked.once(ctx, token, c.now, func(ctx context.Context) error {
		if err := c.budgets.admit(c.budgets.revocations, caller, c.now()); err != nil {
			return err
		}
		return c.sendRevocation(ctx, token, hint)
	})
}

func (c *Client) sendRevocation(ctx context.Context, token, hint string) error {
	p := c.provider
	var resp *egress.Response
	var err error
	if p.RevocationStyle == facts.RevokeGitHub {
		resp, err = c.deleteToken(ctx, token)
	} else {
		resp, err = c.post(ctx, c.gate.Revocation, c.endpoints().Revocation, url.Values{"token": {token}, "token_type_hint": {hint}})
	}
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests:
		return &Error{
			Kind: KindUnavailable, RetryAfter: egress.RetryAfter(resp.Header, c.now()),
			cause: fmt.Errorf("the provider answered the revocation with status %d", resp.StatusCode),
		}
	case resp.StatusCode >= http.StatusBadRequest:
		return failure(KindRejected, fmt.Errorf("the provider answered the revocation with status %d", resp.StatusCode))
	}
	return nil
}

// deleteToken is how GitHub revokes: DELETE /applications/{client_id}/token with the token in the
// body.
func (c *Client) deleteToken(ctx context.Context, token string) (*egress.Response, error) {
	body, err := json.Marshal(map[string]string{"access_token": token})
	if err != nil {
		return nil, failure(KindUnusable, err)
	}
	req, err := http.NewRequest(http.MethodDelete, c.endpoints().Revocation, bytes.NewReader(body)) //nolint:noctx // send adds it
	if err != nil {
		return nil, failure(KindUnusable, errors.New("the request cannot be made"))
	}
	req.Header.Set("Content-Type", "application/json")
	if err := c.revocationAuth.Add(req.Header, url.Values{}); err != nil {
		return nil, failure(KindUnusable, err)
	}
	resp, err := send(ctx, c.gate.Revocation, req)
	if err != nil {
		return nil, withoutEchoes(err, c.provider.ClientSecret.Reveal(), token)
	}
	return resp, nil
}
