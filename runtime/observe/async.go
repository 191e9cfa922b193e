package observe

import (
	"context"
	"sync"
	"sync/atomic"
)

// Queue hands events to an observer of which nobody waits: see [Async].
type Queue struct {
	to      *member
	waiting chan queued
	done    chan struct{}
	dropped atomic.Uint64

	mu     sync.RWMutex
	closed bool
}

type queued struct {
	ctx   context.Context //nolint:containedctx // the event's own, with the values that belong to it
	event Event
}

// Async returns an observer that puts events into a queue and never waits: at most n of them wait
// for o, at least one. An event that finds the queue full is dropped and counted. o gets the events
// one after the other. Of further methods of o only Enabled is used, since the others have to be
// waited for.
//
// The queue has a goroutine: Close ends it.
func Async(o Observer, n int) *Queue {
	q := &Queue{to: newMember(o), waiting: make(chan queued, max(n, 1)), done: make(chan struct{})}
	go q.run()
	return q
}

func (q *Queue) run() {
	defer close(q.done)
	for next := range q.waiting {
		q.to.observe(next.ctx, next.event)
	}
}

// Enabled reports whether the observer wants events of a kind.
func (q *Queue) Enabled(kind Kind) bool { return q.to.wants(kind) }

// Observe implements [Observer]. It never waits for the observer.
func (q *Queue) Observe(ctx context.Context, event Event) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		q.dropped.Add(1)
		return
	}
	select {
	case q.waiting <- queued{context.WithoutCancel(ctx), event}:
	default:
		q.dropped.Add(1)
	}
}

// Dropped returns how many events found the queue full or closed.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Close takes no more events and waits until the observer has got those that wait, or until ctx
// ends, whose error it returns then: those that still wait are handed over later, if the program
// lives on.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.waiting)
	}
	q.mu.Unlock()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
