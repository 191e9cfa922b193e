package grants

import (
	"context"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Entries are a server's entries in a store. Their names are digests under its sealing keys, so
// that a store that is read says nothing of what its entries are about, and servers that share a
// store never share entries.
type Entries struct {
	Store store.Store
	Names *seal.Names
}

// mark is the value of an entry whose existence is all that matters.
var mark = []byte{1}

// shelf is where the store keeps what belongs together: all of one login, or one thing by itself.
type shelf struct {
	names *seal.Names
	key   seal.Key
	group string
}

// shelf returns the shelf of a thing that a value names which a key sealed.
func (e Entries) shelf(key seal.Key, kind string, id tickets.ID) shelf {
	return shelf{names: e.Names, key: key, group: e.Names.Name(key, "shelf", kind, string(id[:]))}
}

// entry returns the key of an entry in the shelf.
func (s shelf) entry(kind string, id tickets.ID) string {
	return s.names.Name(s.key, "entry", s.group, kind, string(id[:]))
}

// place is what the value of an entry is sealed for: it opens there alone.
func (s shelf) place(entry string) string { return s.group + entry }

// step returns a step with the swaps of entries of the shelf.
func (s shelf) step(get []string, swaps ...store.Swap) store.Step {
	return store.Step{Group: s.group, Get: get, Swap: swaps}
}

// Once marks a thing for the given time, and reports whether nobody did so before. A thing that a
// sealed value names is marked under the key that sealed that; one that no sealed value names is
// marked under all keys of the ring, so that replicas agree while keys are rotated.
func (e Entries) Once(ctx context.Context, kind string, id tickets.ID, ttl time.Duration, under ...seal.Key) (first bool, err error) {
	steps := make([]store.Step, len(under))
	for i, key := range under {
		s := e.shelf(key, kind, id)
		steps[i] = s.step(nil, store.Swap{Key: s.entry("once", id), Next: mark, TTL: ttl})
	}
	outcomes, err := e.Store.Do(ctx, steps...)
	if err != nil {
		return false, err
	}
	for _, outcome := range outcomes {
		if !outcome.Swapped {
			return false, nil
		}
	}
	return true, nil
}

// do is a call of one step.
func (e Entries) do(ctx context.Context, step store.Step) (store.Outcome, error) {
	outcomes, err := e.Store.Do(ctx, step)
	if err != nil {
		return store.Outcome{}, err
	}
	return outcomes[0], nil
}

const (
	// persistFor is how long the result of a request to the provider is offered to a store that
	// fails: without it the provider's tokens are lost.
	persistFor = 10 * time.Second
	// firstPause and longestPause are between two tries. Each is twice as long as the one before.
	firstPause, longestPause = 20 * time.Millisecond, 500 * time.Millisecond
)

// persist is a call of steps whose result must not get lost: it is tried again while the store
// fails. The caller must expect to find what a try did of which nobody heard.
func (e Entries) persist(ctx context.Context, steps ...store.Step) (outcomes []store.Outcome, err error) {
	trying, cancel := context.WithTimeout(ctx, persistFor)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		if outcomes, err = e.Store.Do(ctx, steps...); err == nil || !rest(trying, pause) {
			return outcomes, err
		}
	}
}

// rest waits, and reports whether ctx lasted so long.
func rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// storeNotice tells the operator what follows from a store that failed at what nobody waits for.
func storeNotice(ctx context.Context, to *events.Sender, message string, err error) {
	to.Observe(ctx, observe.Event{
		Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonStoreUnavailable, Message: message, Err: err,
	})
}
