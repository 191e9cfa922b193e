package broker

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

const (
	// refreshLease is how long one refresh may hold the family's lock: longer than its exchanges with the provider.
	refreshLease = 2*upstream.Timeout + 10*time.Second
	// refreshWait is how long a second caller waits for the first.
	refreshWait = upstream.Timeout
	// renewedMemory is how long tokens of the provider are kept that could not be verified yet.
	renewedMemory = 10 * time.Minute
)

// refresh turns a refresh token into new tokens (RFC 6749 section 6) and a new refresh token (OAuth 2.1 section 4.3.1).
func (b *Broker) refresh(r *http.Request, p params.Params) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	if p.Get("refresh_token") == "" {
		return none, refusal.BadRequest(oauth.CodeInvalidRequest, refusal.ReasonMissingParameter, "The refresh_token is missing")
	}
	t, _, err := b.tickets.Refresh.Open(p.Get("refresh_token"))
	if err != nil {
		return none, refusal.InvalidGrant(refusal.ReasonRefreshToken, err)
	}
	if t.Client != clientDigest(p.Get("client_id")) {
		return none, refusal.InvalidGrant(refusal.ReasonOtherClient, nil)
	}
	if refused := checkSameResource(b, p, t.Resource); refused != nil {
		return none, refused
	}
	narrowed, refused := narrowScopes(t.Scopes, p.Get("scope"))
	if refused != nil {
		return none, refused
	}
	// From here on the client's connection no longer counts: the provider may rotate its token, and the new one must not
	// get lost. The client that hears nothing tries again and gets the answer that is kept.
	return b.refreshOnce(context.WithoutCancel(r.Context()), t, clientLabel(p.Get("client_id")), narrowed)
}

// narrowScopes returns the scopes of the new access token: those of the grant, or fewer if the client asks for fewer.
func narrowScopes(granted []string, asked string) ([]string, *oauth.Error) {
	wanted := oauth.ParseScope(asked)
	if len(wanted) == 0 {
		return granted, nil
	}
	for _, s := range wanted {
		if !slices.Contains(granted, s) {
			return nil, refusal.BadRequest(oauth.CodeInvalidScope, refusal.ReasonScope, "The scope is more than was authorized")
		}
	}
	return wanted, nil
}

// refreshOnce makes one refresh out of all that come with the same token at the same time.
func (b *Broker) refreshOnce(ctx context.Context, t tickets.Refresh, label string, scopes []string) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	waiting, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	lease, err := b.store.Lock(waiting, b.key("refreshing", t.Family), refreshLease)
	if err != nil {
		return none, refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	defer func() {
		if err := lease.Release(ctx); err != nil {
			b.logger.WarnContext(ctx, "a lock was not released and runs out by itself", "error", err)
		}
	}()
	state, refused := b.checkFamily(ctx, t)
	if refused != nil {
		return none, refused
	}
	if state.answer != nil {
		return *state.answer, nil
	}
	return b.refreshUpstream(ctx, t, label, scopes, state)
}

// refreshUpstream asks the provider and makes the answer known for a retry.
func (b *Broker) refreshUpstream(ctx context.Context, t tickets.Refresh, label string, scopes []string, state familyState) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	tokens, verify, refused := b.renew(ctx, t, scopes)
	if refused != nil {
		b.rememberFailure(ctx, t, refused)
		return none, refused
	}
	g := grant{
		family: t.Family, client: t.Client, label: label, resource: t.Resource, scopes: t.Scopes, subject: t.Subject, issuer: t.Issuer,
	}
	answer, refused := b.issue(ctx, &g, tokens, scopes, verify)
	if refused != nil {
		return none, b.notIssued(ctx, t, tokens, refused)
	}
	next := lineage(t.Lineage).next()
	answer.RefreshToken = b.refreshTokenFor(g, tokens, next)
	if refused := b.rotate(ctx, t, state, next, answer); refused != nil {
		return none, refused
	}
	if refused := b.revokedMeanwhile(ctx, t, tokens); refused != nil {
		return none, refused
	}
	b.logger.InfoContext(ctx, "tokens refreshed", "client", label, "provider", b.config.Upstream.Name)
	return answer, nil
}

// notIssued is what becomes of the provider's tokens that nothing was issued for. One that was refused ends the login, here and
// at the provider: a later refresh must not try its luck again. Others are kept for a retry.
func (b *Broker) notIssued(ctx context.Context, t tickets.Refresh, tokens upstream.Tokens, refused *oauth.Error) *oauth.Error {
	if refused.Code != oauth.CodeInvalidGrant {
		if !t.KeepsAccess {
			b.keepTokens(ctx, t.Lineage.ID, tokens, refused)
		}
		return refused
	}
	b.abandon(ctx, tokens)
	if err := b.revokeFamily(ctx, t.Family); err != nil {
		return refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	return refused
}

// revokedMeanwhile refuses a refresh whose login was revoked while it was under way. The provider has given new tokens since:
// those are revoked there too.
func (b *Broker) revokedMeanwhile(ctx context.Context, t tickets.Refresh, tokens upstream.Tokens) *oauth.Error {
	revoked, err := b.revoked(ctx, t.Family)
	switch {
	case err != nil:
		return refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	case !revoked:
		return nil
	}
	b.abandon(ctx, tokens)
	return refusal.InvalidGrant(refusal.ReasonRevoked, errors.New("the login was revoked during the refresh"))
}

// renew gets the provider's new tokens, or makes sure that the old access token still counts where there is nothing else.
func (b *Broker) renew(ctx context.Context, t tickets.Refresh, scopes []string) (upstream.Tokens, VerifyFunc, *oauth.Error) {
	if t.KeepsAccess {
		return upstream.Tokens{Access: t.Upstream, Expires: t.UpstreamExpires}, b.config.VerifyFresh, nil
	}
	if tokens, ok := b.keptTokens(ctx, t.Lineage.ID); ok {
		return tokens, b.config.Verify, nil
	}
	tokens, err := b.upstream.Refresh(ctx, t.Upstream, scopes, t.Resource)
	if err != nil {
		return tokens, nil, upstreamRefused(err)
	}
	if tokens.RefreshExpires.IsZero() && tokens.Refresh == t.Upstream {
		tokens.RefreshExpires = t.UpstreamExpires
	}
	return tokens, b.config.Verify, nil
}
