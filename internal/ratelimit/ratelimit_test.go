package ratelimit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/ratelimit"
)

func TestEachKeyHasItsBudget(t *testing.T) {
	t.Parallel()
	limiter, now := ratelimit.New(2, 3, 10), time.Unix(1, 0)
	for i := range 3 {
		if wait := limiter.Take("a", now); wait != 0 {
			t.Errorf("request %d waits %v", i, wait)
		}
	}
	for range 5 { // what is refused costs nothing
		if wait := limiter.Take("a", now); wait != 500*time.Millisecond {
			t.Errorf("waits %v", wait)
		}
	}
	if wait := limiter.Take("b", now); wait != 0 {
		t.Errorf("another key waits %v", wait)
	}
	if wait := limiter.Take("a", now.Add(500*time.Millisecond)); wait != 0 {
		t.Errorf("after its wait it waits another %v", wait)
	}
}

// A request whose cost is known when it has ended looks first, and pays then.
func TestALookCostsNothingAndALatePaymentMayLeaveDebts(t *testing.T) {
	t.Parallel()
	limiter, now := ratelimit.New(2, 3, 10), time.Unix(1, 0)
	for range 10 {
		if wait := limiter.Wait("a", now); wait != 0 {
			t.Fatalf("waits %v", wait)
		}
	}
	for range 5 {
		limiter.Spend("a", now)
	}
	if wait := limiter.Wait("a", now); wait != 1500*time.Millisecond {
		t.Errorf("with a debt of two it waits %v", wait)
	}
	if wait := limiter.Wait("b", now); wait != 0 {
		t.Errorf("another key waits %v", wait)
	}
	if wait := limiter.Wait("a", now.Add(1500*time.Millisecond)); wait != 0 {
		t.Errorf("after its wait it waits another %v", wait)
	}
	never := ratelimit.New(1e-12, 1, 1)
	never.Spend("", now)
	if wait := never.Wait("", now); wait != time.Hour {
		t.Errorf("what never comes is waited for %v", wait)
	}
}

func TestBudgetsAreBounded(t *testing.T) {
	t.Parallel()
	limiter, now := ratelimit.New(1, 1, 2), time.Unix(1, 0)
	for _, key := range []string{"a", "b", "c"} {
		limiter.Take(key, now)
	}
	if wait := limiter.Take("a", now); wait != 0 {
		t.Errorf("the oldest of three is remembered: it waits %v", wait)
	}
}

func TestManyAtOnceShareOneBudget(t *testing.T) {
	t.Parallel()
	limiter, now := ratelimit.New(1, 5, 10), time.Unix(1, 0)
	var passed atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if limiter.Take("a", now) == 0 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 5 {
		t.Errorf("%d passed", passed.Load())
	}
}
