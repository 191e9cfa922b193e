package relay

import (
	"context"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
	"github.com/latchkey-auth/latchkey/internal/recent"
)

// maxBindings bounds each cache; beyond it the entry that was not used for longest is dropped and
// found again when needed.
const maxBindings = 256

// cache remembers what discovery found. Requests that need the same entry at once share one search.
type cache[V any] struct {
	now      func() time.Time
	searches flight.Group[V]

	mu      sync.Mutex
	entries *recent.Table[string, cacheEntry[V]]
}

type cacheEntry[V any] struct {
	value V
	found time.Time
}

func newCache[V any](now func() time.Time) *cache[V] {
	return &cache[V]{now: now, entries: recent.New[string, cacheEntry[V]](maxBindings, nil)}
}

// get returns the entry of a key, if it is not older than maxAge, or else what find finds. The
// search runs to its end even if the first to ask gives up, since others may wait for it; timeout
// bounds it. Failures are not remembered.
func (c *cache[V]) get(
	ctx context.Context, key string, maxAge, timeout time.Duration, find func(context.Context) (V, error),
) (V, error) {
	if value, ok := c.kept(key, maxAge); ok {
		return value, nil
	}
	return c.searches.Do(ctx, key, timeout, func(ctx context.Context) (V, error) {
		value, err := find(ctx)
		if err == nil {
			c.put(key, value)
		}
		return value, err
	})
}

func (c *cache[V]) kept(key string, maxAge time.Duration) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.entries.Get(key)
	return entry.value, ok && c.now().Sub(entry.found) < maxAge
}

// put keeps an entry, in place of an older one.
func (c *cache[V]) put(key string, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Put(key, cacheEntry[V]{value, c.now()})
}
