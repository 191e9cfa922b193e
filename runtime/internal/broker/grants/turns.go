package grants

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

const (
	// refreshLease is how long one refresh may hold its family's lock: longer than its exchanges
	// with the provider.
	refreshLease = 2*upstream.Timeout + 10*time.Second
	// refreshWait is how long a second caller waits for the first.
	refreshWait = upstream.Timeout
	// maxWaiting is how many refreshes of one login may be under way or wait for their turn here.
	maxWaiting = 32
)

// turns count the refreshes of each login that are under way or wait.
type turns struct {
	mu    sync.Mutex
	taken map[tickets.ID]int
}

// join counts one in; it reports whether there was room. The caller that is in calls leave.
func (t *turns) join(login tickets.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken[login] >= maxWaiting {
		return false
	}
	t.taken[login]++
	return true
}

func (t *turns) leave(login tickets.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken[login]--; t.taken[login] == 0 {
		delete(t.taken, login)
	}
}

// lock lets one refresh of a family through at a time, of those whose clients are still there. The
// function ends its turn.
func (f families) lock(ctx context.Context, family tickets.ID) (func(), *oauth.Error) {
	if !f.turns.join(family) {
		return nil, refusal.Surplus(refreshWait/2, errors.New("as many refreshes of the login wait as may"))
	}
	waiting, cancel := context.WithTimeout(ctx, refreshWait)
	defer cancel()
	lease, err := f.entries.Store.Lock(waiting, f.entries.Key("refreshing", family), refreshLease)
	if err != nil {
		f.turns.leave(family)
		if ctx.Err() != nil {
			return nil, refusal.RetryLater(oauth.ReasonUpstreamUnavailable, 0,
				errors.New("the client went away while another refresh of its login was under way"))
		}
		return nil, refusal.StoreFailed(err)
	}
	return func() {
		defer f.turns.leave(family)
		ctx := context.WithoutCancel(ctx)
		if err := lease.Release(ctx); err != nil {
			storeNotice(ctx, f.events, "a lock was not released and runs out by itself", err)
		}
	}, nil
}
