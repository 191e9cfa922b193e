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
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// codes are the codes of a server in its store.
type codes struct {
	entries  Entries
	families families
	events   *events.Sender
}

// codeLifetime is how long a client may take to redeem its code (RFC 6749 section 4.1.2 advises 10
// minutes at most).
const codeLifetime = time.Minute

// codeMemory is how long a code is remembered: a little longer than it would live.
const codeMemory = 2 * codeLifetime

// The states of a code in the store. Anybody can come by codes that give no tokens, by a callback
// of their own making: those must leave nothing behind that outlives them, or they would push out
// what revocations left.
var (
	codeUsed     = []byte("used")     // being redeemed, or refused by the provider
	codeGave     = []byte("gave")     // redeemed for tokens
	codeDisputed = []byte("disputed") // came twice before it gave any
)

// use lets a code pass once.
func (u codes) use(ctx context.Context, c tickets.Code) *oauth.Error {
	first, err := u.entries.Store.CompareAndSwap(ctx, u.entries.Key("code", c.Family), nil, codeUsed, codeMemory)
	switch {
	case err != nil:
		return refusal.StoreFailed(err)
	case first:
		return nil
	}
	return u.dispute(ctx, c)
}

// dispute refuses a code that comes again. Somebody else has it too: what the first got is revoked,
// or never handed out (RFC 6749 section 4.1.2).
func (u codes) dispute(ctx context.Context, c tickets.Code) *oauth.Error {
	key := u.entries.Key("code", c.Family)
	if _, err := u.entries.Store.CompareAndSwap(ctx, key, codeUsed, codeDisputed, codeMemory); err != nil {
		return refusal.StoreFailed(err)
	}
	state, _, err := u.entries.Store.Get(ctx, key)
	if err != nil {
		return refusal.StoreFailed(err)
	}
	if !bytes.Equal(state, codeGave) {
		return refusal.InvalidGrant(oauth.ReasonCodeUsed, errors.New("the code came before, and gives nobody any tokens now"))
	}
	about := observe.Event{Resource: c.Resource, ScopesHad: c.Scopes}
	if err := u.families.punish(ctx, c.Family, oauth.ReasonCodeUsed, about); err != nil {
		return refusal.StoreFailed(err)
	}
	return refusal.InvalidGrant(oauth.ReasonCodeUsed, errors.New("the code was redeemed before; its tokens are revoked"))
}

// gaveTokens notes that a code is about to give tokens. It refuses where the code came a second
// time meanwhile. A store that forgot the code, because it is full, takes nothing from the client.
func (u codes) gaveTokens(ctx context.Context, c tickets.Code) *oauth.Error {
	key := u.entries.Key("code", c.Family)
	for _, before := range [][]byte{codeUsed, nil} {
		noted, err := u.entries.Store.CompareAndSwap(ctx, key, before, codeGave, codeMemory)
		switch {
		case err != nil:
			return refusal.StoreFailed(err)
		case noted:
			return nil
		}
	}
	return refusal.InvalidGrant(oauth.ReasonCodeUsed, errors.New("the code came a second time while it was redeemed"))
}

// giveBack makes a code usable again that is not to blame.
func (u codes) giveBack(ctx context.Context, c tickets.Code, refused *oauth.Error) {
	if refused.Status != http.StatusServiceUnavailable && refused.Status != http.StatusTooManyRequests {
		return
	}
	if _, err := u.entries.Store.CompareAndSwap(ctx, u.entries.Key("code", c.Family), codeUsed, nil, 0); err != nil {
		storeNotice(ctx, u.events, "a code stays used although its client is told to try again", err)
	}
}
