package grants

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// codes are the codes of a server in its store.
//
// Anybody can come by codes that give no tokens, by a callback of their own making: those must
// leave nothing behind that outlives them, or they would push out what revocations left.
type codes struct {
	entries  Entries
	states   *tickets.Box[tickets.CodeState]
	families families
	kept     keptTokens
	events   *events.Sender
}

// codeLifetime is how long a client may take to redeem its code (RFC 6749 section 4.1.2 advises 10
// minutes at most).
const codeLifetime = time.Minute

// codeMemory is how long a code is remembered: a little longer than it would live.
const codeMemory = 2 * codeLifetime

// redemption is the one use of a code.
type redemption struct {
	code  tickets.Code
	shelf shelf
	// entry is the code's, and mine what it has since this use began.
	entry string
	mine  []byte
	// kept are the provider's tokens of an earlier try.
	kept keptEntry
}

// change is the swap of the code's state. A nil previous stands for a store that knows nothing.
func (u codes) change(r *redemption, previous []byte, next tickets.CodeState) store.Swap {
	return store.Swap{Key: r.entry, Previous: previous, Next: u.states.SealBytes(r.shelf.place(r.entry), next, time.Time{}), TTL: codeMemory}
}

// use lets a code pass once. The key is the one that sealed the code.
func (u codes) use(ctx context.Context, c tickets.Code, key seal.Key) (*redemption, *oauth.Error) {
	r := &redemption{code: c, shelf: u.entries.shelf(key, "login", c.Family)}
	r.entry, r.kept = r.shelf.entry("code", c.Family), u.kept.entry(r.shelf, c.Family)
	begin := u.change(r, nil, tickets.CodeUsed)
	outcome, err := u.entries.do(ctx, r.shelf.step([]string{r.entry, r.kept.name}, begin))
	if err != nil {
		return nil, refusal.StoreFailed(err)
	}
	if !outcome.Swapped {
		return nil, u.dispute(ctx, r, outcome.Values[0])
	}
	r.mine, r.kept.value = begin.Next, outcome.Values[1]
	return r, nil
}

// maxDisputes is how often a code that changes under the hands of several is looked at again.
const maxDisputes = 8

// dispute refuses a code that comes again. Somebody else has it too: what the first got is revoked,
// or never handed out (RFC 6749 section 4.1.2).
func (u codes) dispute(ctx context.Context, r *redemption, state []byte) *oauth.Error {
	for range maxDisputes {
		known, err := u.states.OpenBytes(r.shelf.place(r.entry), state)
		switch {
		case state == nil, err == nil && known == tickets.CodeDisputed:
			return refusal.InvalidGrant(oauth.ReasonCodeUsed, errors.New("the code came before, and gives nobody any tokens now"))
		case err != nil || known == tickets.CodeGave:
			return u.punish(ctx, r.code)
		}
		outcome, err := u.entries.do(ctx, r.shelf.step([]string{r.entry}, u.change(r, state, tickets.CodeDisputed)))
		if err != nil {
			return refusal.StoreFailed(err)
		}
		if outcome.Swapped {
			state = nil
			continue
		}
		state = outcome.Values[0]
	}
	return refusal.InvalidGrant(oauth.ReasonCodeUsed, errors.New("the code is redeemed by many at once"))
}

func (u codes) punish(ctx context.Context, c tickets.Code) *oauth.Error {
	about := observe.Event{Resource: c.Resource, ScopesHad: c.Scopes}
	if err := u.families.punish(ctx, c.Family, oauth.ReasonCodeUsed, about); err != nil {
		return refusal.StoreFailed(err)
	}
	return refusal.InvalidGrant(oauth.ReasonCodeUsed, errors.New("the code was redeemed before; its tokens are revoked"))
}

// gaveTokens notes that a code is about to give tokens. It refuses where the code came a second
// time meanwhile. A store that forgot the code, because it is full, takes nothing from the client.
func (u codes) gaveTokens(ctx context.Context, r *redemption) *oauth.Error {
	for _, before := range [][]byte{r.mine, nil} {
		note := u.change(r, before, tickets.CodeGave)
		outcomes, err := u.entries.persist(ctx, r.shelf.step([]string{r.entry}, note))
		if err != nil {
			return refusal.StoreFailed(err)
		}
		if outcomes[0].Swapped || bytes.Equal(outcomes[0].Values[0], note.Next) {
			return nil
		}
	}
	return refusal.InvalidGrant(oauth.ReasonCodeUsed, errors.New("the code came a second time while it was redeemed"))
}

// giveBack makes a code usable again that is not to blame.
func (u codes) giveBack(ctx context.Context, r *redemption, refused *oauth.Error) {
	if refused.Status != http.StatusServiceUnavailable && refused.Status != http.StatusTooManyRequests {
		return
	}
	if _, err := u.entries.do(ctx, r.shelf.step(nil, store.Swap{Key: r.entry, Previous: r.mine})); err != nil {
		storeNotice(ctx, u.events, "a code stays used although its client is told to try again", err)
	}
}
