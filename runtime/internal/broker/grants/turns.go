package grants

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

const (
	// refreshWait is how long a second caller waits for the first.
	refreshWait = upstream.Timeout
	// maxWaiting is how many refreshes of one login may be under way or wait for their turn here.
	maxWaiting = 32
	// firstLook and longestLook are between two looks at a login that another replica refreshes.
	// Each is twice as long as the one before.
	firstLook, longestLook = 20 * time.Millisecond, 200 * time.Millisecond
)

// turns let the refreshes of each login through one at a time, as far as this process reaches.
type turns struct {
	mu     sync.Mutex
	queues map[tickets.ID]*queue
}

// queue are the refreshes of one login that are under way or wait.
type queue struct {
	taken int
	turn  chan struct{} // has room for the one whose turn it is
}

func newTurns() *turns { return &turns{queues: map[tickets.ID]*queue{}} }

// join counts one in; it returns nil where there is no room. The caller that is in calls leave.
func (t *turns) join(login tickets.ID) *queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	q, ok := t.queues[login]
	switch {
	case !ok:
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[login] = q
	case q.taken >= maxWaiting:
		return nil
	}
	q.taken++
	return q
}

func (t *turns) leave(login tickets.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q := t.queues[login]; q.taken > 1 {
		q.taken--
		return
	}
	delete(t.queues, login)
}

// queued calls do when it is the caller's turn among those of this process, of those whose clients
// are still there.
func (f families) queued(
	ctx context.Context, login tickets.ID, do func(waiting context.Context) (oauth.TokenResponse, *oauth.Error),
) (oauth.TokenResponse, *oauth.Error) {
	q := f.turns.join(login)
	if q == nil {
		return oauth.TokenResponse{}, refusal.Surplus(refreshWait/2, errors.New("as many refreshes of the login wait as may"))
	}
	defer f.turns.leave(login)
	waiting, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	select {
	case q.turn <- struct{}{}:
	case <-waiting.Done():
		return oauth.TokenResponse{}, waitedTooLong(waiting)
	}
	defer func() { <-q.turn }()
	return do(waiting)
}

// waitedTooLong is the refusal of one whose turn did not come before ctx ended.
func waitedTooLong(ctx context.Context) *oauth.Error {
	cause := errors.New("another refresh of the login is under way for long")
	if errors.Is(ctx.Err(), context.Canceled) {
		cause = errors.New("the client went away while another refresh of its login was under way")
	}
	return refusal.RetryLater(oauth.ReasonUpstreamUnavailable, 0, cause)
}

// await begins a turn as soon as no other replica has one, while ctx lasts. The call to the store
// outlives it: a lock that nobody knows to have would have to run out.
func (f families) await(ctx context.Context, t *turn) (*oauth.TokenResponse, *oauth.Error) {
	for pause := firstLook; ; pause = min(2*pause, longestLook) {
		answer, held, refused := f.begin(context.WithoutCancel(ctx), t)
		if answer != nil || held || refused != nil {
			return answer, refused
		}
		if !rest(ctx, pause/2+rand.N(pause)) { //nolint:gosec // it spreads looks, and keeps no secret
			return nil, waitedTooLong(ctx)
		}
	}
}
