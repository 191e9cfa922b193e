package grants

import (
	"context"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
	"github.com/latchkey-auth/latchkey/internal/recent"
)

const (
	// maxLooks is of how many logins a replica remembers that they were not revoked.
	maxLooks = 100_000
	// lookLimit bounds a look into the store that several requests wait for.
	lookLimit = 10 * time.Second
	// lookAgain is how long after a failure the store is asked again about logins that may go on
	// without it.
	lookAgain = time.Second
)

// looks remember for a moment which logins were not revoked, so that not every request asks a
// shared store. A login that was never asked about is asked about in any case.
type looks struct {
	// memory is how long a look is good for, grace how long while the store fails. Without either
	// every request asks.
	memory, grace time.Duration
	now           func() time.Time
	flights       flight.Group[bool]

	mu     sync.Mutex
	latest *recent.Table[string, time.Time]
	failed time.Time
}

func newLooks(memory, grace time.Duration, now func() time.Time) *looks {
	return &looks{memory: memory, grace: grace, now: now, latest: recent.New[string, time.Time](maxLooks, nil)}
}

// revoked reports whether a login was revoked, by a look that began within the memory or a new one.
func (l *looks) revoked(ctx context.Context, login string, look func(context.Context) (bool, error)) (bool, error) {
	if l.memory <= 0 && l.grace <= 0 {
		return look(ctx)
	}
	now := l.now()
	if l.goodFor(login, now) {
		return false, nil
	}
	revoked, err := l.flights.Do(ctx, login, lookLimit, func(ctx context.Context) (bool, error) {
		revoked, err := look(ctx)
		l.note(login, now, revoked, err)
		return revoked, err
	})
	if err != nil && ctx.Err() == nil && l.goodFor(login, l.now()) {
		return false, nil
	}
	return revoked, err
}

// goodFor reports whether what is known of a login does at this time.
func (l *looks) goodFor(login string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	latest, known := l.latest.Get(login)
	if !known {
		return false
	}
	if now.Before(latest.Add(l.memory)) {
		return true
	}
	return now.Before(l.failed.Add(lookAgain)) && now.Before(latest.Add(l.grace))
}

func (l *looks) note(login string, began time.Time, revoked bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.failed = l.now()
	case revoked:
		l.latest.Drop(login)
	default:
		l.latest.Put(login, began)
		l.failed = time.Time{}
	}
}

// forget makes the next request ask.
func (l *looks) forget(login string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest.Drop(login)
}
