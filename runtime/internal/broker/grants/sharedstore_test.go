package grants

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// testKeys are sealing keys, newest first.
func testKeys(newest int) []oauth.Secret {
	all := []oauth.Secret{
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=", "AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICE=",
	}
	keys := make([]oauth.Secret, 0, newest)
	for i := newest - 1; i >= 0; i-- {
		keys = append(keys, all[i])
	}
	return keys
}

// replica is one of several with a store, and the given number of sealing keys.
func replica(t *testing.T, shared store.Store, keys int, changes ...func(*Config)) (*Grants, *fakeProvider) {
	t.Helper()
	return newGrants(t, append([]func(*Config){func(c *Config) {
		ring, err := seal.NewRing(seal.Config{Keys: testKeys(keys)})
		if err != nil {
			t.Fatal(err)
		}
		c.Tickets = tickets.New(ring, seal.Binding{Resource: testResource}, tickets.ID{}, c.Now)
		c.Entries = Entries{Store: shared, Names: ring.Names(seal.Binding{Resource: testResource})}
	}}, changes...)...)
}

func newMemory() *store.Memory { return store.NewMemory(store.MemoryConfig{}) }

// A revocation is found for as long as the tokens open that it is about.
// covers: T-STO-02
func TestARevocationOutlivesTheRotationOfKeys(t *testing.T) {
	t.Parallel()
	shared := newMemory()
	first, _ := replica(t, shared, 1)
	old, refused := redeem(t, first, newCode(first))
	if refused != nil {
		t.Fatal(refused)
	}
	second, _ := replica(t, shared, 2)
	renewed, refused := refresh(t, second, old.RefreshToken)
	if refused != nil {
		t.Fatal(refused)
	}
	for _, token := range []string{old.AccessToken, renewed.AccessToken} {
		if _, err := second.VerifyAccessToken(t.Context(), token, testResource); err != nil {
			t.Fatal(err)
		}
	}
	if refused := second.Revoke(t.Context(), revocation(t, renewed.RefreshToken), nil); refused != nil {
		t.Fatal(refused)
	}
	third, _ := replica(t, shared, 3)
	for name, token := range map[string]string{"before": old.AccessToken, "after": renewed.AccessToken} {
		if _, err := third.VerifyAccessToken(t.Context(), token, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
			t.Errorf("the access token of %s the first rotation counts: %v", name, err)
		}
	}
	if _, refused := refresh(t, third, renewed.RefreshToken); refused == nil || refused.Reason != oauth.ReasonRevoked {
		t.Errorf("the refresh token: %v", refused)
	}
}

// A replay is noticed by the key that sealed the token, whichever sealed its successors.
func TestAReplayIsNoticedAcrossTheRotationOfKeys(t *testing.T) {
	t.Parallel()
	shared := newMemory()
	first, _ := replica(t, shared, 1)
	old, refused := redeem(t, first, newCode(first))
	if refused != nil {
		t.Fatal(refused)
	}
	second, _ := replica(t, shared, 2)
	current, refused := refresh(t, second, old.RefreshToken)
	if refused != nil {
		t.Fatal(refused)
	}
	dropAnswers(t, second, old.RefreshToken)
	if current, refused = refresh(t, second, current.RefreshToken); refused != nil {
		t.Fatal(refused)
	}
	if _, refused := refresh(t, second, old.RefreshToken); refused == nil || refused.Reason != oauth.ReasonRefreshTokenReused {
		t.Errorf("the replay: %v", refused)
	}
	if _, refused := refresh(t, second, current.RefreshToken); refused == nil || refused.Reason != oauth.ReasonRevoked {
		t.Errorf("the current token after the replay: %v", refused)
	}
}

// dropAnswers ends the time in which the answer to a refresh is repeated.
func dropAnswers(t *testing.T, g *Grants, token string) {
	t.Helper()
	r, key, _, err := g.tickets.Refresh.OpenUnder(token)
	if err != nil {
		t.Fatal(err)
	}
	turn := g.families.turn(r, key)
	outcome, err := g.families.entries.do(t.Context(), turn.shelf.step([]string{turn.answer}))
	if err != nil || outcome.Values[0] == nil {
		t.Fatalf("no answer is kept: %v", err)
	}
	if _, err := g.families.entries.do(t.Context(), turn.shelf.step(nil, store.Swap{Key: turn.answer, Previous: outcome.Values[0]})); err != nil {
		t.Fatal(err)
	}
}

// A replica that dies in the middle of a refresh blocks its login for as long as its lock lasts.
// covers: T-STO-05
func TestAReplicaThatDiesInTheMiddleCostsItsLoginOneWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		g, provider := replica(t, shared, 1)
		tokens, refused := redeem(t, g, newCode(g))
		if refused != nil {
			t.Fatal(refused)
		}
		r, key, _, err := g.tickets.Refresh.OpenUnder(tokens.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		if _, held, refused := g.families.begin(t.Context(), g.families.turn(r, key)); !held {
			t.Fatal(refused)
		}
		start, asked := time.Now(), provider.n
		if _, refused := refresh(t, g, tokens.RefreshToken); refused != nil {
			t.Fatalf("the next refresh: %v", refused)
		}
		if took := time.Since(start); took < lockLease-longestLook || took > lockLease+2*longestLook || provider.n != asked+1 {
			t.Errorf("it took %v, with %d questions to the provider", took, provider.n-asked)
		}
	})
}

