package grants

import (
	"context"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// waiting is how many refreshes of all logins are under way or wait.
func (t *turns) waiting() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, q := range t.queues {
		n += q.taken
	}
	return n
}

// Refreshes of one login wait for each other, no more than some, and go when their clients do.
func TestRefreshesThatWaitGoWithTheirClients(t *testing.T) { //nolint:tparallel // its steps share a world
	t.Parallel()
	g, provider := newGrants(t)
	tokens, refused := redeem(t, g, newCode(g))
	if refused != nil {
		t.Fatal(refused)
	}
	first, key, _, err := g.tickets.Refresh.OpenUnder(tokens.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	another := g.families.turn(first, key) // of another replica
	if _, held, refused := g.families.begin(t.Context(), another); !held || refused != nil {
		t.Fatal(refused)
	}
	form := ask(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}})
	grant, refused := g.Find("refresh_token")
	if refused != nil {
		t.Fatal(refused)
	}
	clients, leave := context.WithCancel(t.Context())
	defer leave()
	var storm sync.WaitGroup
	for range maxWaiting {
		storm.Go(func() {
			if _, refused := grant.Give(clients, form); refused == nil || refused.Reason != oauth.ReasonUpstreamUnavailable {
				t.Errorf("a refresh whose client is gone: %v", refused)
			}
		})
	}
	for g.families.turns.waiting() < maxWaiting {
		runtime.Gosched()
	}
	t.Run("A9: those that wait are capped", func(t *testing.T) {
		if _, refused := grant.Give(t.Context(), form); refused == nil || refused.Status != http.StatusTooManyRequests {
			t.Errorf("one more waits: %v", refused)
		}
	})
	t.Run("A9: they are gone with their clients", func(t *testing.T) {
		leave()
		storm.Wait()
		if n := g.families.turns.waiting(); n != 0 || provider.n != 1 {
			t.Errorf("%d still wait, the provider was asked %d times", n, provider.n)
		}
	})
	g.families.end(t.Context(), another)
	if _, refused := refresh(t, g, tokens.RefreshToken); refused != nil {
		t.Errorf("the login: %v", refused)
	}
}

// A request that is refused before it reaches the provider uses nothing up.
func TestASurplusUsesNothingUp(t *testing.T) {
	t.Parallel()
	full := &upstream.Error{Kind: upstream.KindSurplus, RetryAfter: 7 * time.Second}
	surplus := func(t *testing.T, refused *oauth.Error) {
		t.Helper()
		if refused == nil || refused.Status != http.StatusTooManyRequests || refused.Code != oauth.CodeTemporarilyUnavailable ||
			refused.RetryAfter != 7*time.Second {
			t.Errorf("got %+v", refused)
		}
	}
	for name, fail := range map[string]func(p *fakeProvider, err error){
		"A1: before":      func(p *fakeProvider, err error) { p.full = err },
		"A1: at the gate": func(p *fakeProvider, err error) { p.fails = err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, provider := newGrants(t)
			code := newCode(g)
			fail(provider, full)
			_, refused := redeem(t, g, code)
			surplus(t, refused)
			fail(provider, nil)
			tokens, refused := redeem(t, g, code)
			if refused != nil {
				t.Fatalf("the code was used up: %v", refused)
			}
			fail(provider, full)
			_, refused = refresh(t, g, tokens.RefreshToken)
			surplus(t, refused)
			fail(provider, nil)
			if _, refused = refresh(t, g, tokens.RefreshToken); refused != nil {
				t.Fatalf("the refresh token was used up: %v", refused)
			}
		})
	}
}
