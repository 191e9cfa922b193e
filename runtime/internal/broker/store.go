package broker

import (
	"context"
	"errors"
	"log/slog"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// watchedStore is a store whose failures are events. The code that knows what follows from a
// failure tells of it.
type watchedStore struct {
	store.Store

	events *events.Sender
}

// Do implements [store.Store].
func (s watchedStore) Do(ctx context.Context, steps ...store.Step) ([]store.Outcome, error) {
	outcomes, err := s.Store.Do(ctx, steps...)
	if err != nil && !errors.Is(err, context.Canceled) { // clients that go away are none of the store's
		s.events.Observe(ctx, observe.Event{
			Kind: observe.StoreTrouble, Level: slog.LevelDebug, Reason: oauth.ReasonStoreUnavailable, Err: err,
		})
	}
	return outcomes, err
}
