package grants

import (
	"context"
	"errors"
	"slices"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// refreshGrant gives new tokens for a refresh token (RFC 6749 section 6), with a new refresh token
// (OAuth 2.1 section 4.3.1).
type refreshGrant struct {
	box       *tickets.Box[tickets.Refresh]
	families  families
	kept      keptTokens
	leg       leg
	issuer    issuer
	resources Resources
	scopes    []string // of the server
	events    *events.Sender
}

// Name implements [Type].
func (*refreshGrant) Name() string { return "refresh_token" }

// Give turns a refresh token into new tokens.
func (g *refreshGrant) Give(ctx context.Context, r Request) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	if r.Get("refresh_token") == "" {
		return none, refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonMissingParameter, "The refresh_token is missing")
	}
	t, key, _, err := g.box.OpenUnder(r.Get("refresh_token"))
	if err != nil {
		return none, refusal.InvalidGrant(oauth.ReasonRefreshToken, err)
	}
	refused := r.owns(t.Client)
	if refused != nil {
		return none, refused
	}
	if refused := g.resources.checkSame(r.Params, t.Resource); refused != nil {
		return none, refused
	}
	if t.Scopes, refused = stillKnown(t.Scopes, g.scopes); refused != nil {
		return none, refused
	}
	narrowed, refused := g.narrow(t.Scopes, r.Get("scope"))
	if refused != nil {
		return none, refused
	}
	return g.once(ctx, g.families.turn(t, key), r, narrowed)
}

// narrow returns the scopes of the new access token: those of the grant, or fewer if the client
// asks for fewer. Scopes that the server does not know are ignored, as they were at the login: some
// clients repeat what they once asked for.
func (g *refreshGrant) narrow(granted []string, asked string) ([]string, *oauth.Error) {
	wanted := slices.DeleteFunc(oauth.ParseScope(asked), func(s string) bool { return !slices.Contains(g.scopes, s) })
	if len(wanted) == 0 {
		return granted, nil
	}
	for _, s := range wanted {
		if !slices.Contains(granted, s) {
			return nil, refusal.BadRequest(oauth.CodeInvalidScope, oauth.ReasonScope, "The scope is more than was authorized")
		}
	}
	return wanted, nil
}

// stillKnown leaves out the scopes that the server's configuration no longer has. Where none is
// left of several, nothing is left of what the user allowed.
func stillKnown(granted, known []string) ([]string, *oauth.Error) {
	left := slices.DeleteFunc(slices.Clone(granted), func(s string) bool { return !slices.Contains(known, s) })
	if len(left) == 0 && len(granted) > 0 {
		return nil, refusal.InvalidGrant(oauth.ReasonScope, errors.New("the server has none of the scopes any more"))
	}
	return left, nil
}

// once makes one refresh out of all that come with the same token at the same time.
func (g *refreshGrant) once(ctx context.Context, t *turn, r Request, scopes []string) (oauth.TokenResponse, *oauth.Error) {
	return g.families.queued(ctx, t.token.Family, func(ctx context.Context) (oauth.TokenResponse, *oauth.Error) {
		answer, refused := g.families.await(ctx, t)
		if refused != nil {
			return oauth.TokenResponse{}, refused
		}
		if answer != nil {
			return *answer, nil
		}
		// From here on the client's connection no longer counts: the provider may rotate its token,
		// and the new one must not get lost. The client that hears nothing tries again and gets the
		// answer that is kept.
		ctx = context.WithoutCancel(ctx)
		t.lock.keep(ctx)
		given, refused := g.renew(ctx, t, r, scopes)
		if refused != nil {
			g.families.end(ctx, t)
		}
		return given, refused
	})
}

// renew asks the provider and makes the answer known for a retry.
func (g *refreshGrant) renew(ctx context.Context, turn *turn, r Request, scopes []string) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	t := turn.token
	permit, refused := g.leg.admit(t.Family, r)
	if refused != nil {
		return none, refused
	}
	tokens, refused := g.tokens(ctx, permit, turn, scopes)
	if refused != nil {
		g.families.rememberFailure(ctx, turn, refused)
		return none, refused
	}
	given := grant{
		family: t.Family, client: t.Client, label: r.Label, confidential: t.Client == r.Confidential, resource: t.Resource, scopes: t.Scopes, subject: t.Subject, issuer: t.Issuer,
	}
	answer, refused := g.issuer.issue(ctx, &given, tokens, scopes)
	if refused != nil {
		return none, g.notIssued(ctx, turn, tokens, refused)
	}
	event := g.issuer.event(observe.TokensRefreshed, given, scopes, answer)
	if refused := g.events.Decide(ctx, &event); refused != nil {
		return none, g.notIssued(ctx, turn, tokens, refused)
	}
	next := lineage(t.Lineage).next()
	answer.RefreshToken = g.issuer.refreshToken(given, tokens, next)
	answer, refused = g.families.rotate(ctx, turn, next, answer)
	if refused != nil {
		if errors.Is(refused.Cause, errRevokedMeanwhile) { // the provider has given new tokens since
			g.leg.abandon(ctx, tokens)
		}
		return none, refused
	}
	g.events.Observe(ctx, event)
	return answer, nil
}

// notIssued is what becomes of the provider's tokens that nothing was issued for. One that was
// refused ends the login, here and at the provider: a later refresh must not try its luck again.
// Others are kept for a retry.
func (g *refreshGrant) notIssued(ctx context.Context, turn *turn, tokens upstream.Tokens, refused *oauth.Error) *oauth.Error {
	t := turn.token
	if refused.Code != oauth.CodeInvalidGrant {
		if !t.KeepsAccess {
			g.kept.keep(ctx, turn.kept, tokens, refused)
		}
		return refused
	}
	g.leg.abandon(ctx, tokens)
	if err := g.families.punish(ctx, t.Family, refused.Reason, ofRefresh(t)); err != nil {
		return refusal.StoreFailed(err)
	}
	return refused
}

// tokens gets the provider's new tokens, or the old access token where there is nothing else:
// whether that still counts is asked when something is issued for it.
func (g *refreshGrant) tokens(ctx context.Context, permit upstream.Permit, turn *turn, scopes []string) (upstream.Tokens, *oauth.Error) {
	t := turn.token
	if t.KeepsAccess {
		return upstream.Tokens{Access: t.Upstream, Expires: t.UpstreamExpires}, nil
	}
	if tokens, ok := g.kept.tokens(turn.kept); ok {
		return tokens, nil
	}
	tokens, err := g.leg.Refresh(ctx, permit, t.Upstream, scopes, t.Resource)
	if err != nil {
		return tokens, providerRefused(err)
	}
	if tokens.RefreshExpires.IsZero() && tokens.Refresh == t.Upstream {
		tokens.RefreshExpires = t.UpstreamExpires
	}
	return tokens, nil
}
