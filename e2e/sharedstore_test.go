package e2e

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redistest"
)

// TestWhatTwoServersShare holds docs/replicas.md to its word: two servers with one store, which are
// killed, as the store is.
// covers: T-STO-04, T-STO-05
func TestWhatTwoServersShare(t *testing.T) {
	ctx := testContext(t)
	store := redistest.Start(t)
	resource := newReplicas(ctx, t, replicated()["google"], "--store", store.URL())
	first, second := at(t, resource, 0), at(t, resource, 1)
	// status is what a server answers to a request with the login's access token.
	status := func(l *stepLogin, way *http.Client) int {
		l.client.http = way
		_, got := l.client.call(ctx, l.tokens.AccessToken)
		return got
	}
	refresh := func(l *stepLogin, way *http.Client, token string) reply {
		l.client.http = way
		return l.client.tryRefresh(ctx, token)
	}

	t.Run("what was revoked at one ends at both, also after all were killed", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "code exchange")
		for _, way := range []*http.Client{first, second} {
			if got := status(l, way); got != http.StatusOK {
				t.Fatalf("before: %d", got)
			}
		}
		l.client.http = first
		l.client.revoke(ctx, l.tokens.AccessToken, "access_token")
		if got := status(l, first); got != http.StatusUnauthorized {
			t.Errorf("where it was revoked: %d", got)
		}
		time.Sleep(time.Second) // which is how long the other may rely on what it knew
		if got := status(l, second); got != http.StatusUnauthorized {
			t.Errorf("elsewhere, a second later: %d", got)
		}
		if err := resource.Crash(ctx); err != nil {
			t.Fatal(err)
		}
		for _, way := range []*http.Client{first, second} {
			waitUntil(ctx, t, func() bool { return status(l, way) != http.StatusServiceUnavailable }, "the servers do not reach their store")
			if got := status(l, way); got != http.StatusUnauthorized {
				t.Errorf("after all were killed: %d", got)
			}
		}
	})
	t.Run("a code's second use elsewhere ends the login", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "callback")
		code, _ := l.client.code(l.attempt, l.page.URL.String())
		l.client.http = first
		l.tokens = l.client.redeem(ctx, l.attempt, code)
		l.client.http = second
		if again := l.client.tryRedeem(ctx, l.attempt, code); again.Error != "invalid_grant" {
			t.Errorf("the second use: %d %s", again.status, again.Error)
		}
		if got := status(l, first); got != http.StatusUnauthorized {
			t.Errorf("the first one's token: %d", got)
		}
	})
	t.Run("refreshes at both at once get one answer", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "code exchange")
		answers := make([]reply, 2)
		var both sync.WaitGroup
		for i, way := range []*http.Client{first, second} {
			own := *l.client
			own.http = way
			both.Go(func() { answers[i] = own.tryRefresh(ctx, l.tokens.RefreshToken) })
		}
		both.Wait()
		if answers[0].status != http.StatusOK || answers[0].RefreshToken != answers[1].RefreshToken {
			t.Errorf("answers %d and %d, one for both: %t", answers[0].status, answers[1].status, answers[0].RefreshToken == answers[1].RefreshToken)
		}
	})
	t.Run("while the store is away, known tokens go on and all else waits", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "code exchange")
		if got := status(l, first); got != http.StatusOK {
			t.Fatalf("before: %d", got)
		}
		for name, away := range map[string]func() (back func()){
			"paused": func() func() {
				store.Do("CLIENT", "PAUSE", "8000")
				return func() {} // it ends by itself
			},
			"killed": func() func() {
				store.Kill()
				return store.Run
			},
		} {
			back := away()
			time.Sleep(time.Second) // beyond the moment in which nobody asks
			if got := status(l, first); got != http.StatusOK {
				t.Errorf("%s: a known token: %d", name, got)
			}
			if r := refresh(l, second, l.tokens.RefreshToken); r.status != http.StatusServiceUnavailable || r.Error != "temporarily_unavailable" {
				t.Errorf("%s: a refresh: %d %s", name, r.status, r.Error)
			}
			back()
			var r reply
			waitUntil(ctx, t, func() bool {
				r = refresh(l, second, l.tokens.RefreshToken)
				return r.status != http.StatusServiceUnavailable
			}, "it does not recover")
			if r.status != http.StatusOK {
				t.Fatalf("%s: the refresh after it is back: %d %s", name, r.status, r.Error)
			}
			l.tokens = r
			if got := status(l, first); got != http.StatusOK {
				t.Errorf("%s: the new token after it is back: %d", name, got)
			}
		}
	})
}
