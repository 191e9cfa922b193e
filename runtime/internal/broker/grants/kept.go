package grants

import (
	"context"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// renewedMemory is how long tokens of the provider are kept that could not be verified yet.
const renewedMemory = 10 * time.Minute

// keptTokens are the provider's tokens that nothing could be issued for yet.
type keptTokens struct {
	entries Entries
	box     *tickets.Box[tickets.Renewed]
	now     func() time.Time
	events  *events.Sender
}

// keep keeps the provider's new tokens for a moment when they could not be verified, since nobody
// answered or something broke: what they were got with, a code or a refresh token, may work only
// once, and the provider would take the retry for a replay.
func (k keptTokens) keep(ctx context.Context, id tickets.ID, tokens upstream.Tokens, refused *oauth.Error) {
	if refused.Status < http.StatusInternalServerError {
		return
	}
	key := k.entries.Key("renewed", id)
	sealed := k.box.SealBytes(key, tickets.Renewed(tokens), k.now().Add(renewedMemory))
	if _, err := k.entries.Store.CompareAndSwap(ctx, key, nil, sealed, renewedMemory); err != nil {
		storeNotice(ctx, k.events, "new tokens of the provider are not kept for a retry", err)
	}
}

func (k keptTokens) get(ctx context.Context, id tickets.ID) (upstream.Tokens, bool) {
	key := k.entries.Key("renewed", id)
	sealed, found, err := k.entries.Store.Get(ctx, key)
	if err != nil || !found {
		return upstream.Tokens{}, false
	}
	t, err := k.box.OpenBytes(key, sealed)
	return upstream.Tokens(t), err == nil
}
