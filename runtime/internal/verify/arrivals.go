package verify

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/internal/recent"
	"github.com/latchkey-auth/latchkey/oauth"
)

// arrivals remember when tokens came first that are no good any more: those that a key set fetched
// afterwards proved wrong, and accepted ones whose key has gone. Such a token is wrong when it
// comes again, while the set may not be fetched for another one: a client that repeats its old
// token has to hear that it is refused, and not that it should wait.
type arrivals struct {
	seed  maphash.Seed
	mu    sync.Mutex
	first *recent.Table[uint64, time.Time]
}

// maxArrivals bounds the memory, which a flood of other tokens may take: then those that are pushed
// out wait.
const maxArrivals = 1024

func newArrivals() *arrivals {
	return &arrivals{seed: maphash.MakeSeed(), first: recent.New[uint64, time.Time](maxArrivals, nil)}
}

// note keeps the time at which a token came, the first one of several.
func (a *arrivals) note(token string, at time.Time) {
	key := maphash.String(a.seed, token)
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.first.Get(key); !known {
		a.first.Put(key, at)
	}
}

// of returns when a token came first, if that was noted.
func (a *arrivals) of(token string) (time.Time, bool) {
	key := maphash.String(a.seed, token)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.first.Get(key)
}

// keysFor asks for keys as of the token's arrival and, where nobody can know about it now, as of
// the arrival at which it was refused before.
func (v *JWT) keysFor(
	ctx context.Context, in *inspection, ask func(ctx context.Context, arrived time.Time) (jose.Candidates, error),
) (jose.Candidates, error) {
	found, err := ask(ctx, in.now.time)
	switch {
	case errors.Is(err, oauth.ErrTemporarilyUnavailable):
		if first, refused := v.arrivals.of(in.token); refused {
			return ask(ctx, first)
		}
	case err != nil:
		v.arrivals.note(in.token, in.now.time)
	}
	return found, err
}
