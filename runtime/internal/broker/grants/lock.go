package grants

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

const (
	// lockLease is how long the lock of a login outlives a replica that died with it. It is renewed
	// for as long as the work lasts.
	lockLease = 6 * time.Second
	// lockRenewal leaves two more tries to a renewal that failed.
	lockRenewal = lockLease / 3
)

// lock keeps other replicas from refreshing a login at the same time. It is an entry with a random
// value, which says whose it is: only that value is renewed and removed. A holder that lost it goes
// on: what two must not do is decided when they change the login.
type lock struct {
	entries Entries
	shelf   shelf
	name    string
	value   []byte

	mu      sync.Mutex
	renewal *time.Timer
	stopped bool
}

func (f families) newLock(s shelf, family tickets.ID) *lock {
	l := &lock{entries: f.entries, shelf: s, name: s.entry("refreshing", family), value: make([]byte, 16)}
	_, _ = rand.Read(l.value) // never fails: crypto/rand ends the program instead
	return l
}

// take is the swap that takes the lock, if nobody has it.
func (l *lock) take() store.Swap { return store.Swap{Key: l.name, Next: l.value, TTL: lockLease} }

// free is the swap that frees the lock, if it is still this one's.
func (l *lock) free() store.Swap { return store.Swap{Key: l.name, Previous: l.value} }

// keep renews the lock until it is stopped.
func (l *lock) keep(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	l.renewal = time.AfterFunc(lockRenewal, func() {
		renew := store.Swap{Key: l.name, Previous: l.value, Next: l.value, TTL: lockLease}
		_, _ = l.entries.do(ctx, l.shelf.step(nil, renew)) // the next renewal, or the end of the work, sees what became of it
		l.keep(ctx)
	})
}

// stop ends the renewal.
func (l *lock) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.renewal != nil {
		l.renewal.Stop()
	}
}
