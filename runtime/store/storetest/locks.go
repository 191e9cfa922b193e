package storetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func mutualExclusion(t *trial) {
	var inside, done atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			lease, err := t.Lock(t.Context(), "family"+strconv.Itoa(i%2), time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) > 2 { // two keys
				t.Error("more holders than locks")
			}
			time.Sleep(t.hold)
			inside.Add(-1)
			done.Add(1)
			t.release(lease)
		})
	}
	all.Wait()
	if done.Load() != 40 {
		t.Errorf("%d of 40 got the lock", done.Load())
	}
}

func leaseRunsOut(t *trial) {
	start := time.Now()
	t.lock(t.ttl)
	t.lock(t.ttl)
	t.took(start, t.ttl, "waiting for a lease")
}

func lateRelease(t *trial) {
	late := t.lock(t.ttl)
	t.lock(t.ttl)
	start := time.Now()
	t.release(late)
	t.lock(t.ttl)
	t.took(start, t.ttl, "waiting for a lock that somebody released who no longer held it")
}

func lockContext(t *trial) {
	t.lock(time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), t.ttl/4)
	defer cancel()
	start := time.Now()
	if _, err := t.Lock(ctx, "k", t.ttl); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	t.took(start, t.ttl/4, "waiting to the end of the context")
}

func abandonedWait(t *trial) {
	held := t.lock(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := t.Lock(ctx, "k", time.Minute)
		waiting <- err
	}()
	time.Sleep(t.hold)
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	t.release(held)
	start := time.Now()
	t.release(t.lock(time.Minute))
	t.took(start, 0, "taking a lock that nobody holds")
}
