package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pace is the time between two requests of one caller, from start to start: enough for a fault to
// hit many, and little enough that the load is no fault of its own.
const pace = 100 * time.Millisecond

// patience is how long a caller waits for an answer. Longer is a hang.
const patience = 30 * time.Second

// A request got one of these where it got no status.
const (
	// Refused: nobody listened, so nobody saw the request.
	Refused = "connection refused"
	// Cut: the connection ended before the answer did.
	Cut = "connection cut"
	// Hang: no answer within 30 seconds.
	Hang = "no answer"
	// NoRetryAfter: 503 that does not say when to come again.
	NoRetryAfter = "503 without Retry-After"
	// Unready: the caller did not even get a token.
	Unready = "no token"
)

// Outcomes are what the callers of one kind got in one phase.
type Outcomes struct {
	Phase   string `json:"phase"`
	Callers string `json:"callers"`
	// Answers counts statuses, and the constants above.
	Answers map[string]int `json:"answers"`
	// Longest is the longest time between a request and its answer.
	Longest time.Duration `json:"longest_ns"`
	// Problem is one of the errors behind what was no status.
	Problem string `json:"problem,omitempty"`
}

// Prepare makes a caller's next request. The time that it takes does not count.
type Prepare func(ctx context.Context) (*http.Request, error)

// Traffic is callers who ask again and again, and what they got, by phase and kind of caller. A
// request belongs to the phase that it began in.
type Traffic struct {
	client *http.Client
	group  sync.WaitGroup
	stop   context.CancelFunc
	ended  context.Context //nolint:containedctx // the callers' life, which is the traffic's own

	mu       sync.Mutex
	phase    string
	outcomes []*Outcomes
	callers  []*atomic.Int64 // how often each has asked
}

// NewTraffic starts without callers, in a phase. It ends with ctx, or Stop.
func NewTraffic(ctx context.Context, phase string) *Traffic {
	ctx, stop := context.WithCancel(ctx)
	return &Traffic{
		client: &http.Client{
			Timeout:       patience,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 100, ExpectContinueTimeout: patience},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		stop: stop, ended: ctx, phase: phase,
	}
}

// Add adds a caller of a kind.
func (t *Traffic) Add(callers string, prepare Prepare) {
	asked := new(atomic.Int64)
	t.mu.Lock()
	t.callers = append(t.callers, asked)
	t.mu.Unlock()
	t.group.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for {
			t.Ask(t.ended, callers, prepare)
			asked.Add(1)
			select {
			case <-t.ended.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// Phase begins a phase.
func (t *Traffic) Phase(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase = name
}

// Rounds returns when every caller has asked n times from now on.
func (t *Traffic) Rounds(ctx context.Context, n int64) error {
	t.mu.Lock()
	callers := slices.Clone(t.callers)
	t.mu.Unlock()
	goal := make([]int64, len(callers))
	for i, asked := range callers {
		goal[i] = asked.Load() + n + 1 // one may be under way
	}
	return Until(ctx, func() bool {
		for i, asked := range callers {
			if asked.Load() < goal[i] {
				return false
			}
		}
		return true
	})
}

// Until returns when a condition holds, or ctx is over.
func Until(ctx context.Context, condition func() bool) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// Stop ends the callers and returns what all got, in the order of first answers.
func (t *Traffic) Stop() []Outcomes {
	t.stop()
	t.group.Wait()
	t.client.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []Outcomes
	for _, o := range t.outcomes {
		all = append(all, *o)
	}
	return all
}

// Ask asks once, as a caller of a kind, and returns what it counted. It is for callers who do not
// come again.
func (t *Traffic) Ask(ctx context.Context, callers string, prepare Prepare) string {
	request, err := prepare(ctx)
	t.mu.Lock()
	phase := t.phase
	t.mu.Unlock()
	var answer string
	began := time.Now()
	if err != nil {
		answer = Unready
	} else {
		answer, err = t.send(request)
	}
	if ctx.Err() != nil {
		return "" // the traffic's end, not the server's answer
	}
	t.count(phase, callers, answer, time.Since(began), err)
	return answer
}

// Count counts what a caller got otherwise, such as at the authorization server.
func (t *Traffic) Count(callers, answer string, took time.Duration) {
	t.mu.Lock()
	phase := t.phase
	t.mu.Unlock()
	t.count(phase, callers, answer, took, nil)
}

func (t *Traffic) count(phase, callers, answer string, took time.Duration, problem error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.outcomes, func(o *Outcomes) bool { return o.Phase == phase && o.Callers == callers })
	if at < 0 {
		at = len(t.outcomes)
		t.outcomes = append(t.outcomes, &Outcomes{Phase: phase, Callers: callers, Answers: map[string]int{}})
	}
	o := t.outcomes[at]
	o.Answers[answer]++
	o.Longest = max(o.Longest, took)
	if problem != nil && o.Problem == "" {
		o.Problem = problem.Error()
	}
}

// send sends a request and reads the whole answer.
func (t *Traffic) send(request *http.Request) (string, error) {
	var reused, answered atomic.Bool
	trace := &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { reused.Store(info.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	}
	response, err := t.client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if err != nil {
		return failure(err, !reused.Load() && !answered.Load()), err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return failure(err, false), err
	}
	if response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == "" {
		return NoRetryAfter, nil
	}
	return strconv.Itoa(response.StatusCode), nil
}

// failure names an error. A new connection that is reset without any answer was in the kernel's
// queue when the listener closed: no program has seen its request.
func failure(err error, unseen bool) string {
	var timeout interface{ Timeout() bool }
	var operation *net.OpError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return Hang
	case errors.As(err, &operation) && operation.Op == "dial",
		unseen && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		return Refused
	default:
		return Cut
	}
}
