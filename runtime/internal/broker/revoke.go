package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// revoke takes a token back (RFC 7009), and with it everything else of the login, here and at the provider where it takes
// revocations. A token that we do not know is not worth an error (section 2.2 there).
func (b *Broker) revoke(w http.ResponseWriter, r *http.Request) {
	p, refused := formParams(r)
	if refused == nil {
		refused = p.onceEach()
	}
	if refused == nil {
		refused = b.identifyClient(r, p)
	}
	if refused == nil {
		refused = b.revokeToken(context.WithoutCancel(r.Context()), p, b.address(r))
	}
	if refused != nil {
		b.refuseJSON(w, r, refused)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (b *Broker) revokeToken(ctx context.Context, p params, address string) *oauth.Error {
	token := p.get("token")
	if token == "" {
		return badRequest(oauth.CodeInvalidRequest, reasonMissingParameter, "The token is missing")
	}
	if t, err := b.openRefresh(token); err == nil {
		if t.client != clientDigest(p.get("client_id")) {
			return invalidGrant(reasonOtherClient, nil)
		}
		hint := grantRefreshToken
		if t.keepsAccess {
			hint = hintAccessToken
		}
		return b.revokeLogin(ctx, t.family, t.upstream, hint)
	}
	if t, err := b.openAccess(token); err == nil {
		if t.info.ClientID != clientLabel(p.get("client_id")) {
			return invalidGrant(reasonOtherClient, nil)
		}
		return b.revokeLogin(ctx, t.family, t.upstream, hintAccessToken)
	}
	if b.config.Tokens == proxy.Passthrough && (isJWT(token) || b.config.InsecureOpaquePassthrough) {
		return b.revokePassed(ctx, token, address)
	}
	return nil
}

// hintAccessToken is the token_type_hint of RFC 7009 section 2.1; the one of a refresh token is its grant type.
const hintAccessToken = "access_token"

// revokeLogin ends a login: first here, where it is certain, then at the provider.
func (b *Broker) revokeLogin(ctx context.Context, family identifier, upstream, hint string) *oauth.Error {
	if err := b.revokeFamily(ctx, family); err != nil {
		return retryLater(reasonStore, 0, err)
	}
	b.logger.InfoContext(ctx, "tokens revoked", "provider", b.upstream.Name)
	if err := b.revokeUpstream(ctx, upstream, hint); err != nil {
		return retryLater(reasonUpstreamUnavailable, 0, err) // RFC 7009 section 2.2.1
	}
	return nil
}

// revokePassed revokes a token of the provider's own that was passed through. Only the provider knows whether it gave that
// token to our application; it has to check (RFC 7009 section 2.1).
func (b *Broker) revokePassed(ctx context.Context, token, address string) *oauth.Error {
	if !b.limits.authorize.allow(address, b.now()) {
		return tooMany()
	}
	if err := b.revokeUpstream(ctx, token, hintAccessToken); err != nil {
		return retryLater(reasonUpstreamUnavailable, 0, err)
	}
	return nil
}

// revokeUpstream tells the provider, where it has an endpoint for it, and sees to it that nobody here relies on what was
// known of the token. A provider that does not know the token is content.
func (b *Broker) revokeUpstream(ctx context.Context, token, hint string) error {
	u := b.upstream
	defer b.config.Forget(token)
	if u.Revocation == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	var resp *egress.Response
	var err error
	if u.RevocationStyle == facts.RevokeGitHub {
		resp, err = b.deleteToken(ctx, token)
	} else {
		resp, err = b.postUpstream(ctx, u.Revocation, url.Values{"token": {token}, "token_type_hint": {hint}})
	}
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("the provider answered the revocation with status %d", resp.StatusCode)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		b.logger.WarnContext(ctx, "the provider refused a revocation", "status", resp.StatusCode, "provider", u.Name)
	}
	return nil
}

// abandon revokes tokens at the provider that nobody will get.
func (b *Broker) abandon(ctx context.Context, tokens upstreamTokens) {
	token, hint := tokens.refresh, grantRefreshToken
	if token == "" {
		token, hint = tokens.access, hintAccessToken
	}
	if err := b.revokeUpstream(ctx, token, hint); err != nil {
		b.logger.WarnContext(ctx, "the provider's tokens that nobody gets were not revoked there", "error", err)
	}
}

// deleteToken is how GitHub revokes: DELETE /applications/{client_id}/token with the token in the body.
func (b *Broker) deleteToken(ctx context.Context, token string) (*egress.Response, error) {
	body, err := json.Marshal(map[string]string{"access_token": token})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, b.upstream.Revocation, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(b.upstream.ClientID, b.upstream.ClientSecret.Reveal())
	return egress.Fetch(b.provider, req, maxUpstreamAnswer)
}
