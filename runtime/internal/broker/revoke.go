package broker

import (
	"context"
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// revoke takes a token back (RFC 7009), and with it everything else of the login, here and at the provider where it takes
// revocations. A token that we do not know is not worth an error (section 2.2 there).
func (b *Broker) revoke(w http.ResponseWriter, r *http.Request) {
	p, refused := params.Form(r)
	if refused == nil {
		refused = p.OnceEach()
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

func (b *Broker) revokeToken(ctx context.Context, p params.Params, address string) *oauth.Error {
	token := p.Get("token")
	if token == "" {
		return refusal.BadRequest(oauth.CodeInvalidRequest, refusal.ReasonMissingParameter, "The token is missing")
	}
	if t, _, err := b.tickets.Refresh.Open(token); err == nil {
		if t.Client != clientDigest(p.Get("client_id")) {
			return refusal.InvalidGrant(refusal.ReasonOtherClient, nil)
		}
		hint := upstream.HintRefreshToken
		if t.KeepsAccess {
			hint = upstream.HintAccessToken
		}
		return b.revokeLogin(ctx, t.Family, t.Upstream, hint)
	}
	if t, err := b.openAccess(token); err == nil {
		if t.Info.ClientID != clientLabel(p.Get("client_id")) {
			return refusal.InvalidGrant(refusal.ReasonOtherClient, nil)
		}
		return b.revokeLogin(ctx, t.Family, t.Upstream, upstream.HintAccessToken)
	}
	if b.config.Tokens == proxy.Passthrough && (isJWT(token) || b.config.InsecureOpaquePassthrough) {
		return b.revokePassed(ctx, token, address)
	}
	return nil
}

// revokeLogin ends a login: first here, where it is certain, then at the provider.
func (b *Broker) revokeLogin(ctx context.Context, family tickets.ID, upstreamToken, hint string) *oauth.Error {
	if err := b.revokeFamily(ctx, family); err != nil {
		return refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	b.logger.InfoContext(ctx, "tokens revoked", "provider", b.config.Upstream.Name)
	return b.revokeUpstream(ctx, upstreamToken, hint)
}

// revokePassed revokes a token of the provider's own that was passed through. Only the provider knows whether it gave that
// token to our application; it has to check (RFC 7009 section 2.1).
func (b *Broker) revokePassed(ctx context.Context, token, address string) *oauth.Error {
	if !b.limits.authorize.allow(address, b.now()) {
		return refusal.TooMany()
	}
	return b.revokeUpstream(ctx, token, upstream.HintAccessToken)
}

// revokeUpstream tells the provider, and sees to it that nobody here relies on what was known of the token. What the provider
// refuses is the operator's to correct: the client has done its part. An outage is its to try again (RFC 7009 section 2.2.1).
func (b *Broker) revokeUpstream(ctx context.Context, token, hint string) *oauth.Error {
	defer b.config.Forget(token)
	err := b.upstream.Revoke(ctx, token, hint)
	switch {
	case err == nil:
		return nil
	case upstream.KindOf(err) == upstream.KindRejected:
		b.logger.WarnContext(ctx, "the provider refused a revocation", "provider", b.config.Upstream.Name, "error", err)
		return nil
	}
	return refusal.RetryLater(refusal.ReasonUpstreamUnavailable, 0, err)
}

// abandon revokes tokens at the provider that nobody will get.
func (b *Broker) abandon(ctx context.Context, tokens upstream.Tokens) {
	token, hint := tokens.Refresh, upstream.HintRefreshToken
	if token == "" {
		token, hint = tokens.Access, upstream.HintAccessToken
	}
	if refused := b.revokeUpstream(ctx, token, hint); refused != nil {
		b.logger.WarnContext(ctx, "the provider's tokens that nobody gets were not revoked there", "error", refused.Cause)
	}
}
