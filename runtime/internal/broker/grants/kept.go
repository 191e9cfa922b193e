package grants

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// renewedMemory is how long tokens of the provider are kept that could not be verified yet.
const renewedMemory = 10 * time.Minute

// keptTokens are the provider's tokens that nothing could be issued for yet.
type keptTokens struct {
	entries Entries
	box     *tickets.Box[tickets.Renewed]
	events  *events.Sender
}

// keptEntry is the entry of what is kept for the next try with a code or a refresh token.
type keptEntry struct {
	shelf shelf
	name  string
	// value is what the store had in it.
	value []byte
}

func (k keptTokens) entry(s shelf, id tickets.ID) keptEntry {
	return keptEntry{shelf: s, name: s.entry("renewed", id)}
}

// keep keeps the provider's new tokens for a moment when they could not be verified, since nobody
// answered or something broke: what they were got with, a code or a refresh token, may work only
// once, and the provider would take the retry for a replay.
func (k keptTokens) keep(ctx context.Context, at keptEntry, tokens upstream.Tokens, refused *oauth.Error) {
	if refused.Status < http.StatusInternalServerError || at.value != nil {
		return
	}
	sealed := k.box.SealBytes(at.shelf.place(at.name), tickets.Renewed(tokens), time.Time{})
	step := at.shelf.step(nil, store.Swap{Key: at.name, Next: sealed, TTL: renewedMemory})
	if _, err := k.entries.persist(ctx, step); err != nil {
		storeNotice(ctx, k.events, "new tokens of the provider are not kept for a retry", err)
	}
}

// tokens returns what was kept.
func (k keptTokens) tokens(at keptEntry) (upstream.Tokens, bool) {
	if at.value == nil {
		return upstream.Tokens{}, false
	}
	t, err := k.box.OpenBytes(at.shelf.place(at.name), at.value)
	return upstream.Tokens(t), err == nil
}
