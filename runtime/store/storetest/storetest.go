package storetest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Config says which store is tried. New is required.
type Config struct {
	// New returns an empty store for one test. It is called once for each test of the suite, which
	// run in parallel: stores that share a server need a prefix of their own. Whatever has to be
	// closed is closed by t.Cleanup.
	New func(t *testing.T) store.Store
	// RealTime is for a store whose time cannot be faked, since it passes in another process. The
	// suite then waits for entries to expire, which takes some ten seconds, and allows for a slow
	// machine. Otherwise it runs in bubbles of testing/synctest, which no goroutine of the store
	// may outlive, in no time and to the millisecond.
	RealTime bool
}

// Run runs the suite as subtests of t.
func Run(t *testing.T, config Config) {
	t.Helper()
	for name, test := range tests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if config.RealTime {
				test(&trial{T: t, Store: config.New(t), ttl: 3 * time.Second, hold: 5 * time.Millisecond, late: 10 * time.Second})
				return
			}
			synctest.Test(t, func(t *testing.T) {
				test(&trial{T: t, Store: config.New(t), ttl: time.Minute, hold: time.Second})
			})
		})
	}
}

// tests are the tests of the suite by what they hold.
func tests() map[string]func(*trial) {
	return map[string]func(*trial){
		"an absent key is not found":                       absentKey,
		"a swap needs the expected value":                  swapExpectation,
		"entries expire":                                   entriesExpire,
		"a swap renews the time":                           swapRenews,
		"a mark is set by exactly one of many":             oneFirst,
		"a value is replaced by exactly one of many":       oneReplacement,
		"a value can be removed":                           removal,
		"keys and values may have any bytes":               anyBytes,
		"a lock is held by one at a time":                  mutualExclusion,
		"a lock frees itself after its lease":              leaseRunsOut,
		"a late release does not free another's lock":      lateRelease,
		"waiting for a lock ends with the context":         lockContext,
		"who stops waiting for a lock does not come to it": abandonedWait,
		"an ended context reaches nothing":                 endedContext,
		"values that no store can tell apart are refused":  refusedArguments,
		"values are copies, whatever callers do with them": valuesAreCopies,
	}
}

// trial is one test of one store.
type trial struct {
	*testing.T
	store.Store

	// ttl is how long entries and leases live, hold how long a lock is worked under.
	ttl, hold time.Duration
	// late is how much later than they should things may happen; zero in a bubble, where they
	// happen when they should.
	late time.Duration
}

// took checks how long something took that should take as long as want.
func (t *trial) took(start time.Time, want time.Duration, what string) {
	t.Helper()
	early := time.Duration(0)
	if t.late > 0 {
		early = want / 10 // a store's clock may tick in coarser steps
	}
	if got := time.Since(start); got < want-early || got > want+t.late {
		t.Errorf("%s took %v, want %v", what, got, want)
	}
}

func (t *trial) get(key string) string {
	t.Helper()
	value, found, err := t.Get(t.Context(), key)
	if err != nil || found != (value != nil) {
		t.Fatalf("get %q: %q, %v, %v", key, value, found, err)
	}
	return string(value)
}

func (t *trial) swap(previous, next string) bool {
	t.Helper()
	swapped, err := t.CompareAndSwap(t.Context(), "k", orNil(previous), orNil(next), t.ttl)
	if err != nil {
		t.Fatal(err)
	}
	return swapped
}

func orNil(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func (t *trial) lock(lease time.Duration) store.Lease {
	t.Helper()
	held, err := t.Lock(t.Context(), "k", lease)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func (t *trial) release(held store.Lease) {
	t.Helper()
	if err := held.Release(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
