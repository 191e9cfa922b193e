package storetest

import (
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
				test(&trial{T: t, Store: config.New(t), ttl: 3 * time.Second, late: 10 * time.Second})
				return
			}
			synctest.Test(t, func(t *testing.T) {
				test(&trial{T: t, Store: config.New(t), ttl: time.Minute})
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
		"a time of less than a millisecond is one":         shortestTime,
		"an entry is set by exactly one of many":           oneFirst,
		"a value is replaced by exactly one of many":       oneReplacement,
		"a value can be removed":                           removal,
		"a step swaps all or none":                         allOrNone,
		"a step reads before it swaps":                     readsFirst,
		"a step is atomic":                                 atomicSteps,
		"steps of one call come in their order":            stepsInOrder,
		"groups are apart":                                 groupsApart,
		"groups, keys and values may have any bytes":       anyBytes,
		"a lock is taken, renewed and freed by its value":  lockByValue,
		"an ended context reaches nothing":                 endedContext,
		"steps that no store can accept are refused":       refusedSteps,
		"values are copies, whatever callers do with them": valuesAreCopies,
	}
}

// trial is one test of one store.
type trial struct {
	*testing.T
	store.Store

	// ttl is how long entries live.
	ttl time.Duration
	// late is how much later than they should things may happen; zero in a bubble, where they
	// happen when they should.
	late time.Duration
}

// group is that of a trial's entries where nothing else is said.
const group = "group"

// long is a time that no trial sees the end of.
func (t *trial) long() time.Duration { return t.ttl + t.late }

func (t *trial) one(step store.Step) store.Outcome {
	t.Helper()
	outcomes, err := t.Do(t.Context(), step)
	if err != nil || len(outcomes) != 1 || len(outcomes[0].Values) != len(step.Get) {
		t.Fatalf("%+v: %+v, %v", step, outcomes, err)
	}
	return outcomes[0]
}

func (t *trial) get(key string) string {
	t.Helper()
	return string(t.one(store.Step{Group: group, Get: []string{key}}).Values[0])
}

// swap swaps the entry k; an empty text stands for none.
func (t *trial) swap(previous, next string) bool {
	t.Helper()
	return t.one(swapping(change("k", previous, next, t.ttl))).Swapped
}

func swapping(swaps ...store.Swap) store.Step { return store.Step{Group: group, Swap: swaps} }

// change is a swap in which an empty text stands for none.
func change(key, previous, next string, ttl time.Duration) store.Swap {
	return store.Swap{Key: key, Previous: orNil(previous), Next: orNil(next), TTL: ttl}
}

func orNil(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
