package grants

import (
	"context"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Revoke takes a token back (RFC 7009), and with it everything else of the login, here and at the provider where it takes
// revocations. A token that we do not know is not worth an error (section 2.2 there). MayAsk reports whether the client may
// cause a request to the provider about a token that only the provider can judge.
func (g *Grants) Revoke(ctx context.Context, r Request, mayAsk func() bool) *oauth.Error {
	token := r.Get("token")
	if token == "" {
		return refusal.BadRequest(oauth.CodeInvalidRequest, refusal.ReasonMissingParameter, "The token is missing")
	}
	if t, _, err := g.tickets.Refresh.Open(token); err == nil {
		if t.Client != r.Client {
			return refusal.InvalidGrant(refusal.ReasonOtherClient, nil)
		}
		hint := upstream.HintRefreshToken
		if t.KeepsAccess {
			hint = upstream.HintAccessToken
		}
		return g.revokeLogin(ctx, t.Family, t.Upstream, hint)
	}
	if t, err := g.openAccess(token); err == nil {
		if t.Info.ClientID != r.Label {
			return refusal.InvalidGrant(refusal.ReasonOtherClient, nil)
		}
		return g.revokeLogin(ctx, t.Family, t.Upstream, upstream.HintAccessToken)
	}
	if g.options.Tokens == proxy.Passthrough && (isJWT(token) || g.options.InsecureOpaquePassthrough) {
		return g.revokePassed(ctx, token, mayAsk)
	}
	return nil
}

// revokeLogin ends a login: first here, where it is certain, then at the provider.
func (g *Grants) revokeLogin(ctx context.Context, family tickets.ID, upstreamToken, hint string) *oauth.Error {
	if err := g.families.revoke(ctx, family); err != nil {
		return storeFailed(err)
	}
	g.logger.InfoContext(ctx, "tokens revoked", "provider", g.leg.name)
	return g.leg.revoke(ctx, upstreamToken, hint)
}

// revokePassed revokes a token of the provider's own that was passed through. Only the provider knows whether it gave that
// token to our application; it has to check (RFC 7009 section 2.1).
func (g *Grants) revokePassed(ctx context.Context, token string, mayAsk func() bool) *oauth.Error {
	if !mayAsk() {
		return refusal.TooMany()
	}
	return g.leg.revoke(ctx, token, upstream.HintAccessToken)
}
