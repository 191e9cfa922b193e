package broker

import (
	"context"
	"errors"
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// familyState is what the store knows of a family when one of its refresh tokens comes.
type familyState struct {
	// record is what the store holds, to swap against; nil where it holds nothing.
	record []byte
	// answer is the answer that this very token got a moment ago.
	answer *oauth.TokenResponse
}

// checkFamily decides what a refresh token is: the current one or one that another replica made of it, the last one of a
// client that tries again, or one that was used before. The last means that two parties have it, of whom one is a thief, so
// that both are logged out (RFC 9700 section 4.14.2). A store that knows nothing, after a restart, takes the token for the
// current one: then the provider decides.
func (b *Broker) checkFamily(ctx context.Context, t tickets.Refresh) (familyState, *oauth.Error) {
	var state familyState
	revoked, err := b.revoked(ctx, t.Family)
	if err != nil {
		return state, refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	if revoked {
		return state, refusal.InvalidGrant(refusal.ReasonRevoked, nil)
	}
	record, found, err := b.store.Get(ctx, b.key("family", t.Family))
	if err != nil {
		return state, refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	if found {
		state.record = record
	}
	if !found || lineage(t.Lineage).continuesRecord(record) {
		return state, b.failedBefore(ctx, t)
	}
	if state.answer, err = b.keptAnswer(ctx, t); err != nil {
		return state, refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	if state.answer != nil {
		return state, nil
	}
	if err := b.revokeFamily(ctx, t.Family); err != nil {
		return state, refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	return state, refusal.InvalidGrant(refusal.ReasonRefreshTokenReused, errors.New("the refresh token was used before; all tokens of the login are revoked"))
}

// rotate makes the new refresh token the family's current one and keeps the answer for a retry.
func (b *Broker) rotate(ctx context.Context, t tickets.Refresh, state familyState, next lineage, answer oauth.TokenResponse) *oauth.Error {
	swapped, err := b.store.CompareAndSwap(ctx, b.key("family", t.Family), state.record, tickets.Lineage(next).Record(), b.familyMemory())
	if err != nil {
		return refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	}
	if !swapped {
		// Only a lock that ran out lets two in. The other's tokens are the family's now; these are never handed out.
		return refusal.InvalidGrant(refusal.ReasonRefreshTokenReused, errors.New("another refresh of the same token was faster"))
	}
	sealed := b.tickets.Answer.SealBytes(answer, b.now().Add(retryWindow))
	if _, err := b.store.CompareAndSwap(ctx, b.key("answer", t.Lineage.ID), nil, sealed, retryWindow); err != nil {
		b.logger.WarnContext(ctx, "the answer to a refresh is not kept for a retry", "error", err)
	}
	return nil
}

// keptAnswer returns the answer that a refresh token got a moment ago. It is kept sealed: a shared store never sees tokens.
func (b *Broker) keptAnswer(ctx context.Context, t tickets.Refresh) (*oauth.TokenResponse, error) {
	sealed, found, err := b.store.Get(ctx, b.key("answer", t.Lineage.ID))
	if err != nil || !found {
		return nil, err
	}
	answer, err := b.tickets.Answer.OpenBytes(sealed)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // sealed with a key that is gone: as if there were none
	}
	return &answer, nil
}

// rememberFailure keeps the provider's no for a moment, so that all who wait with the same token do not ask in turn. It is
// only for this token: another replica may have got a newer one in the meantime.
func (b *Broker) rememberFailure(ctx context.Context, t tickets.Refresh, refused *oauth.Error) {
	if refused.Code != oauth.CodeInvalidGrant {
		return
	}
	if _, err := store.Mark(ctx, b.store, b.key("failed", t.Lineage.ID), retryWindow); err != nil {
		b.logger.WarnContext(ctx, "a refused refresh is not remembered", "error", err)
	}
}

func (b *Broker) failedBefore(ctx context.Context, t tickets.Refresh) *oauth.Error {
	failed, err := store.Marked(ctx, b.store, b.key("failed", t.Lineage.ID))
	switch {
	case err != nil:
		return refusal.RetryLater(refusal.ReasonStoreUnavailable, 0, err)
	case failed:
		return refusal.InvalidGrant(refusal.ReasonUpstreamError, errors.New("the provider refused this refresh a moment ago"))
	}
	return nil
}

// keepTokens keeps the provider's new tokens for a moment when they could not be verified, since nobody answered or something
// broke: what they were got with, a code or a refresh token, may work only once, and the provider would take the retry for a
// replay.
func (b *Broker) keepTokens(ctx context.Context, id tickets.ID, tokens upstream.Tokens, refused *oauth.Error) {
	if refused.Status < http.StatusInternalServerError {
		return
	}
	sealed := b.tickets.Renewed.SealBytes(tickets.Renewed(tokens), b.now().Add(renewedMemory))
	if _, err := b.store.CompareAndSwap(ctx, b.key("renewed", id), nil, sealed, renewedMemory); err != nil {
		b.logger.WarnContext(ctx, "new tokens of the provider are not kept for a retry", "error", err)
	}
}

func (b *Broker) keptTokens(ctx context.Context, id tickets.ID) (upstream.Tokens, bool) {
	sealed, found, err := b.store.Get(ctx, b.key("renewed", id))
	if err != nil || !found {
		return upstream.Tokens{}, false
	}
	t, err := b.tickets.Renewed.OpenBytes(sealed)
	return upstream.Tokens(t), err == nil
}
