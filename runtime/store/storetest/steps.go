package storetest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/store"
)

func allOrNone(t *trial) {
	both := func(a, b, next string) bool {
		return t.one(swapping(change("a", a, next, t.long()), change("b", b, next, t.long()))).Swapped
	}
	for _, step := range []struct {
		a, b, next string
		want       bool
	}{
		{"", "", "1", true},
		{"", "1", "2", false},
		{"1", "", "2", false},
		{"1", "0", "2", false},
		{"1", "1", "2", true},
		{"2", "2", "", true},
	} {
		before := t.get("a")
		if got := both(step.a, step.b, step.next); got != step.want {
			t.Errorf("%q and %q to %q: swapped %v", step.a, step.b, step.next, got)
		}
		want := before
		if step.want {
			want = step.next
		}
		if a, b := t.get("a"), t.get("b"); a != want || b != want {
			t.Errorf("%q and %q to %q: values %q and %q, want %q", step.a, step.b, step.next, a, b, want)
		}
	}
}

func readsFirst(t *trial) {
	t.swap("", "old")
	for _, want := range []bool{true, false} {
		outcome := t.one(store.Step{
			Group: group, Get: []string{"l", "k"}, Swap: []store.Swap{change("k", "old", "new", t.long()), change("l", "", "set", t.long())},
		})
		if outcome.Swapped != want {
			t.Errorf("swapped %v", outcome.Swapped)
		}
		l, k := string(outcome.Values[0]), string(outcome.Values[1])
		if want && (l != "" || k != "old") || !want && (l != "set" || k != "new") {
			t.Errorf("swapped %v: read %q and %q", want, l, k)
		}
	}
}

// atomicSteps counts up two entries that must stay alike.
func atomicSteps(t *trial) {
	both := func(previous, next string) store.Step {
		return store.Step{
			Group: group, Get: []string{"a", "b"}, Swap: []store.Swap{change("a", previous, next, t.long()), change("b", previous, next, t.long())},
		}
	}
	t.one(both("", "0"))
	var counted atomic.Int32
	t.many(20, func(int) {
		for range 10 {
			read := t.one(store.Step{Group: group, Get: []string{"a", "b"}}).Values
			n, err := strconv.Atoi(string(read[0]))
			if string(read[0]) != string(read[1]) || err != nil {
				t.Errorf("half a step was seen: %q, %v", read, err)
				return
			}
			if t.one(both(strconv.Itoa(n), strconv.Itoa(n+1))).Swapped {
				counted.Add(1)
			}
		}
	})
	if got := t.get("a"); got != strconv.Itoa(int(counted.Load())) {
		t.Errorf("%d counted, %s kept", counted.Load(), got)
	}
}

func stepsInOrder(t *trial) {
	outcomes, err := t.Do(t.Context(),
		swapping(change("k", "", "1", t.long())),
		swapping(change("k", "0", "2", t.long())),
		swapping(change("k", "1", "3", t.long())),
		store.Step{Group: "another", Swap: []store.Swap{change("k", "", "4", t.long())}},
		store.Step{Group: group, Get: []string{"k"}},
		store.Step{Group: "another", Get: []string{"k"}},
	)
	if err != nil || len(outcomes) != 6 {
		t.Fatalf("%d outcomes, %v", len(outcomes), err)
	}
	for i, want := range []bool{true, false, true, true} {
		if outcomes[i].Swapped != want {
			t.Errorf("step %d: swapped %v", i+1, outcomes[i].Swapped)
		}
	}
	if mine, other := string(outcomes[4].Values[0]), string(outcomes[5].Values[0]); mine != "3" || other != "4" {
		t.Errorf("the values are %q and %q", mine, other)
	}
	if outcomes, err := t.Do(t.Context()); len(outcomes) != 0 || err != nil {
		t.Errorf("no steps: %d outcomes, %v", len(outcomes), err)
	}
}

func groupsApart(t *trial) {
	names := [][2]string{{"a", "b"}, {"b", "a"}, {"a}", "b"}, {"a", "}b"}, {"a}b", "c"}, {"a", "b}c"}, {"{a", "b"}, {"%7D", "b"}, {"}", "b"}, {"a:b", ""}, {"a", ":b"}}
	for i, name := range names {
		step := store.Step{Group: name[0], Swap: []store.Swap{change(name[1], "", strconv.Itoa(i), t.long())}}
		if !t.one(step).Swapped {
			t.Errorf("group %q, key %q is taken for another", name[0], name[1])
		}
	}
	for i, name := range names {
		if got := string(t.one(store.Step{Group: name[0], Get: []string{name[1]}}).Values[0]); got != strconv.Itoa(i) {
			t.Errorf("group %q, key %q has the value %q", name[0], name[1], got)
		}
	}
}

func anyBytes(t *trial) {
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	values := map[string]string{
		"a b\r\nc:{d}*": string(every[:]), "\x00": "\x00", "0": "0", "é\xff": strings.Repeat("x", 8<<10), "a b": "1", string(every[:]): "-",
	}
	for name, value := range values {
		step := store.Step{Group: name, Swap: []store.Swap{change(name, "", value, t.long()), change("another", "", value, t.long())}}
		if !t.one(step).Swapped {
			t.Errorf("%q is not set", name)
		}
	}
	for name, value := range values {
		for _, got := range t.one(store.Step{Group: name, Get: []string{name, "another"}}).Values {
			if string(got) != value {
				t.Errorf("%q: the value came back with %d bytes, or others, of %d", name, len(got), len(value))
			}
		}
	}
}

// lockByValue is how locks are made of steps: whoever sets an absent entry to a random value holds
// it, renews it by swapping the value for itself, and frees it by removing that value alone.
func lockByValue(t *trial) {
	if !t.swap("", "mine") || t.swap("", "other") {
		t.Fatal("two hold it")
	}
	time.Sleep(t.soon())
	if !t.swap("mine", "mine") {
		t.Error("not renewed")
	}
	time.Sleep(t.soon())
	if t.swap("", "other") {
		t.Error("it is free although it was renewed")
	}
	t.gone()
	if !t.swap("", "other") || t.swap("mine", "mine") || t.swap("mine", "") || t.get("k") != "other" {
		t.Error("who lost it still has a say")
	}
}

func endedContext(t *trial) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := t.Do(ctx, swapping(change("k", "", "a", t.long()))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if t.get("k") != "" {
		t.Error("it was set all the same")
	}
}

func refusedSteps(t *trial) {
	fine := swapping(change("fine", "", "a", t.long()))
	for name, c := range map[string]struct {
		step store.Step
		want error
	}{
		"no group":                {store.Step{Get: []string{"k"}}, store.ErrNoGroup},
		"an empty value":          {swapping(store.Swap{Key: "k", Next: []byte{}, TTL: t.ttl}), store.ErrEmptyValue},
		"an empty previous value": {swapping(store.Swap{Key: "k", Previous: []byte{}}), store.ErrEmptyValue},
		"a value without end":     {swapping(store.Swap{Key: "k", Next: []byte("v")}), store.ErrNoTTL},
		"a value of the past":     {swapping(store.Swap{Key: "k", Next: []byte("v"), TTL: -time.Second}), store.ErrNoTTL},
		"an entry twice":          {swapping(change("k", "", "a", t.ttl), change("k", "a", "b", t.ttl)), store.ErrTwice},
	} {
		if _, err := t.Do(t.Context(), fine, c.step); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if t.get("fine") != "" {
			t.Errorf("%s: a step before it happened", name)
		}
	}
}
