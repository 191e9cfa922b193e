package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

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

// Get implements [store.Store].
func (s watchedStore) Get(ctx context.Context, key string) ([]byte, bool, error) {
	value, found, err := s.Store.Get(ctx, key)
	s.watch(ctx, "get", err)
	return value, found, err
}

// CompareAndSwap implements [store.Store].
func (s watchedStore) CompareAndSwap(ctx context.Context, key string, previous, next []byte, ttl time.Duration) (bool, error) {
	swapped, err := s.Store.CompareAndSwap(ctx, key, previous, next, ttl)
	s.watch(ctx, "compare_and_swap", err)
	return swapped, err
}

// Lock implements [store.Store].
func (s watchedStore) Lock(ctx context.Context, key string, lease time.Duration) (store.Lease, error) {
	held, err := s.Store.Lock(ctx, key, lease)
	s.watch(ctx, "lock", err)
	return held, err
}

// watch tells of a failure. Clients that go away, and locks that somebody else holds for too long,
// are none of the store's.
func (s watchedStore) watch(ctx context.Context, operation string, err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && operation == "lock" {
		return
	}
	s.events.Observe(ctx, observe.Event{
		Kind: observe.StoreTrouble, Level: slog.LevelDebug, Reason: oauth.ReasonStoreUnavailable, Endpoint: operation, Err: err,
	})
}
