package grants

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
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
	current *tickets.Box[tickets.Lineage]
	kept    keptTokens
	// memory is how long anything of a login can live on after its last token was issued.
	memory time.Duration
	looks  *looks
	turns  *turns
	events *events.Sender
}

// revoke ends everything that came from one login, as far as the store reaches. Its tokens may have
// been sealed under any key of the ring, and each is looked for under its own.
func (f families) revoke(ctx context.Context, family tickets.ID) error {
	var steps []store.Step
	for key := range f.entries.Names.Keys() {
		s := f.entries.shelf(key, "login", family)
		steps = append(steps, s.step(nil, store.Swap{Key: s.entry("revoked", family), Next: mark, TTL: f.memory}))
	}
	if _, err := f.entries.Store.Do(ctx, steps...); err != nil {
		return err
	}
	for key := range f.entries.Names.Keys() {
		f.looks.forget(login{key, family})
	}
	return nil
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

// revoked reports whether the login of an access token was revoked. The key is the one that sealed
// the token.
func (f families) revoked(ctx context.Context, family tickets.ID, key seal.Key) (bool, error) {
	return f.looks.revoked(ctx, login{key, family}, func(ctx context.Context) (bool, error) {
		s := f.entries.shelf(key, "login", family)
		outcome, err := f.entries.do(ctx, s.step([]string{s.entry("revoked", family)}))
		return err == nil && outcome.Values[0] != nil, err
	})
}

// turn is one refresh of a login: what the store knows of the login, and the entries that it will
// change.
type turn struct {
	token tickets.Refresh
	shelf shelf
	lock  *lock
	// The names of the entries.
	revoked, current, answer, failed string
	// currentValue and answerValue are what the store has in them, to swap against.
	currentValue, answerValue []byte
	kept                      keptEntry
}

// begin takes the lock of a login, unless somebody else has it, and decides what a refresh token
// is: the current one or one that another replica made of it, the last one of a client that tries
// again, or one that was used before. The last means that two parties have it, of whom one is a
// thief, so that both are logged out (RFC 9700 section 4.14.2). A store that knows nothing, after a
// restart, takes the token for the current one: then the provider decides.
//
// It returns the answer that the very token got a moment ago, where there is one: nobody else has
// to be waited for then. Otherwise held reports whether the turn is the caller's, who ends it.
func (f families) begin(ctx context.Context, t *turn) (answer *oauth.TokenResponse, held bool, refused *oauth.Error) {
	outcome, err := f.entries.do(ctx, t.shelf.step([]string{t.revoked, t.current, t.answer, t.failed, t.kept.name}, t.lock.take()))
	if err != nil {
		return nil, false, refusal.StoreFailed(err)
	}
	defer func() {
		if outcome.Swapped && !held {
			f.end(ctx, t)
		}
	}()
	var revoked, failed []byte
	revoked, t.currentValue, t.answerValue = outcome.Values[0], outcome.Values[1], outcome.Values[2]
	failed, t.kept.value = outcome.Values[3], outcome.Values[4]
	switch {
	case revoked != nil:
		return nil, false, refusal.InvalidGrant(oauth.ReasonRevoked, nil)
	case f.continues(t) && failed != nil:
		return nil, false, refusal.InvalidGrant(oauth.ReasonUpstreamError, errors.New("the provider refused this refresh a moment ago"))
	case f.continues(t):
		return nil, outcome.Swapped, nil
	}
	if answer := f.keptAnswer(t, t.answerValue); answer != nil {
		return answer, false, nil
	}
	if err := f.punish(ctx, t.token.Family, oauth.ReasonRefreshTokenReused, ofRefresh(t.token)); err != nil {
		return nil, false, refusal.StoreFailed(err)
	}
	return nil, false, refusal.InvalidGrant(oauth.ReasonRefreshTokenReused, errors.New("the refresh token was used before; all tokens of the login are revoked"))
}

// continues reports whether the token of a turn is the current one, or was made of it. No token
// continues a value that cannot be read.
func (f families) continues(t *turn) bool {
	if t.currentValue == nil {
		return true
	}
	known, err := f.current.OpenBytes(t.shelf.place(t.current), t.currentValue)
	return err == nil && lineage(t.token.Lineage).continues(known)
}

// turn returns the names of a refresh. The key is the one that sealed the token.
func (f families) turn(t tickets.Refresh, key seal.Key) *turn {
	s, id := f.entries.shelf(key, "login", t.Family), t.Lineage.ID
	return &turn{
		token: t, shelf: s, lock: f.newLock(s, t.Family), kept: f.kept.entry(s, id),
		revoked: s.entry("revoked", t.Family), current: s.entry("current", t.Family), answer: s.entry("answer", id), failed: s.entry("failed", id),
	}
}

// end gives up a turn that changes nothing.
func (f families) end(ctx context.Context, t *turn) {
	t.lock.stop()
	if _, err := f.entries.do(ctx, t.shelf.step(nil, t.lock.free())); err != nil {
		storeNotice(ctx, f.events, "a lock was not released and runs out by itself", err)
	}
}

// errRevokedMeanwhile is the cause of a refusal whose login was revoked while it was under way.
var errRevokedMeanwhile = errors.New("the login was revoked during the refresh")

// rotate makes the new refresh token the login's current one, keeps the answer for a retry, and
// ends the turn. It returns what to answer: somebody else's answer where a lock that ran out let
// two in, of whom the other was faster. Of a login that was revoked meanwhile, the cause is
// [errRevokedMeanwhile]. A store that forgot the login, since it was restarted, takes nothing from
// the client.
func (f families) rotate(ctx context.Context, t *turn, next lineage, answer oauth.TokenResponse) (oauth.TokenResponse, *oauth.Error) {
	t.lock.stop()
	current := f.current.SealBytes(t.shelf.place(t.current), tickets.Lineage{ID: next.ID, Turn: next.Turn}, time.Time{})
	kept := f.answers.SealBytes(t.shelf.place(t.answer), answer, time.Time{})
	for {
		outcomes, err := f.entries.persist(ctx, t.shelf.step(
			[]string{t.revoked, t.current, t.answer},
			store.Swap{Key: t.current, Previous: t.currentValue, Next: current, TTL: f.memory},
			store.Swap{Key: t.answer, Previous: t.answerValue, Next: kept, TTL: retryWindow},
			store.Swap{Key: t.revoked}, // no more than that there is no revocation
		), t.shelf.step(nil, t.lock.free()))
		if err != nil {
			return answer, refusal.StoreFailed(err)
		}
		revoked, found := outcomes[0].Values[0], outcomes[0].Values[1]
		switch {
		case outcomes[0].Swapped, revoked == nil && bytes.Equal(found, current):
			return answer, nil
		case revoked != nil:
			return answer, refusal.InvalidGrant(oauth.ReasonRevoked, errRevokedMeanwhile)
		case found == nil, bytes.Equal(found, t.currentValue): // forgotten, or the old answer ended
			t.currentValue, t.answerValue = nil, outcomes[0].Values[2]
			continue
		}
		// Only a lock that ran out lets two in. The other's tokens are the family's now; these are never
		// handed out.
		if other := f.keptAnswer(t, outcomes[0].Values[2]); other != nil {
			return *other, nil
		}
		return answer, refusal.InvalidGrant(oauth.ReasonRefreshTokenReused, errors.New("another refresh of the same token was faster"))
	}
}

// keptAnswer returns the answer that a refresh token got a moment ago. It is kept sealed: a shared
// store never sees tokens. One that cannot be opened, since its key is gone or it is that of
// another entry, is none.
func (f families) keptAnswer(t *turn, sealed []byte) *oauth.TokenResponse {
	if sealed == nil {
		return nil
	}
	answer, err := f.answers.OpenBytes(t.shelf.place(t.answer), sealed)
	if err != nil {
		return nil
	}
	return &answer
}

// rememberFailure keeps the provider's no for a moment, so that all who wait with the same token do
// not ask in turn. It is only for this token: another replica may have got a newer one in the
// meantime.
func (f families) rememberFailure(ctx context.Context, t *turn, refused *oauth.Error) {
	if refused.Code != oauth.CodeInvalidGrant {
		return
	}
	if _, err := f.entries.do(ctx, t.shelf.step(nil, store.Swap{Key: t.failed, Next: mark, TTL: retryWindow})); err != nil {
		storeNotice(ctx, f.events, "a refused refresh is not remembered", err)
	}
}
