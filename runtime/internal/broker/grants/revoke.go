package grants

import (
	"cmp"
	"context"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Revoke takes a token back (RFC 7009), and with it everything else of the login, here and at the
// provider where it takes revocations. A token that we do not know is not worth an error (section
// 2.2 there). MayAsk reports whether the client may cause a request to the provider about a token
// that only the provider can judge.
func (g *Grants) Revoke(ctx context.Context, r Request, mayAsk func() bool) *oauth.Error {
	token := r.Get("token")
	if token == "" {
		return refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonMissingParameter, "The token is missing")
	}
	if t, _, err := g.tickets.Refresh.Open(token); err == nil {
		if refused := r.owns(t.Client); refused != nil {
			return refused
		}
		hint := upstream.HintRefreshToken
		if t.KeepsAccess {
			hint = upstream.HintAccessToken
		}
		return g.revokeLogin(ctx, t.Family, r, t.Upstream, hint, ofRefresh(t))
	}
	if t, _, err := g.openAccess(token); err == nil {
		if t.Info.ClientID != r.Label {
			return refusal.InvalidGrant(oauth.ReasonOtherClient, nil)
		}
		if t.Confidential && !r.Authenticated {
			return unauthenticated()
		}
		about := events.By(t.Info, observe.Event{Resource: t.Info.Resource})
		return g.revokeLogin(ctx, t.Family, r, t.Upstream, upstream.HintAccessToken, about)
	}
	if g.options.Tokens == proxy.Passthrough && (isJWT(token) || g.options.InsecureOpaquePassthrough) {
		return g.revokePassed(ctx, token, r, mayAsk)
	}
	return nil
}

// revokeLogin ends a login: first here, where it is certain, then at the provider.
func (g *Grants) revokeLogin(
	ctx context.Context, family tickets.ID, r Request, upstreamToken, hint string, about observe.Event,
) *oauth.Error {
	if err := g.families.revoke(ctx, family); err != nil {
		return refusal.StoreFailed(err)
	}
	return g.tellRevoked(ctx, g.leg.revoke(ctx, callerOf(family, r), upstreamToken, hint), about, r.Label)
}

// tellRevoked tells that a client ended a login, and what the provider did not accept of it. It
// returns what to answer: what is ended here stays so, also where nobody could record it, and the
// client tries again.
func (g *Grants) tellRevoked(ctx context.Context, refused *oauth.Error, event observe.Event, client string) *oauth.Error {
	event.Kind, event.Client = observe.TokensRevoked, client
	if refused != nil {
		event.Err = refused.Cause
	}
	denied := g.events.Decide(ctx, &event)
	g.events.Observe(ctx, event)
	return cmp.Or(refused, denied)
}

// revokePassed revokes a token of the provider's own that was passed through. Only the provider
// knows whether it gave that token to our application; it has to check (RFC 7009 section 2.1).
func (g *Grants) revokePassed(ctx context.Context, token string, r Request, mayAsk func() bool) *oauth.Error {
	if !mayAsk() {
		return refusal.TooMany()
	}
	refused := g.leg.revoke(ctx, callerOf(tickets.Digest("passed", token), r), token, upstream.HintAccessToken)
	if refused != nil {
		return refused
	}
	return g.tellRevoked(ctx, nil, observe.Event{}, r.Label)
}
