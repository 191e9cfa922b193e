package relay

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// maxBindings bounds each cache; beyond it the entry that was not used for longest is dropped and found again when needed.
const maxBindings = 256

// cache remembers what discovery found. Requests that need the same entry at once share one search.
type cache[V any] struct {
	now func() time.Time

	mu       sync.Mutex
	entries  map[string]*list.Element
	recency  *list.List // of *cacheEntry[V], the latest used first
	searches map[string]*search[V]
}

type cacheEntry[V any] struct {
	key   string
	value V
	found time.Time
}

// search is a look-up under way. The fields are readable once done is closed.
type search[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newCache[V any](now func() time.Time) *cache[V] {
	return &cache[V]{now: now, entries: map[string]*list.Element{}, recency: list.New(), searches: map[string]*search[V]{}}
}

// get returns the entry of a key, if it is not older than maxAge, or else what find finds. The search runs to its end even
// if the first to ask gives up, since others may wait for it; timeout bounds it. Failures are not remembered.
func (c *cache[V]) get(
	ctx context.Context, key string, maxAge, timeout time.Duration, find func(context.Context) (V, error),
) (V, error) {
	c.mu.Lock()
	if element, ok := c.entries[key]; ok {
		entry := element.Value.(*cacheEntry[V]) //nolint:forcetypeassert // the list holds nothing else
		if c.now().Sub(entry.found) < maxAge {
			c.recency.MoveToFront(element)
			c.mu.Unlock()
			return entry.value, nil
		}
	}
	s, running := c.searches[key]
	if !running {
		s = &search[V]{done: make(chan struct{})}
		c.searches[key] = s
	}
	c.mu.Unlock()
	if !running {
		detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		go func() {
			defer cancel()
			c.run(detached, key, s, find)
		}()
	}
	select {
	case <-s.done:
		return s.value, s.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

func (c *cache[V]) run(ctx context.Context, key string, s *search[V], find func(context.Context) (V, error)) {
	defer func() {
		if p := recover(); p != nil { // outside the request's own goroutine it would end the process
			s.err = fmt.Errorf("panic: %v", p)
		}
		c.mu.Lock()
		delete(c.searches, key)
		if s.err == nil {
			c.keep(key, s.value)
		}
		c.mu.Unlock()
		close(s.done)
	}()
	s.value, s.err = find(ctx)
}

// put replaces an entry by something newer.
func (c *cache[V]) put(key string, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, value)
}

// keep stores an entry. The lock is held.
func (c *cache[V]) keep(key string, value V) {
	entry := &cacheEntry[V]{key, value, c.now()}
	if element, ok := c.entries[key]; ok {
		element.Value = entry
		c.recency.MoveToFront(element)
		return
	}
	if c.recency.Len() >= maxBindings {
		oldest := c.recency.Remove(c.recency.Back()).(*cacheEntry[V]) //nolint:forcetypeassert // as above
		delete(c.entries, oldest.key)
	}
	c.entries[key] = c.recency.PushFront(entry)
}
