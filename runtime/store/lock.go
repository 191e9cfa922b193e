package store

import (
	"context"
	"sync"
	"time"
)

// sweepAfter is how many locks are held before expired ones are looked for.
const sweepAfter = 1024

// locks are the locks of a [Memory].
type locks struct {
	now func() time.Time

	mu      sync.Mutex
	held    map[string]*heldLock
	sweepAt int
}

// heldLock is a lock that somebody holds. freed is closed when it is released.
type heldLock struct {
	locks   *locks
	key     string
	expires time.Time
	freed   chan struct{}
}

// Lock implements [Store].
func (m *Memory) Lock(ctx context.Context, key string, lease time.Duration) (Lease, error) {
	if lease <= 0 {
		return nil, ErrNoTTL
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		mine, other, wait := m.locks.try(key, lease)
		if mine != nil {
			return mine, nil
		}
		if err := other.wait(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// try takes the lock, or returns who holds it and for how much longer at most.
func (l *locks) try(key string, lease time.Duration) (mine, other *heldLock, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if h, ok := l.held[key]; ok && now.Before(h.expires) {
		return nil, h, h.expires.Sub(now)
	}
	l.sweep(now)
	mine = &heldLock{locks: l, key: key, expires: now.Add(lease), freed: make(chan struct{})}
	l.held[key] = mine
	return mine, nil, 0
}

// sweep forgets locks whose holders never released them. Its cost is shared by the calls in
// between.
func (l *locks) sweep(now time.Time) {
	if len(l.held) < max(l.sweepAt, sweepAfter) {
		return
	}
	for key, h := range l.held {
		if !now.Before(h.expires) {
			delete(l.held, key)
		}
	}
	l.sweepAt = 2 * len(l.held)
}

func (h *heldLock) wait(ctx context.Context, atMost time.Duration) error {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-h.freed:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Release implements [Lease].
func (h *heldLock) Release(context.Context) error {
	h.locks.mu.Lock()
	defer h.locks.mu.Unlock()
	if h.locks.held[h.key] == h {
		delete(h.locks.held, h.key)
		close(h.freed)
	}
	return nil
}