// A lock is renewed while the provider takes its time, so that no other replica comes in between.
func TestALockLastsAsLongAsTheWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		slow := func(c *Config) {
			verify := c.Verify
			c.Verify = func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
				time.Sleep(2*lockLease + time.Second)
				return verify(ctx, token, resource)
			}
		}
		here, provider := replica(t, shared, 1, slow)
		there, other := replica(t, shared, 1, slow)
		tokens, refused := redeem(t, here, newCode(here))
		if refused != nil {
			t.Fatal(refused)
		}
		asked := provider.n
		answers := make([]oauth.TokenResponse, 2)
		var both sync.WaitGroup
		for i, g := range []*Grants{here, there} {
			both.Go(func() {
				var refused *oauth.Error
				if answers[i], refused = refresh(t, g, tokens.RefreshToken); refused != nil {
					t.Error(refused)
				}
			})
		}
		both.Wait()
		if n := provider.n - asked + other.n; n != 1 || answers[0] != answers[1] {
			t.Errorf("the provider was asked %d times, one answer for both: %v", n, answers[0] == answers[1])
		}
	})
}

// failing is a store that fails while it is told to, and counts calls.
type failing struct {
	store.Store

	calls atomic.Int32
	// fails is asked before each call, with its number.
	fails atomic.Pointer[func(call int32) bool]
	// late fails after the call, of which nobody hears then.
	late bool
}

var errDown = errors.New("the store is down")

func (s *failing) Do(ctx context.Context, steps ...store.Step) ([]store.Outcome, error) {
	call := s.calls.Add(1)
	fails := s.fails.Load()
	if fails == nil || !(*fails)(call) {
		return s.Store.Do(ctx, steps...)
	}
	if s.late {
		_, _ = s.Store.Do(ctx, steps...)
	}
	return nil, errDown
}

func (s *failing) failFrom(first, last int32) {
	base := s.calls.Load()
	fails := func(call int32) bool { return call >= base+first && call <= base+last }
	s.fails.Store(&fails)
}

// The result of a request to the provider is offered to a store that fails until it takes it, also
// where it took it and nobody heard.
func TestAStoreThatFailsInTheMiddleLosesNoTokens(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"the store does nothing": false, "nobody hears what it did": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				shared := &failing{Store: newMemory(), late: late}
				g, provider := replica(t, shared, 1)
				shared.failFrom(2, 5)
				tokens, refused := redeem(t, g, newCode(g))
				if refused != nil {
					t.Fatalf("the code: %v", refused)
				}
				shared.failFrom(2, 5)
				next, refused := refresh(t, g, tokens.RefreshToken)
				if refused != nil || provider.n != 2 {
					t.Fatalf("the refresh: %v, %d questions to the provider", refused, provider.n)
				}
				if _, refused := refresh(t, g, next.RefreshToken); refused != nil {
					t.Errorf("the next refresh: %v", refused)
				}
			})
		})
	}
}

// covers: T-STO-03
func TestAStoreThatStaysAwayIsNotWaitedForForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &failing{Store: newMemory()}
		g, _ := replica(t, shared, 1)
		tokens, refused := redeem(t, g, newCode(g))
		if refused != nil {
			t.Fatal(refused)
		}
		shared.failFrom(2, 1<<30)
		start := time.Now()
		_, refused = refresh(t, g, tokens.RefreshToken)
		if refused == nil || refused.Reason != oauth.ReasonStoreUnavailable || refused.RetryAfter <= 0 {
			t.Errorf("got %v", refused)
		}
		if took := time.Since(start); took > persistFor+longestPause {
			t.Errorf("it took %v", took)
		}
	})
}

// Round trips are what a shared store costs.
func TestHowOftenTheStoreIsAsked(t *testing.T) {
	t.Parallel()
	shared := &failing{Store: newMemory()}
	g, _ := replica(t, shared, 1, func(c *Config) { c.Options.RevocationMemory, c.Options.StoreGrace = time.Second, time.Minute })
	var tokens oauth.TokenResponse
	asks := func(want int32, what string, do func() *oauth.Error) {
		t.Helper()
		before := shared.calls.Load()
		if refused := do(); refused != nil {
			t.Fatalf("%s: %v", what, refused)
		}
		if got := shared.calls.Load() - before; got != want {
			t.Errorf("%s asks the store %d times, want %d", what, got, want)
		}
	}
	verify := func() *oauth.Error {
		_, err := g.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
		if err != nil {
			return oauth.AsError(err)
		}
		return nil
	}
	asks(2, "a code", func() (refused *oauth.Error) {
		tokens, refused = redeem(t, g, newCode(g))
		return refused
	})
	asks(1, "a token that was not seen before", verify)
	asks(0, "a known token", verify)
	old := tokens
	asks(2, "a refresh", func() (refused *oauth.Error) {
		tokens, refused = refresh(t, g, tokens.RefreshToken)
		return refused
	})
	asks(2, "an immediate retry", func() *oauth.Error {
		_, refused := refresh(t, g, old.RefreshToken)
		return refused
	})
	asks(1, "a revocation", func() *oauth.Error { return g.Revoke(t.Context(), revocation(t, tokens.RefreshToken), nil) })
	if refused := verify(); refused == nil || refused.Code != oauth.CodeInvalidToken {
		t.Errorf("after the revocation: %v", refused)
	}
}

// revocation is the request of the test's client to revoke a token.
func revocation(t *testing.T, token string) Request {
	t.Helper()
	return ask(t, map[string][]string{"token": {token}})
}

// A code whose provider was full is given back and exchanged once.
func TestACodeThatNobodyRedeemedIsGivenBack(t *testing.T) {
	t.Parallel()
	g, provider := replica(t, newMemory(), 1)
	provider.fails = &upstream.Error{Kind: upstream.KindUnavailable}
	code := newCode(g)
	for range 2 {
		if _, refused := redeem(t, g, code); refused == nil || refused.Reason == oauth.ReasonCodeUsed {
			t.Fatalf("got %v", refused)
		}
	}
	provider.fails = nil
	if _, refused := redeem(t, g, code); refused != nil {
		t.Error(refused)
	}
}
