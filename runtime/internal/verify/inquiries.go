package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The limits of asking a provider about tokens, where a configuration says nothing.
const (
	DefaultAnswerTimeout = 5 * time.Second
	DefaultMaxConcurrent = 32
)

// queueFactor times the concurrent questions is how many may be under way or waiting.
const queueFactor = 8

// inquiries asks a provider about tokens: once for all who want to know the same at the same time,
// with a bound on questions at once, and not while the provider wants to be left alone. A quarter
// of that bound is for tokens that were good before: everybody can make up others, and must not
// keep their callers out. It has no goroutine but those of the questions under way, each of which
// ends when nobody waits for it any more: package flight lets work go on that nobody waits for,
// which strangers could fill the bound with.
type inquiries struct {
	question func(ctx context.Context, token string) (*answer, error)
	timeout  time.Duration
	slots    chan struct{}
	// strange are the slots that questions about tokens may have which were never good.
	strange chan struct{}
	now     func() time.Time
	// strangers bounds the questions about tokens that were never good.
	strangers strangers

	mu          sync.Mutex
	open        int // questions under way or waiting
	openStrange int // those of them about tokens that were never good
	flights     map[tokenKey]*flight
	pausedUntil time.Time
	pausedBy    *oauth.Error
}

// flight is one question under way. done is closed when answer and err are in place.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int
	answer  *answer
	err     error
}

func newInquiries(
	question func(ctx context.Context, token string) (*answer, error),
	timeout time.Duration, concurrent int, limits InquiryLimits, now func() time.Time,
) (*inquiries, error) {
	if timeout < 0 || concurrent < 0 {
		return nil, errors.New("a limit is negative; zero means its default")
	}
	if timeout == 0 {
		timeout = DefaultAnswerTimeout
	}
	if concurrent == 0 {
		concurrent = DefaultMaxConcurrent
	}
	return &inquiries{
		question: question, timeout: timeout, slots: make(chan struct{}, concurrent),
		strange: make(chan struct{}, strangersShare(concurrent)), now: now, flights: make(map[tokenKey]*flight),
		strangers: newStrangers(limits),
	}, nil
}

// strangersShare is how much of a bound is for tokens that were never good: three quarters.
func strangersShare(bound int) int { return max(1, bound-bound/4) }

// ask returns the answer to the question about a token, joining the one under way if there is one.
// It waits no longer than ctx lasts.
func (q *inquiries) ask(ctx context.Context, key tokenKey, token string, who asker) (*answer, error) {
	f, err := q.join(key, token, who)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return f.answer, f.err
	case <-ctx.Done():
		q.leave(key, f)
		return nil, givenUp(ctx)
	}
}

func (q *inquiries) join(key tokenKey, token string, who asker) (*flight, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if f := q.flights[key]; f != nil {
		f.waiters++
		return f, nil
	}
	if err := q.enter(who.familiar); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.timeout)
	f := &flight{done: make(chan struct{}), cancel: cancel, waiters: 1}
	q.flights[key] = f
	go q.run(ctx, f, key, token, who)
	return f, nil
}

// enter counts a question in. The caller holds the lock.
func (q *inquiries) enter(familiar bool) error {
	most := queueFactor * cap(q.slots)
	if q.open >= most || !familiar && q.openStrange >= strangersShare(most) {
		return oauth.Unavailable(defaultRetry, fmt.Errorf(
			"%d questions about tokens are under way or waiting, no more are taken", q.open))
	}
	q.count(1, familiar)
	return nil
}

// count counts a question in or out. The caller holds the lock.
func (q *inquiries) count(n int, familiar bool) {
	q.open += n
	if !familiar {
		q.openStrange += n
	}
}

// leave ends a question when the last one who waited for it has gone.
func (q *inquiries) leave(key tokenKey, f *flight) {
	q.mu.Lock()
	defer q.mu.Unlock()
	f.waiters--
	if f.waiters == 0 {
		q.drop(key, f)
		f.cancel()
	}
}

// drop makes room for a new question about the token. The caller holds the lock.
func (q *inquiries) drop(key tokenKey, f *flight) {
	if q.flights[key] == f {
		delete(q.flights, key)
	}
}

func (q *inquiries) run(ctx context.Context, f *flight, key tokenKey, token string, who asker) {
	defer f.cancel()
	f.answer, f.err = q.askNow(ctx, token, who)
	q.mu.Lock()
	q.drop(key, f)
	q.count(-1, who.familiar)
	q.mu.Unlock()
	close(f.done)
}

// askAnew asks even if the same question is under way: its answer is from now. It is for tokens
// that the provider gave to this very server, which count as good.
func (q *inquiries) askAnew(ctx context.Context, token string) (*answer, error) {
	q.mu.Lock()
	err := q.enter(true)
	q.mu.Unlock()
	if err != nil {
		return nil, err
	}
	defer func() {
		q.mu.Lock()
		q.count(-1, true)
		q.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	return q.askNow(ctx, token, asker{familiar: true})
}

// askNow waits for a slot and asks.
func (q *inquiries) askNow(ctx context.Context, token string, who asker) (*answer, error) {
	return q.within(ctx, who, func(ctx context.Context) (*answer, error) { return q.question(ctx, token) })
}

// within waits for a slot and asks a question.
func (q *inquiries) within(
	ctx context.Context, who asker, question func(context.Context) (*answer, error),
) (_ *answer, err error) {
	if !who.familiar {
		if err := take(ctx, q.strange); err != nil {
			return nil, err
		}
		defer func() { <-q.strange }()
	}
	if err := take(ctx, q.slots); err != nil {
		return nil, err
	}
	defer func() { <-q.slots }()
	if err := q.paused(); err != nil {
		return nil, err
	}
	defer func() {
		// A question has a goroutine of its own, where a panic of a client would end the process.
		if p := recover(); p != nil {
			err = fmt.Errorf("asking the provider about a token panicked: %T", p) // the value may hold the token
		}
	}()
	if err := q.strangers.admit(who, q.now()); err != nil {
		return nil, err
	}
	a, err := question(ctx)
	q.strangers.spend(ctx, who, err, q.now())
	q.pauseAfter(err)
	return a, err
}

// take takes a slot, for as long as ctx lasts.
func take(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return oauth.Unavailable(defaultRetry, fmt.Errorf(
			"%d questions about tokens are under way, none ended in time: %w", cap(slots), context.Cause(ctx)))
	}
}

// pauseAfter leaves the provider alone if the outage says so.
func (q *inquiries) pauseAfter(err error) {
	var rest *backOffError
	var e *oauth.Error
	if !errors.As(err, &rest) || !errors.As(err, &e) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if until := q.now().Add(rest.pause); until.After(q.pausedUntil) {
		q.pausedUntil, q.pausedBy = until, e
	}
}

// paused is the answer while the provider is left alone.
func (q *inquiries) paused() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.pausedUntil.Sub(q.now())
	if left <= 0 || left > maxPause { // more than maxPause: the clock was set back
		return nil
	}
	e := oauth.Unavailable(max(left, defaultRetry), fmt.Errorf("the provider is not asked for another %s: %w", left, q.pausedBy.Cause))
	e.Reason = q.pausedBy.Reason
	return e
}

func givenUp(ctx context.Context) error {
	return oauth.Unavailable(defaultRetry, fmt.Errorf("waiting for the provider's answer about a token: %w", context.Cause(ctx)))
}
