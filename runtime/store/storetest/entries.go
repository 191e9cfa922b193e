package storetest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/store"
)

func absentKey(t *trial) {
	if v := t.get("k"); v != "" {
		t.Errorf("found %q", v)
	}
	if marked, err := store.Marked(t.Context(), t, "k"); marked || err != nil {
		t.Errorf("marked %v, %v", marked, err)
	}
}

func swapExpectation(t *trial) {
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
		if got := t.swap(step.previous, step.next); got != step.want || t.get("k") != step.value {
			t.Errorf("%q to %q: swapped %v, value %q", step.previous, step.next, got, t.get("k"))
		}
	}
	if t.get("another") != "" {
		t.Error("keys run together")
	}
}

// soon is a moment at which an entry with a whole lifetime before it is still there.
func (t *trial) soon() time.Duration {
	if t.late > 0 {
		return t.ttl * 2 / 3
	}
	return t.ttl - time.Millisecond
}

// gone waits until an entry that was set when soon began has expired.
func (t *trial) gone() {
	time.Sleep(t.ttl - t.soon())
	if t.late > 0 {
		time.Sleep(t.ttl / 4)
	}
}

func entriesExpire(t *trial) {
	t.swap("", "a")
	time.Sleep(t.soon())
	if t.get("k") != "a" {
		t.Error("gone too early")
	}
	t.gone()
	if t.get("k") != "" || t.swap("a", "b") || !t.swap("", "c") {
		t.Error("an expired entry is not absent")
	}
}

func swapRenews(t *trial) {
	t.swap("", "a")
	time.Sleep(t.soon())
	if !t.swap("a", "b") {
		t.Error("not swapped")
	}
	time.Sleep(t.soon()) // beyond the first lifetime
	if t.get("k") != "b" {
		t.Error("a swap does not renew the time")
	}
	t.gone()
	if t.get("k") != "" {
		t.Error("a swapped entry does not expire")
	}
}

func oneFirst(t *trial) {
	var first atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if won, err := store.Mark(t.Context(), t, "code", t.ttl+t.late); err != nil {
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
	if marked, err := store.Marked(t.Context(), t, "code"); !marked || err != nil {
		t.Errorf("marked %v, %v", marked, err)
	}
}

func oneReplacement(t *trial) {
	ttl := t.ttl + t.late
	if set, err := t.CompareAndSwap(t.Context(), "k", nil, []byte("old"), ttl); !set || err != nil {
		t.Fatalf("set %v, %v", set, err)
	}
	var winner atomic.Value
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			mine := "new" + strconv.Itoa(i)
			if swapped, err := t.CompareAndSwap(t.Context(), "k", []byte("old"), []byte(mine), ttl); err != nil {
				t.Error(err)
			} else if swapped {
				won.Add(1)
				winner.Store(mine)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || t.get("k") != winner.Load() {
		t.Errorf("%d callers replaced the value, which is %q", won.Load(), t.get("k"))
	}
}

func removal(t *trial) {
	value := []byte("used")
	for range 2 {
		if set, err := t.CompareAndSwap(t.Context(), "code", nil, value, t.ttl); !set || err != nil {
			t.Fatalf("set %v, %v", set, err)
		}
		if removed, err := t.CompareAndSwap(t.Context(), "code", []byte("another"), nil, 0); removed || err != nil {
			t.Fatalf("removed for another value: %v, %v", removed, err)
		}
		if removed, err := t.CompareAndSwap(t.Context(), "code", value, nil, 0); !removed || err != nil {
			t.Fatalf("removed %v, %v", removed, err)
		}
	}
	if removed, err := t.CompareAndSwap(t.Context(), "never set", value, nil, 0); removed || err != nil {
		t.Errorf("removed %v, %v", removed, err)
	}
}

func anyBytes(t *trial) {
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	values := map[string]string{
		"a b\r\nc:{d}*": string(every[:]), "\x00": "\x00", "0": "0", "é\xff": strings.Repeat("x", 8<<10), "a b": "1",
	}
	for key, value := range values {
		if set, err := t.CompareAndSwap(t.Context(), key, nil, []byte(value), t.ttl+t.late); !set || err != nil {
			t.Errorf("%q: set %v, %v", key, set, err)
		}
	}
	for key, value := range values {
		if got := t.get(key); got != value {
			t.Errorf("%q: the value came back with %d bytes, or others, of %d", key, len(got), len(value))
		}
	}
}

func endedContext(t *trial) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := t.Get(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	if _, err := store.Mark(ctx, t, "k", t.ttl); !errors.Is(err, context.Canceled) {
		t.Errorf("mark: %v", err)
	}
	if _, err := t.Lock(ctx, "k", t.ttl); !errors.Is(err, context.Canceled) {
		t.Errorf("lock: %v", err)
	}
}

func refusedArguments(t *trial) {
	ctx := t.Context()
	if _, err := t.CompareAndSwap(ctx, "k", nil, []byte{}, t.ttl); !errors.Is(err, store.ErrEmptyValue) {
		t.Errorf("an empty value: %v", err)
	}
	if _, err := t.CompareAndSwap(ctx, "k", []byte{}, nil, t.ttl); !errors.Is(err, store.ErrEmptyValue) {
		t.Errorf("an empty previous value: %v", err)
	}
	if _, err := t.CompareAndSwap(ctx, "k", nil, []byte("v"), 0); !errors.Is(err, store.ErrNoTTL) {
		t.Errorf("a value without end: %v", err)
	}
	if _, err := t.Lock(ctx, "k", 0); !errors.Is(err, store.ErrNoTTL) {
		t.Errorf("a lock without end: %v", err)
	}
}

func valuesAreCopies(t *trial) {
	value := []byte("abc")
	if _, err := t.CompareAndSwap(t.Context(), "k", nil, value, t.ttl+t.late); err != nil {
		t.Fatal(err)
	}
	value[0] = 'x'
	got, _, err := t.Get(t.Context(), "k")
	if err != nil || !bytes.Equal(got, []byte("abc")) {
		t.Fatalf("the store kept the caller's slice: %q, %v", got, err)
	}
	got[0] = 'y'
	if t.get("k") != "abc" {
		t.Error("the store gave out its own slice")
	}
}
