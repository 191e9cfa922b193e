package observe

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
)

// Observer sees events. It is called while a request waits, by many at the same time: one that may
// block belongs into [Async]. A panic is recovered, and harms no request.
//
// An observer may have further methods:
//
//   - Enabled(Kind) bool reports whether it wants events of a kind. Without it the
//     observer gets all. An event that nobody wants is not even made.
//   - Start(context.Context, Operation) (context.Context, func(Event)) is called when something
//     begins. The operation uses the context that this returns, and calls the function once, when
//     it ends, before Observe is called with the same event. It is for spans.
//   - Decide(context.Context, Event) error is asked before a decision takes effect: a login,
//     tokens, a revocation, a refusal, a verified caller. An error is answered with 503 instead. It
//     is for records without which nothing may happen. Observe is called after it, with what
//     happened then: the same event, and Decided is set, or the refusal.
type Observer interface {
	Observe(ctx context.Context, event Event)
}

type (
	enabler interface{ Enabled(kind Kind) bool }
	starter interface {
		Start(ctx context.Context, operation Operation) (context.Context, func(Event))
	}
	decider interface {
		Decide(ctx context.Context, event Event) error
	}
)

// Multi returns an observer that passes events to several, in this order, each as it wants them.
// Nil ones are left out. It has the methods Enabled, Start and Decide for all of them. A panic of
// one is no matter of the others, and is logged once by [slog.Default].
func Multi(observers ...Observer) Observer {
	g := make(group, 0, len(observers))
	for _, o := range observers {
		if several, ok := o.(group); ok {
			g = append(g, several...)
			continue
		}
		if o == nil {
			continue
		}
		g = append(g, newMember(o))
	}
	return slices.Clip(g)
}

// group is several observers.
type group []*member

// member is one observer of several with what it can do.
type member struct {
	Observer

	enabler enabler
	starter starter
	decider decider
	log     *slog.Logger // of an observer by Slog: it is asked with every request, and this way is shorter
	failed  sync.Once
}

func newMember(o Observer) *member {
	m := &member{Observer: o}
	if s, ok := o.(slogger); ok {
		m.log = s.logger
	}
	m.enabler, _ = o.(enabler)
	m.starter, _ = o.(starter)
	m.decider, _ = o.(decider)
	return m
}

// Enabled reports whether anybody wants events of a kind.
func (g group) Enabled(kind Kind) bool {
	for _, m := range g {
		if m.wants(kind) {
			return true
		}
	}
	return false
}

// Observe implements [Observer].
func (g group) Observe(ctx context.Context, event Event) {
	for _, m := range g {
		if m.wants(event.Kind) {
			m.observe(ctx, event)
		}
	}
}

// Start begins an operation for everybody who wants to know.
func (g group) Start(ctx context.Context, operation Operation) (context.Context, func(Event)) {
	var ends []func(Event)
	for _, m := range g {
		if m.starter == nil || !m.wants(operation.Kind) {
			continue
		}
		next, end := m.start(ctx, operation)
		if next != nil {
			ctx = next //nolint:fatcontext // one layer an observer
		}
		if end != nil {
			ends = append(ends, func(e Event) {
				defer m.recovered()
				end(e)
			})
		}
	}
	return ctx, func(e Event) {
		for _, end := range slices.Backward(ends) {
			end(e)
		}
	}
}

// Decide asks everybody who decides; the first error counts.
func (g group) Decide(ctx context.Context, event Event) error {
	for _, m := range g {
		if m.decider == nil || !m.wants(event.Kind) {
			continue
		}
		if err := m.decide(ctx, event); err != nil {
			return err
		}
	}
	return nil
}

// wants reports whether the observer wants a kind. One that panics when it is asked gets it: it may
// be one that decides.
func (m *member) wants(kind Kind) bool {
	switch {
	case m.log != nil:
		return m.log.Enabled(context.Background(), most(kind))
	case m.enabler == nil:
		return true
	}
	return m.ask(kind)
}

func (m *member) ask(kind Kind) (wanted bool) {
	wanted = true //nolint:wastedassign // what is left after a panic
	defer m.recovered()
	return m.enabler.Enabled(kind)
}

func (m *member) observe(ctx context.Context, event Event) {
	defer m.recovered()
	m.Observe(ctx, event)
}

func (m *member) start(ctx context.Context, operation Operation) (next context.Context, end func(Event)) {
	defer m.recovered()
	return m.starter.Start(ctx, operation)
}

// decide asks the observer. One that panics has not agreed.
func (m *member) decide(ctx context.Context, event Event) (err error) {
	err = fmt.Errorf("the observer %T panicked", m.Observer) //nolint:wastedassign // what is left after a panic
	defer m.recovered()
	return m.decider.Decide(ctx, event)
}

// recovered ends a panic of the observer. The first one is logged: an observer that is broken and
// silent would not be missed.
func (m *member) recovered() {
	value := recover()
	if value == nil {
		return
	}
	m.failed.Do(func() {
		slog.Default().Error("an observer panicked; its further panics are not logged", "observer", fmt.Sprintf("%T", m.Observer),
			"panic", fmt.Sprint(value), "stack", string(debug.Stack()))
	})
}
