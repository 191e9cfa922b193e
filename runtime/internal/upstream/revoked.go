package upstream

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
	"github.com/latchkey-auth/latchkey/internal/recent"
)

const (
	// revocationMemory is how long the provider's answer to a revocation stands for its repeats.
	revocationMemory = 5 * time.Minute
	// maxRevocations is how many such answers are kept.
	maxRevocations = 8192
)

// revocations are those that were made not long ago, and those under way.
type revocations struct {
	underWay flight.Group[struct{}]

	mu   sync.Mutex
	done *recent.Table[[sha256.Size]byte, revocationAnswer]
}

// revocationAnswer is what the provider answered: err is nil, or of [KindRejected].
type revocationAnswer struct {
	at  time.Time
	err error
}

func newRevocations() *revocations {
	return &revocations{done: recent.New[[sha256.Size]byte, revocationAnswer](maxRevocations, nil)}
}

// once makes a revocation, once for all that ask for it at the same time or not long after. An
// outage is not kept.
func (r *revocations) once(ctx context.Context, token string, now func() time.Time, revoke func(context.Context) error) error {
	key := sha256.Sum256([]byte(token))
	if known, ok := r.find(key, now()); ok {
		return known.err
	}
	_, err := r.underWay.Do(ctx, string(key[:]), Timeout, func(ctx context.Context) (struct{}, error) {
		if known, ok := r.find(key, now()); ok { // since it was looked for
			return struct{}{}, known.err
		}
		err := revoke(ctx)
		if err == nil || KindOf(err) == KindRejected {
			r.keep(key, revocationAnswer{at: now(), err: err})
		}
		return struct{}{}, err
	})
	return err
}

func (r *revocations) find(key [sha256.Size]byte, now time.Time) (revocationAnswer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.done.Get(key)
	age := now.Sub(known.at)
	return known, ok && age >= 0 && age < revocationMemory
}

func (r *revocations) keep(key [sha256.Size]byte, answer revocationAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Put(key, answer)
}
