// Package ratelimit gives each client a budget of requests.
package ratelimit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/latchkey-auth/latchkey/internal/recent"
)

// Limiter has one budget per key. It is safe for concurrent use.
type Limiter struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	buckets *recent.Table[string, *rate.Limiter]
}

// New returns a limiter with budgets of burst requests at once, refilled at a rate of perSecond. It
// remembers at most keys budgets, and forgets the one that was not used for longest, whose owner
// then starts with a full one.
func New(perSecond float64, burst, keys int) *Limiter {
	return &Limiter{perSecond: rate.Limit(perSecond), burst: burst, buckets: recent.New[string, *rate.Limiter](keys, nil)}
}

// Take spends one request of a key's budget at the given time. A positive result is how long its
// owner has to wait: then nothing was spent.
func (l *Limiter) Take(key string, now time.Time) time.Duration {
	reservation := l.bucket(key).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

// Wait is how long the owner of a key has to wait for its next request. Nothing is spent.
func (l *Limiter) Wait(key string, now time.Time) time.Duration {
	l.mu.Lock()
	bucket, ok := l.buckets.Get(key)
	l.mu.Unlock()
	if !ok {
		return 0
	}
	missing := 1 - bucket.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(min(missing/float64(l.perSecond), maxWait.Seconds()) * float64(time.Second))
}

// maxWait is what a wait without an end counts as.
const maxWait = time.Hour

// Spend spends one request of a key's budget that took place already: the budget may fall below
// nothing.
func (l *Limiter) Spend(key string, now time.Time) { l.bucket(key).ReserveN(now, 1) }

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.buckets.Get(key)
	if !ok {
		bucket = rate.NewLimiter(l.perSecond, l.burst)
		l.buckets.Put(key, bucket)
	}
	return bucket
}
