package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// outage reports whether the provider failed to answer recently, so that waiting for it again is
// pointless.
func (r *Remote) outage(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastErr != nil && elapsed(r.lastAttempt, now) < r.config.SoftExpiry
}

// pause is the least time between the last fetch and the next. The caller holds mu.
func (r *Remote) pause() time.Duration {
	if asked, ok := errors.AsType[*statusError](r.lastErr); ok {
		return max(r.ownPause(), min(asked.retryAfter, maxRetryAfter))
	}
	return r.ownPause()
}

// ownPause is the pause where the provider asked for none. The caller holds mu.
func (r *Remote) ownPause() time.Duration {
	if r.current.Load() != nil {
		return r.config.CoolDown
	}
	pause := firstPause
	for range r.failures - 1 {
		if pause >= r.config.CoolDown {
			break
		}
		pause *= 2
	}
	return min(pause, r.config.CoolDown)
}

// refresh returns the fetch under way, starting one if none is and it is allowed; nil if it is not.
// unknown reports whether it is for a key that is not known.
func (r *Remote) refresh(now time.Time, unknown bool) *fetch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil && r.allowed(now, unknown) {
		r.running = &fetch{done: make(chan struct{}), began: now}
		if unknown {
			r.inVain = r.running // until it has found the key
		}
		go r.run(r.running)
	}
	return r.running
}

// allowed reports whether a fetch may start. Tokens with unknown keys have a cool-down of their
// own: otherwise a key that is new right after a fetch for another reason would have to wait, and
// its tokens would be refused. The caller holds mu.
func (r *Remote) allowed(now time.Time, unknown bool) bool {
	if r.lastAttempt.IsZero() || elapsed(r.lastAttempt, now) >= r.pause() {
		return true
	}
	return unknown && r.lastErr == nil && (r.inVain == nil || elapsed(r.inVain.ended, now) >= r.config.CoolDown)
}

// notInVain takes a fetch that found what it was made for off the count of those that did not.
func (r *Remote) notInVain(f *fetch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inVain == f {
		r.inVain = nil
	}
}

// run performs a fetch. It does not use the context of the look-up that started it, since others
// wait for it too; its own time limit ends it.
func (r *Remote) run(f *fetch) {
	ctx, cancel := context.WithTimeout(context.Background(), r.config.Timeout)
	defer cancel()
	ctx, end := r.config.Events.Begin(ctx, observe.Operation{Kind: observe.KeysFetched, Endpoint: "jwks", URL: r.address()})
	set, err := r.download(ctx)
	now := r.config.Now()
	changed := false
	if err == nil {
		err = r.doubt(set, now)
	}
	if err == nil {
		changed = r.install(set, f.began, now)
	}
	end(r.fetched(err, changed))
	if changed {
		r.tellUnusable(ctx)
	}
	r.mu.Lock()
	r.running, r.lastAttempt, r.lastErr, f.ended = nil, now, err, now
	if r.failures++; err == nil {
		r.failures = 0
	}
	r.strangers.Store(0)
	r.mu.Unlock()
	close(f.done)
}

// doubt says why a fetched set is not believed: an empty one may be a mistake of the moment, and
// would refuse everybody. Only the one running fetch calls it.
func (r *Remote) doubt(set *jose.Set, now time.Time) error {
	if set.Len() > 0 {
		r.emptySince = time.Time{}
		return nil
	}
	if r.emptySince.IsZero() {
		r.emptySince = now
	}
	if known := r.known(); known == 0 || elapsed(r.emptySince, now) >= emptyFor {
		return nil
	}
	return fmt.Errorf("the provider's key set has no usable key; it counts when it is seen so for %s", emptyFor)
}

// fetched is the event of a fetch.
func (r *Remote) fetched(err error, changed bool) observe.Event {
	e := observe.Event{Level: slog.LevelDebug, Details: []slog.Attr{slog.Int("keys", r.known())}}
	switch {
	case err != nil:
		e.Level, e.Reason, e.Err = slog.LevelWarn, oauth.ReasonProviderUnavailable, err
		e.Message = "the provider's keys could not be fetched; known keys stay in use"
	case changed:
		e.Level, e.Message = slog.LevelInfo, "the provider's key set is new"
	}
	return e
}

// install makes a fetched set the current one, and reports whether it is another than before. Only
// the one running fetch calls it.
func (r *Remote) install(set *jose.Set, asked, now time.Time) (changed bool) {
	changed = true
	if old := r.current.Load(); old != nil {
		set, changed = set.Renew(old.set)
	}
	r.current.Store(&snapshot{set: set, asked: asked, confirmed: now})
	return changed
}

// tellUnusable tells the operator which keys of the current set are ignored.
func (r *Remote) tellUnusable(ctx context.Context) {
	for _, problem := range r.current.Load().set.Unusable() {
		level := slog.LevelWarn
		if errors.Is(problem, jose.ErrForEncryption) {
			level = slog.LevelDebug // as it should be: nothing is signed with it
		}
		r.config.Events.Observe(ctx, observe.Event{
			Kind: observe.Notice, Level: level, Message: "a key of the provider's set is ignored",
			Endpoint: "jwks", URL: events.PlainURL(r.address()), Err: problem,
		})
	}
}
