package grants

import (
	"context"
	"log/slog"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Entries are a server's entries in a store. Servers that share a store never share entries.
type Entries struct {
	Store store.Store
	// Prefix begins the names of the server's entries.
	Prefix string
}

// storeNotice tells the operator what follows from a store that failed at what nobody waits for.
func storeNotice(ctx context.Context, to *events.Sender, message string, err error) {
	to.Observe(ctx, observe.Event{
		Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonStoreUnavailable, Message: message, Err: err,
	})
}

// Key is the name of an entry: a digest, so that a store that is read says nothing of what its
// entries are about. A value that is sealed into an entry opens under this name alone.
func (e Entries) Key(kind string, id tickets.ID) string {
	return e.Prefix + tickets.Digest("entry", kind, id.String()).String()
}
