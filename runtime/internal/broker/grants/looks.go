package grants

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
	"github.com/latchkey-auth/latchkey/internal/recent"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
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

// login is what is looked for: a login, as it is named under the key that sealed its token.
type login struct {
	key    seal.Key
	family tickets.ID
}

// looks remember for a moment which logins were not revoked, so that not every request asks a
// shared store. A login that was never asked about is asked about in any case.
type looks struct {
	// memory is how long a look is good for, grace how long while the store fails. Without either
	// every request asks.
	memory, grace time.Duration
	now           func() time.Time
	flights       flight.Group[bool]

	mu     sync.Mutex
	latest *recent.Table[login, time.Time]
	failed time.Time
}

func newLooks(memory, grace time.Duration, now func() time.Time) *looks {
	return &looks{memory: memory, grace: grace, now: now, latest: recent.New[login, time.Time](maxLooks, nil)}
}

// revoked reports whether a login was revoked, by a look that began within the memory or a new one.
func (l *looks) revoked(ctx context.Context, which login, look func(context.Context) (bool, error)) (bool, error) {
	if l.memory <= 0 && l.grace <= 0 {
		return look(ctx)
	}
	now := l.now()
	if l.goodFor(which, now) {
		return false, nil
	}
	revoked, err := l.flights.Do(ctx, strconv.Itoa(int(which.key))+string(which.family[:]), lookLimit, func(ctx context.Context) (bool, error) {
		revoked, err := look(ctx)
		l.note(which, now, revoked, err)
		return revoked, err
	})
	if err != nil && ctx.Err() == nil && l.goodFor(which, l.now()) {
		return false, nil
	}
	return revoked, err
}

// goodFor reports whether what is known of a login does at this time.
func (l *looks) goodFor(which login, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	latest, known := l.latest.Get(which)
	if !known {
		return false
	}
	if now.Before(latest.Add(l.memory)) {
		return true
	}
	return now.Before(l.failed.Add(lookAgain)) && now.Before(latest.Add(l.grace))
}

func (l *looks) note(which login, began time.Time, revoked bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.failed = l.now()
	case revoked:
		l.latest.Drop(which)
	default:
		l.latest.Put(which, began)
		l.failed = time.Time{}
	}
}

// forget makes the next request ask.
func (l *looks) forget(which login) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latest.Drop(which)
}
