package storetest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/store"
)

func absentKey(t *trial) {
	outcome := t.one(store.Step{Group: group, Get: []string{"k", "l"}})
	if outcome.Values[0] != nil || outcome.Values[1] != nil {
		t.Errorf("found %q", outcome.Values)
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

func shortestTime(t *trial) {
	if !t.one(swapping(change("k", "", "a", time.Nanosecond))).Swapped {
		t.Error("not set")
	}
	time.Sleep(t.ttl / 3)
	if t.get("k") != "" {
		t.Error("it does not expire")
	}
}

func oneFirst(t *trial) {
	var first atomic.Int32
	t.many(50, func(int) {
		if t.one(swapping(change("code", "", "used", t.long()))).Swapped {
			first.Add(1)
		}
	})
	if first.Load() != 1 || t.get("code") != "used" {
		t.Errorf("%d callers were first, the value is %q", first.Load(), t.get("code"))
	}
}

// many calls do from many goroutines at once.
func (t *trial) many(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

func oneReplacement(t *trial) {
	if !t.one(swapping(change("k", "", "old", t.long()))).Swapped {
		t.Fatal("not set")
	}
	var winner atomic.Value
	var won atomic.Int32
	t.many(50, func(i int) {
		mine := "new" + strconv.Itoa(i)
		if t.one(swapping(change("k", "old", mine, t.long()))).Swapped {
			won.Add(1)
			winner.Store(mine)
		}
	})
	if won.Load() != 1 || t.get("k") != winner.Load() {
		t.Errorf("%d callers replaced the value, which is %q", won.Load(), t.get("k"))
	}
}

func removal(t *trial) {
	for range 2 {
		if !t.swap("", "used") {
			t.Fatal("not set")
		}
		if t.one(swapping(change("k", "another", "", 0))).Swapped {
			t.Fatal("removed for another value")
		}
		if !t.one(swapping(change("k", "used", "", 0))).Swapped || t.get("k") != "" {
			t.Fatal("not removed")
		}
	}
	if t.one(swapping(change("never set", "used", "", 0))).Swapped {
		t.Error("removed what never was")
	}
}

func valuesAreCopies(t *trial) {
	value := []byte("abc")
	if !t.one(swapping(store.Swap{Key: "k", Next: value, TTL: t.long()})).Swapped {
		t.Fatal("not set")
	}
	value[0] = 'x'
	got := t.one(store.Step{Group: group, Get: []string{"k"}}).Values[0]
	if string(got) != "abc" {
		t.Fatalf("the store kept the caller's slice: %q", got)
	}
	got[0] = 'y'
	if t.get("k") != "abc" {
		t.Error("the store gave out its own slice")
	}
}
