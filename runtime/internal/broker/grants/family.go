package grants

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// retryWindow is how long the answer to a refresh is repeated to the client that may not have got
// it.
const retryWindow = 30 * time.Second

// families are the logins of a server in its store: all tokens of one are a family.
type families struct {
	entries Entries
	answers *tickets.Box[oauth.TokenResponse]
	// memory is how long anything of a login can live on after its last token was issued.
	memory time.Duration
	turns  *turns
	now    func() time.Time
	events *events.Sender
}

// revoke ends everything that came from one login, as far as the store reaches.
func (f families) revoke(ctx context.Context, family tickets.ID) error {
	_, err := store.Mark(ctx, f.entries.Store, f.entries.Key("revoked", family), f.memory)
	return err
}

// punish revokes a login because of what somebody did with its tokens, or what became of them.
func (f families) punish(ctx context.Context, family tickets.ID, reason oauth.Reason, event observe.Event) error {
	if err := f.revoke(ctx, family); err != nil {
		return err
	}
	event.Kind, event.Level, event.Reason = observe.TokensRevoked, slog.LevelWarn, reason
	f.events.Observe(ctx, event)
	return nil
}

// ofRefresh is an event about the login of a refresh token.
func ofRefresh(t tickets.Refresh) observe.Event {
	return observe.Event{Resource: t.Resource, Issuer: t.Issuer, Subject: t.Subject, ScopesHad: t.Scopes}
}

func (f families) revoked(ctx context.Context, family tickets.ID) (bool, error) {
	return store.Marked(ctx, f.entries.Store, f.entries.Key("revoked", family))
}

// familyState is what the store knows of a family when one of its refresh tokens comes.
type familyState struct {
	// record is what the store holds, to swap against; nil where it holds nothing.
	record []byte
	// answer is the answer that this very token got a moment ago.
	answer *oauth.TokenResponse
}

// check decides what a refresh token is: the current one or one that another replica made of it,
// the last one of a client that tries again, or one that was used before. The last means that two
// parties have it, of whom one is a thief, so that both are logged out (RFC 9700 section 4.14.2). A
// store that knows nothing, after a restart, takes the token for the current one: then the provider
// decides.
func (f families) check(ctx context.Context, t tickets.Refresh) (familyState, *oauth.Error) {
	var state familyState
	revoked, err := f.revoked(ctx, t.Family)
	if err != nil {
		return state, refusal.StoreFailed(err)
	}
	if revoked {
		return state, refusal.InvalidGrant(oauth.ReasonRevoked, nil)
	}
	record, found, err := f.entries.Store.Get(ctx, f.entries.Key("family", t.Family))
	if err != nil {
		return state, refusal.StoreFailed(err)
	}
	if found {
		state.record = record
	}
	if !found || lineage(t.Lineage).continuesRecord(record) {
		return state, f.failedBefore(ctx, t)
	}
	if state.answer, err = f.keptAnswer(ctx, t); err != nil {
		return state, refusal.StoreFailed(err)
	}
	if state.answer != nil {
		return state, nil
	}
	if err := f.punish(ctx, t.Family, oauth.ReasonRefreshTokenReused, ofRefresh(t)); err != nil {
		return state, refusal.StoreFailed(err)
	}
	return state, refusal.InvalidGrant(oauth.ReasonRefreshTokenReused, errors.New("the refresh token was used before; all tokens of the login are revoked"))
}

// rotate makes the new refresh token the family's current one and keeps the answer for a retry.
func (f families) rotate(ctx context.Context, t tickets.Refresh, state familyState, next lineage, answer oauth.TokenResponse) *oauth.Error {
	swapped, err := f.entries.Store.CompareAndSwap(ctx, f.entries.Key("family", t.Family), state.record, tickets.Lineage(next).Record(), f.memory)
	if err != nil {
		return refusal.StoreFailed(err)
	}
	if !swapped {
		// Only a lock that ran out lets two in. The other's tokens are the family's now; these are
		// never handed out.
		return refusal.InvalidGrant(oauth.ReasonRefreshTokenReused, errors.New("another refresh of the same token was faster"))
	}
	key := f.entries.Key("answer", t.Lineage.ID)
	sealed := f.answers.SealBytes(key, answer, f.now().Add(retryWindow))
	if _, err := f.entries.Store.CompareAndSwap(ctx, key, nil, sealed, retryWindow); err != nil {
		storeNotice(ctx, f.events, "the answer to a refresh is not kept for a retry", err)
	}
	return nil
}

// keptAnswer returns the answer that a refresh token got a moment ago. It is kept sealed: a shared
// store never sees tokens.
func (f families) keptAnswer(ctx context.Context, t tickets.Refresh) (*oauth.TokenResponse, error) {
	key := f.entries.Key("answer", t.Lineage.ID)
	sealed, found, err := f.entries.Store.Get(ctx, key)
	if err != nil || !found {
		return nil, err
	}
	answer, err := f.answers.OpenBytes(key, sealed)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // sealed with a key that is gone, or for another entry: as if there were none
	}
	return &answer, nil
}

// rememberFailure keeps the provider's no for a moment, so that all who wait with the same token do
// not ask in turn. It is only for this token: another replica may have got a newer one in the
// meantime.
func (f families) rememberFailure(ctx context.Context, t tickets.Refresh, refused *oauth.Error) {
	if refused.Code != oauth.CodeInvalidGrant {
		return
	}
	if _, err := store.Mark(ctx, f.entries.Store, f.entries.Key("failed", t.Lineage.ID), retryWindow); err != nil {
		storeNotice(ctx, f.events, "a refused refresh is not remembered", err)
	}
}

func (f families) failedBefore(ctx context.Context, t tickets.Refresh) *oauth.Error {
	failed, err := store.Marked(ctx, f.entries.Store, f.entries.Key("failed", t.Lineage.ID))
	switch {
	case err != nil:
		return refusal.StoreFailed(err)
	case failed:
		return refusal.InvalidGrant(oauth.ReasonUpstreamError, errors.New("the provider refused this refresh a moment ago"))
	}
	return nil
}
