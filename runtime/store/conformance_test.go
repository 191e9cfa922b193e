package store_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/store"
)

// What every Store must do, whatever keeps its entries. Time is the bubble's: nothing sleeps for real.
func conformance(t *testing.T, newStore func() store.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, store.Store){
		"an absent key is not found":                       absentKey,
		"a swap needs the expected value":                  swapExpectation,
		"entries expire":                                   entriesExpire,
		"a mark is set by exactly one of many":             oneFirst,
		"a value can be removed":                           removal,
		"a lock is held by one at a time":                  mutualExclusion,
		"a lock frees itself after its lease":              leaseRunsOut,
		"a late release does not free another's lock":      lateRelease,
		"waiting for a lock ends with the context":         lockContext,
		"an ended context reaches nothing":                 endedContext,
		"values that no store can tell apart are refused":  refusedArguments,
		"values are copies, whatever callers do with them": valuesAreCopies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newStore()) })
		})
	}
}

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	conformance(t, func() store.Store { return store.NewMemory(store.MemoryConfig{}) })
}

func get(t *testing.T, s store.Store, key string) string {
	t.Helper()
	value, found, err := s.Get(t.Context(), key)
	if err != nil || found != (value != nil) {
		t.Fatalf("get %s: %q, %v, %v", key, value, found, err)
	}
	return string(value)
}

func swap(t *testing.T, s store.Store, previous, next string) bool {
	t.Helper()
	swapped, err := s.CompareAndSwap(t.Context(), "k", orNil(previous), orNil(next), time.Minute)
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

func absentKey(t *testing.T, s store.Store) {
	if v := get(t, s, "k"); v != "" {
		t.Errorf("found %q", v)
	}
	if marked, err := store.Marked(t.Context(), s, "k"); marked || err != nil {
		t.Errorf("marked %v, %v", marked, err)
	}
}

func swapExpectation(t *testing.T, s store.Store) {
	for _, step := range []struct {
		previous, next string
		want           bool
		value          string
	}{
		{"x", "a", false, ""}, // absent
		{"", "a", true, "a"},
		{"", "b", false, "a"}, // present
		{"b", "c", false, "a"},
		{"a", "b", true, "b"},
		{"a", "", false, "b"},
		{"b", "", true, ""},
		{"", "", true, ""},
	} {
		if got := swap(t, s, step.previous, step.next); got != step.want || get(t, s, "k") != step.value {
			t.Errorf("%q to %q: swapped %v, value %q", step.previous, step.next, got, get(t, s, "k"))
		}
	}
	if get(t, s, "another") != "" {
		t.Error("keys run together")
	}
}

func entriesExpire(t *testing.T, s store.Store) {
	swap(t, s, "", "a")
	time.Sleep(time.Minute - time.Millisecond)
	if get(t, s, "k") != "a" {
		t.Error("gone too early")
	}
	if !swap(t, s, "a", "b") { // starts the time anew
		t.Error("not swapped")
	}
	time.Sleep(time.Minute - time.Millisecond)
	if get(t, s, "k") != "b" {
		t.Error("a swap does not renew the time")
	}
	time.Sleep(time.Millisecond)
	if get(t, s, "k") != "" || swap(t, s, "b", "c") || !swap(t, s, "", "d") {
		t.Error("an expired entry is not absent")
	}
}

func oneFirst(t *testing.T, s store.Store) {
	var first atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if won, err := store.Mark(t.Context(), s, "code", time.Minute); err != nil {
				t.Error(err)
			} else if won {
				first.Add(1)
			}
		})
	}
	all.Wait()
	if first.Load() != 1 {
		t.Errorf("%d callers were first", first.Load())
	}
	if marked, _ := store.Marked(t.Context(), s, "code"); !marked {
		t.Error("not marked")
	}
}

func removal(t *testing.T, s store.Store) {
	value := []byte("used")
	for range 2 {
		if set, err := s.CompareAndSwap(t.Context(), "code", nil, value, time.Minute); !set || err != nil {
			t.Fatalf("set %v, %v", set, err)
		}
		if removed, err := s.CompareAndSwap(t.Context(), "code", []byte("another"), nil, 0); removed || err != nil {
			t.Fatalf("removed for another value: %v, %v", removed, err)
		}
		if removed, err := s.CompareAndSwap(t.Context(), "code", value, nil, 0); !removed || err != nil {
			t.Fatalf("removed %v, %v", removed, err)
		}
	}
	if removed, err := s.CompareAndSwap(t.Context(), "never set", value, nil, 0); removed || err != nil {
		t.Errorf("removed %v, %v", removed, err)
	}
}

func mutualExclusion(t *testing.T, s store.Store) {
	var inside, done atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			lease, err := s.Lock(t.Context(), "family"+strconv.Itoa(i%2), time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) > 2 { // two keys
				t.Error("more holders than locks")
			}
			time.Sleep(time.Second)
			inside.Add(-1)
			done.Add(1)
			if err := lease.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if done.Load() != 40 {
		t.Errorf("%d of 40 got the lock", done.Load())
	}
}

func lock(t *testing.T, s store.Store) store.Lease {
	t.Helper()
	lease, err := s.Lock(t.Context(), "k", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func leaseRunsOut(t *testing.T, s store.Store) {
	start := time.Now()
	lock(t, s)
	lock(t, s)
	if waited := time.Since(start); waited != time.Minute {
		t.Errorf("waited %v for a lease of a minute", waited)
	}
}

func lateRelease(t *testing.T, s store.Store) {
	late := lock(t, s)
	lock(t, s)
	start := time.Now()
	if err := late.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	lock(t, s)
	if waited := time.Since(start); waited != time.Minute {
		t.Errorf("waited %v: a lock was freed by somebody who no longer held it", waited)
	}
}

func lockContext(t *testing.T, s store.Store) {
	lock(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	if _, err := s.Lock(ctx, "k", time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func endedContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := store.Mark(ctx, s, "k", time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := s.Lock(ctx, "k", time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func refusedArguments(t *testing.T, s store.Store) {
	ctx := t.Context()
	if _, err := s.CompareAndSwap(ctx, "k", nil, []byte{}, time.Minute); !errors.Is(err, store.ErrEmptyValue) {
		t.Error(err)
	}
	if _, err := s.CompareAndSwap(ctx, "k", []byte{}, nil, time.Minute); !errors.Is(err, store.ErrEmptyValue) {
		t.Error(err)
	}
	if _, err := s.CompareAndSwap(ctx, "k", nil, []byte("v"), 0); !errors.Is(err, store.ErrNoTTL) {
		t.Error(err)
	}
	if _, err := s.Lock(ctx, "k", 0); !errors.Is(err, store.ErrNoTTL) {
		t.Error(err)
	}
}

func valuesAreCopies(t *testing.T, s store.Store) {
	value := []byte("abc")
	if _, err := s.CompareAndSwap(t.Context(), "k", nil, value, time.Minute); err != nil {
		t.Fatal(err)
	}
	value[0] = 'x'
	got, _, _ := s.Get(t.Context(), "k")
	if !bytes.Equal(got, []byte("abc")) {
		t.Errorf("the store kept the caller's slice: %q", got)
	}
	got[0] = 'y'
	if get(t, s, "k") != "abc" {
		t.Error("the store gave out its own slice")
	}
}
