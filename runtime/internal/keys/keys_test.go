package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/keys"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// The tests below run in synctest bubbles: time.Sleep moves the bubble's clock and takes no time,
// and a bubble does not end before every goroutine in it has, so that each of these tests is a
// check for leaks too.

// provider is an http.RoundTripper that answers for a provider.
type provider struct {
	mu      sync.Mutex
	body    []byte
	status  int
	header  http.Header
	err     error
	blocked chan struct{} // if set, an answer waits for its end, or for the end of the request
	fetches atomic.Int64
}

func (p *provider) RoundTrip(request *http.Request) (*http.Response, error) {
	p.fetches.Add(1)
	p.mu.Lock()
	body, status, header, err, blocked := p.body, p.status, p.header, p.err, p.blocked
	p.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: request}, nil
}

func (p *provider) publish(t *testing.T, signing ...*jose.SigningKey) {
	t.Helper()
	body, err := jose.PublicSet(signing...)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body, p.status, p.err = body, http.StatusOK, nil
}

// answer makes the provider publish a text.
func (p *provider) answer(body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body = body
}

// refuse makes the provider answer with a status and, unless it is empty, a Retry-After header.
func (p *provider) refuse(status int, retryAfter string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.header = status, http.Header{}
	if retryAfter != "" {
		p.header.Set("Retry-After", retryAfter)
	}
}

func (p *provider) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *provider) block() (release func()) {
	blocked := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked = blocked
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.blocked = nil
		close(blocked)
	}
}

func (p *provider) wantFetches(t *testing.T, want int64, when string) {
	t.Helper()
	synctest.Wait()
	if got := p.fetches.Load(); got != want {
		t.Errorf("%s: %d fetches, want %d", when, got, want)
	}
}

var errDown = errors.New("connection refused")

// bubble runs a test in a synctest bubble with a provider that publishes the given keys.
func bubble(t *testing.T, run func(t *testing.T, p *provider, r *keys.Remote), signing ...*jose.SigningKey) {
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.publish(t, signing...)
		run(t, p, keys.NewRemote(keys.Config{
			URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
		}))
		time.Sleep(keys.DefaultTimeout) // by then the last fetch must have ended; the bubble fails if it has not
	})
}

func newKey(t testing.TB, id string) *jose.SigningKey {
	t.Helper()
	k, err := jose.GenerateKey(jose.ES256, id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// look looks the key of a token up that arrives now. Of several it returns the first.
func look(ctx context.Context, r *keys.Remote, id string) (*jose.Key, error) {
	found, err := r.Keys(ctx, id, jose.ES256, time.Now())
	if err != nil {
		return nil, err
	}
	return found.All()[0], nil
}

func mustFind(t *testing.T, r *keys.Remote, id string) *jose.Key {
	t.Helper()
	key, err := look(t.Context(), r, id)
	if err != nil {
		t.Fatalf("key %q: %v", id, err)
	}
	return key
}

func wantUnknown(t *testing.T, r *keys.Remote, id string) {
	t.Helper()
	key, err := look(t.Context(), r, id)
	var e *oauth.Error
	if key != nil || !errors.As(err, &e) || e.Status != http.StatusUnauthorized || e.Reason != oauth.ReasonUnknownKey {
		t.Errorf("key %q: got %v, %v; want 401 unknown_key", id, key, err)
	}
}

// wantUndecided expects that nobody knows, and that the client hears how long the cool-down lasts.
func wantUndecided(t *testing.T, r *keys.Remote, id string, wait time.Duration) {
	t.Helper()
	key, err := look(t.Context(), r, id)
	var e *oauth.Error
	if key != nil || !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.Reason != oauth.ReasonUnknownKey ||
		e.RetryAfter != wait {
		t.Errorf("key %q: got %v, %v with %v; want 503 with a Retry-After of %s", id, key, err, e, wait)
	}
}

func wantUnavailable(t *testing.T, r *keys.Remote, id string) {
	t.Helper()
	key, err := look(t.Context(), r, id)
	var e *oauth.Error
	if key != nil || !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable ||
		e.RetryAfter < time.Second || e.RetryAfter > keys.DefaultCoolDown {
		t.Errorf("key %q: got %v, %v; want 503 with Retry-After", id, key, err)
	}
}

func TestKeysAreFetchedOnceAndKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		p.wantFetches(t, 0, "before the first look-up")
		for range 100 {
			mustFind(t, r, "a")
		}
		p.wantFetches(t, 1, "after a hundred look-ups")
		time.Sleep(keys.DefaultSoftExpiry - time.Second)
		mustFind(t, r, "a")
		p.wantFetches(t, 1, "before the soft expiry")
		time.Sleep(24 * time.Hour)
		p.wantFetches(t, 1, "a day without look-ups")
	}, newKey(t, "a"))
}

// covers: T-TOK-19
func TestKnownKeysAnswerAtOnceWhileARefreshHangs(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		mustFind(t, r, "a")
		release := p.block()
		time.Sleep(keys.DefaultSoftExpiry)
		before := time.Now()
		for range 1000 {
			mustFind(t, r, "a")
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("look-ups of a known key waited %s", waited)
		}
		p.wantFetches(t, 2, "past the soft expiry")
		release()
		synctest.Wait()
		mustFind(t, r, "a")
		p.wantFetches(t, 2, "after the refresh")
	}, newKey(t, "a"))
}

func TestANewKeyIsFoundOnFirstUse(t *testing.T) {
	t.Parallel()
	old, next := newKey(t, "old"), newKey(t, "new")
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		kept := mustFind(t, r, "old")
		p.publish(t, old, next)
		time.Sleep(keys.DefaultCoolDown)
		mustFind(t, r, "new")
		p.wantFetches(t, 2, "after the rotation")
		if mustFind(t, r, "old") != kept {
			t.Error("the key that stayed got another pointer: a cache of verified tokens would be lost")
		}
	}, old)
}

// covers: T-TOK-18
func TestARemovedKeyStopsBeingAcceptedWithinTheBound(t *testing.T) {
	t.Parallel()
	revoked, stays := newKey(t, "revoked"), newKey(t, "stays")
	t.Run("with look-ups, one refresh after the soft expiry", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "revoked")
			p.publish(t, stays)
			for range keys.DefaultSoftExpiry / time.Minute {
				time.Sleep(time.Minute)
				mustFind(t, r, "stays")
			}
			synctest.Wait()
			wantUnknown(t, r, "revoked")
		}, revoked, stays)
	})
	t.Run("without look-ups, the first one after the hard expiry is refused", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "revoked")
			p.publish(t, stays)
			time.Sleep(keys.DefaultHardExpiry)
			wantUnknown(t, r, "revoked")
		}, revoked, stays)
	})
	t.Run("while the provider is down, at the last with the maximal age", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "revoked")
			p.fail(errDown)
			time.Sleep(keys.DefaultMaxStale - time.Second)
			mustFind(t, r, "revoked")
			time.Sleep(time.Second)
			wantUnavailable(t, r, "revoked")
		}, revoked, stays)
	})
	t.Run("when the provider is up again after a silence, at once", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "revoked")
			p.fail(errDown)
			time.Sleep(keys.DefaultSoftExpiry)
			mustFind(t, r, "revoked")
			p.wantFetches(t, 2, "of which the second failed")
			p.publish(t, stays)
			time.Sleep(8 * time.Hour)
			wantUnknown(t, r, "revoked") // what was an outage then tells nothing of now
		}, revoked, stays)
	})
	t.Run("a key of the same name with other content replaces it", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			before := mustFind(t, r, "revoked")
			p.publish(t, newKey(t, "revoked"))
			time.Sleep(keys.DefaultHardExpiry)
			if mustFind(t, r, "revoked") == before {
				t.Error("the replaced key is still handed out")
			}
		}, revoked)
	})
}

// covers: T-TOK-16
func TestTenThousandRandomKidsCauseOneFetchPerCoolDown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		known := mustFind(t, r, "a")
		for round := range int64(3) {
			time.Sleep(keys.DefaultCoolDown)
			var all sync.WaitGroup
			for worker := range 100 {
				all.Go(func() {
					for i := range 100 {
						wantUnknown(t, r, fmt.Sprintf("random-%d-%d-%d", round, worker, i))
						if mustFind(t, r, "a") != known {
							t.Error("the known key is affected")
						}
					}
				})
			}
			all.Wait()
			p.wantFetches(t, 2+round, "after ten thousand kids")
		}
	}, newKey(t, "a"))
}

// A provider rotates its keys when it likes, also right after a server has started, or has just
// looked.
func TestANewKeyWaitsForNoCoolDownThatAnotherFetchBegan(t *testing.T) {
	t.Parallel()
	a, b, c := newKey(t, "a"), newKey(t, "b"), newKey(t, "c")
	for name, prepare := range map[string]func(*testing.T, *provider, *keys.Remote){
		"right after the first fetch": func(t *testing.T, _ *provider, r *keys.Remote) { mustFind(t, r, "a") },
		"right after a refresh in the background": func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "a")
			time.Sleep(keys.DefaultSoftExpiry)
			mustFind(t, r, "a")
			synctest.Wait()
			p.wantFetches(t, 2, "past the soft expiry")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
				prepare(t, p, r)
				p.publish(t, a, b)
				mustFind(t, r, "b")
				p.publish(t, a, b, c) // and again: a fetch that found its key was no waste
				mustFind(t, r, "c")
				before := p.fetches.Load()
				for i := range 100 {
					wantUnknown(t, r, fmt.Sprint("random-", i))
				}
				p.wantFetches(t, before+1, "for unknown keys")
				p.publish(t, a, b)
				time.Sleep(keys.DefaultCoolDown - time.Second)
				wantUndecided(t, r, "random", time.Second)
				p.wantFetches(t, before+1, "within the cool-down of unknown keys")
				time.Sleep(time.Second)
				wantUnknown(t, r, "random")
				p.wantFetches(t, before+2, "after it")
			}, a)
		})
	}
	t.Run("but not while the provider fails", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "a")
			p.fail(errDown)
			for range 10 {
				wantUnavailable(t, r, "b")
			}
			p.wantFetches(t, 2, "of which the second failed")
		}, a)
	})
}

// A provider that failed a moment ago is left alone, whatever the fetch was for.
func TestAnUnknownKeyWaitsForTheCoolDownOfAFailedFetch(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		mustFind(t, r, "a")
		p.fail(errDown)
		time.Sleep(keys.DefaultSoftExpiry)
		mustFind(t, r, "a")
		p.wantFetches(t, 2, "for the refresh that is due")
		for i := range 10 {
			wantUnavailable(t, r, fmt.Sprint("random-", i))
		}
		p.wantFetches(t, 2, "for unknown keys right after it failed")
		time.Sleep(keys.DefaultCoolDown)
		wantUnavailable(t, r, "random")
		p.wantFetches(t, 3, "after the cool-down")
	}, newKey(t, "a"))
}

// The cool-down is over at its end, not a moment later, also where another fetch was made
// meanwhile.
func TestTheCoolDownOfUnknownKeysIsOverAtItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.publish(t, newKey(t, "a"))
		r := keys.NewRemote(keys.Config{
			URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
			SoftExpiry: keys.DefaultCoolDown,
		})
		mustFind(t, r, "a")
		wantUnknown(t, r, "random")
		p.wantFetches(t, 2, "for an unknown key")
		time.Sleep(keys.DefaultCoolDown)
		mustFind(t, r, "a")
		p.wantFetches(t, 3, "for the refresh that is due")
		wantUnknown(t, r, "random")
		p.wantFetches(t, 4, "for an unknown key, a cool-down after the last")
	})
}

// A look-up that was held up, by the scheduler say, finds its key when others have begun to look
// for keys that do not exist.
func TestALateFindingEndsNoCoolDownOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.publish(t, newKey(t, "a"))
		var until atomic.Int64 // the reading of the clock, from now on, that takes long
		gate := make(chan struct{})
		r := keys.NewRemote(keys.Config{
			URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
			Now: func() time.Time {
				if until.Add(-1) == 0 {
					<-gate
				}
				return time.Now()
			},
		})
		mustFind(t, r, "a")
		time.Sleep(keys.DefaultHardExpiry)
		release := p.block()
		done := make(chan error)
		go func() {
			_, err := look(t.Context(), r, "a")
			done <- err
		}()
		synctest.Wait() // it waits for the fetch
		until.Store(2)  // the first reading is the fetch's own, the second that of the look-up behind it
		release()
		p.wantFetches(t, 2, "past the hard expiry")
		wantUnknown(t, r, "random")
		p.wantFetches(t, 3, "for an unknown key")
		close(gate)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		wantUnknown(t, r, "random")
		p.wantFetches(t, 3, "within the cool-down of unknown keys")
	})
}

func TestWaitersShareAFetchAndRespectTheirContext(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		release := p.block()
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { // starts the fetch, then gives up
			_, err := look(ctx, r, "a")
			if !errors.Is(err, oauth.ErrTemporarilyUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("a look-up whose request went away got %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			all.Go(func() { mustFind(t, r, "a") })
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		release()
		all.Wait()
		p.wantFetches(t, 1, "after 51 look-ups at once")
	}, newKey(t, "a"))
}

// covers: T-TOK-19
func TestAnOutageNeverIsA401(t *testing.T) {
	t.Parallel()
	t.Run("before any key is known", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			p.fail(errDown)
			for range 100 {
				wantUnavailable(t, r, "a")
			}
			p.wantFetches(t, 1, "at once")
			p.fail(nil)
			time.Sleep(keys.DefaultCoolDown)
			mustFind(t, r, "a")
		}, newKey(t, "a"))
	})
	t.Run("for a key that is not known", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "a")
			p.fail(errDown)
			time.Sleep(keys.DefaultCoolDown)
			for range 100 {
				wantUnavailable(t, r, "b")
				mustFind(t, r, "a")
			}
			p.wantFetches(t, 2, "within the cool-down")
		}, newKey(t, "a"))
	})
	t.Run("and known keys serve on for a day, at once but for the look-up that finds out", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			known := mustFind(t, r, "a")
			p.block() // the provider takes connections and never answers
			for waits := time.Duration(0); waits < keys.DefaultMaxStale-time.Hour; waits += time.Minute {
				time.Sleep(time.Minute)
				before := time.Now()
				if mustFind(t, r, "a") != known {
					t.Fatal("another key")
				}
				if waited := time.Since(before); waited != 0 {
					t.Fatalf("%s into the outage a look-up waited %s", waits, waited)
				}
			}
		}, newKey(t, "a"))
	})
	t.Run("and after an idle night the first look-up waits for one fetch at most", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			mustFind(t, r, "a")
			p.block()
			time.Sleep(8 * time.Hour)
			before := time.Now()
			mustFind(t, r, "a")
			if waited := time.Since(before); waited != keys.DefaultTimeout {
				t.Errorf("the first look-up waited %s, want %s", waited, keys.DefaultTimeout)
			}
			mustFind(t, r, "a")
			if waited := time.Since(before); waited != keys.DefaultTimeout {
				t.Error("the second look-up waited again")
			}
		}, newKey(t, "a"))
	})
}

// A server that starts before its provider must not refuse everybody for a whole cool-down.
func TestWithoutAnyKeyFetchesAreTriedSoonerThanTheCoolDown(t *testing.T) {
	t.Parallel()
	t.Run("one second after the first failure, then twice as long each time, up to the cool-down", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			p.fail(errDown)
			wantUnavailable(t, r, "a")
			for i, seconds := range []int{1, 2, 4, 8, 16, 30, 30, 30} {
				fetches := int64(i + 1)
				time.Sleep(time.Duration(seconds)*time.Second - time.Millisecond)
				for range 1000 {
					wantUnavailable(t, r, fmt.Sprint("random-", i))
				}
				p.wantFetches(t, fetches, fmt.Sprintf("within %d seconds", seconds))
				time.Sleep(time.Millisecond)
				wantUnavailable(t, r, "a")
				p.wantFetches(t, fetches+1, fmt.Sprintf("after %d seconds", seconds))
			}
		}, newKey(t, "a"))
	})
	t.Run("and clients are told when", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			p.fail(errDown)
			for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
				_, err := look(t.Context(), r, "a")
				var e *oauth.Error
				if !errors.As(err, &e) || e.RetryAfter != time.Duration(seconds)*time.Second {
					t.Fatalf("got %v, want a Retry-After of %d s", e, seconds)
				}
				time.Sleep(e.RetryAfter)
			}
		}, newKey(t, "a"))
	})
	t.Run("and the first set that arrives serves at once", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			p.fail(errDown)
			wantUnavailable(t, r, "a")
			p.fail(nil)
			time.Sleep(time.Second)
			mustFind(t, r, "a")
			p.wantFetches(t, 2, "after one second")
			wantUnknown(t, r, "b")
			p.wantFetches(t, 3, "for an unknown key")
			time.Sleep(keys.DefaultCoolDown - time.Millisecond)
			wantUndecided(t, r, "b", time.Second)
			p.wantFetches(t, 3, "within the cool-down, which counts from now on")
			p.fail(errDown)
			time.Sleep(time.Millisecond)
			wantUnavailable(t, r, "b")
			time.Sleep(keys.DefaultCoolDown - time.Millisecond)
			wantUnavailable(t, r, "b")
			p.wantFetches(t, 4, "after a failure where keys are known")
		}, newKey(t, "a"))
	})
	t.Run("with one fetch at a time, which all wait for", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
			p.block() // never answers: each fetch takes its time limit
			began := time.Now()
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() { wantUnavailable(t, r, fmt.Sprint("random-", i)) })
			}
			all.Wait()
			p.wantFetches(t, 1, "for a hundred look-ups at once")
			time.Sleep(time.Second)
			for i := range 100 {
				all.Go(func() { wantUnavailable(t, r, fmt.Sprint("random-", i)) })
			}
			all.Wait()
			p.wantFetches(t, 2, "for a hundred more a second later")
			if took := time.Since(began); took != 2*keys.DefaultTimeout+time.Second {
				t.Errorf("two rounds took %s", took)
			}
		}, newKey(t, "a"))
	})
	t.Run("and never sooner than a cool-down that is shorter still", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := &provider{}
			p.fail(errDown)
			r := keys.NewRemote(keys.Config{
				URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
				CoolDown: 100 * time.Millisecond,
			})
			for want := range int64(5) {
				_, _ = look(t.Context(), r, "a")
				p.wantFetches(t, want+1, "once per cool-down")
				time.Sleep(100 * time.Millisecond)
			}
		})
	})
}

func TestAProviderThatRecoversIsBelieved(t *testing.T) {
	t.Parallel()
	stays, revoked := newKey(t, "stays"), newKey(t, "revoked")
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		mustFind(t, r, "revoked")
		p.fail(errDown)
		for range 60 {
			time.Sleep(time.Minute)
			mustFind(t, r, "revoked")
			synctest.Wait()
		}
		p.publish(t, stays)
		time.Sleep(keys.DefaultCoolDown)
		mustFind(t, r, "stays") // starts the refresh
		synctest.Wait()
		wantUnknown(t, r, "revoked")
		mustFind(t, r, "stays")
	}, stays, revoked)
}

func TestAnEmptySetIsAnAnswer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		wantUnknown(t, r, "a")
		wantUnknown(t, r, "")
		p.wantFetches(t, 1, "after two look-ups")
	})
}

// covers: R13
func TestATokenWithoutKidMayHaveAnyKeyThatFits(t *testing.T) {
	t.Parallel()
	a, b := newKey(t, "a"), newKey(t, "b")
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		one := mustFind(t, r, "")
		if one.ID() != "a" {
			t.Errorf("found %v", one)
		}
		p.publish(t, a, b)
		time.Sleep(keys.DefaultHardExpiry)
		found, err := r.Keys(t.Context(), "", jose.ES256, time.Now())
		if err != nil || found.Len() != 2 {
			t.Fatalf("found %v, %v, want both", found.All(), err)
		}
		for _, key := range found.All() {
			if !r.Holds("", jose.ES256, key, time.Now()) {
				t.Errorf("%v is not held", key)
			}
		}
		p.wantFetches(t, 2, "after the second key came")
	}, a)
}

// A key is replaced under its old name, or without any: only the signature tells.
// covers: R12
func TestAWrongSignatureCausesOneFetchPerCoolDown(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{"the same kid": "k", "no kid": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
				mustFind(t, r, id)
				time.Sleep(time.Minute)
				tried, replaced, err := afterWrongSignature(t, r, id)
				if err != nil || replaced.Len() != 0 {
					t.Fatalf("got %v, %v where the set is the same, want that the signature is wrong", replaced.All(), err)
				}
				p.wantFetches(t, 2, "for a wrong signature")
				time.Sleep(keys.DefaultCoolDown - 2*time.Second)
				p.publish(t, newKey(t, id))
				var e *oauth.Error
				_, _, err = afterWrongSignature(t, r, id)
				if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.RetryAfter != 2*time.Second || e.Reason != oauth.ReasonBadSignature {
					t.Fatalf("got %v within the cool-down, want 503 with the rest of it", err)
				}
				wantUndecided(t, r, "random", 2*time.Second) // unknown keys have the same cool-down
				p.wantFetches(t, 2, "within the cool-down")
				time.Sleep(2 * time.Second)
				for range 2 { // a fetch that brought the key is no waste
					if _, replaced, err = afterWrongSignature(t, r, id); err != nil || replaced.Len() != 1 || slices.Contains(tried.All(), replaced.All()[0]) {
						t.Fatalf("got %v, %v after the cool-down, want the new key", replaced.All(), err)
					}
					p.publish(t, newKey(t, id))
					time.Sleep(time.Millisecond)
				}
				p.wantFetches(t, 4, "for two replaced keys")
				p.fail(errDown)
				if _, _, err = afterWrongSignature(t, r, id); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
					t.Errorf("got %v while the provider is down, want 503", err)
				}
			}, newKey(t, id))
		})
	}
}

// afterWrongSignature asks for what took the place of the keys of a token that arrives now.
func afterWrongSignature(t *testing.T, r *keys.Remote, id string) (tried, replaced jose.Candidates, err error) {
	t.Helper()
	arrived := time.Now()
	tried, err = r.Keys(t.Context(), id, jose.ES256, arrived)
	if err != nil {
		t.Fatal(err)
	}
	replaced, err = r.Replaced(t.Context(), id, jose.ES256, arrived, &tried)
	return tried, replaced, err
}

// covers: R12
func TestAWrongSignatureNeedsNoFetchWhereTheSetIsNewer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		tried, replaced, err := afterWrongSignature(t, r, "k") // the first fetch was for this token
		if err != nil || replaced.Len() != 0 {
			t.Fatalf("got %v, %v", replaced.All(), err)
		}
		p.wantFetches(t, 1, "for the first token")
		arrived := time.Now()
		p.publish(t, newKey(t, "k"))
		time.Sleep(keys.DefaultHardExpiry)
		mustFind(t, r, "k")
		p.wantFetches(t, 2, "past the hard expiry")
		if replaced, err = r.Replaced(t.Context(), "k", jose.ES256, arrived, &tried); err != nil || replaced.Len() != 1 {
			t.Errorf("got %v, %v where another's fetch brought the new key", replaced.All(), err)
		}
		p.wantFetches(t, 2, "where the new key is known")
	}, newKey(t, "k"))
}

// A client that sends one token with an unknown kid must not get the next caller's good token
// refused.
// covers: A12, T-TOK-16
func TestWithinTheCoolDownNobodyIsRefused(t *testing.T) {
	t.Parallel()
	known, late := newKey(t, "known"), newKey(t, "late")
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		mustFind(t, r, "known")
		time.Sleep(time.Minute)
		wantUnknown(t, r, "made-up")
		p.publish(t, known, late)
		time.Sleep(10*time.Second + time.Millisecond)
		for range 100 {
			wantUndecided(t, r, "late", 20*time.Second)
			if err := r.Flooded("late", jose.ES256, time.Now()); err != nil && !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
				t.Fatalf("got %v in a flood, want 503", err)
			}
		}
		p.wantFetches(t, 2, "within the cool-down")
		time.Sleep(20 * time.Second)
		mustFind(t, r, "late")
	}, known)
}

// The set that is on its way may have been made before the token's key.
// covers: A12
func TestAFetchThatBeganBeforeATokenArrivedDecidesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		mustFind(t, r, "a")
		time.Sleep(time.Minute)
		release := p.block()
		var all sync.WaitGroup
		all.Go(func() { wantUnknown(t, r, "first") })
		synctest.Wait()
		time.Sleep(time.Second)
		all.Go(func() { wantUndecided(t, r, "second", keys.DefaultCoolDown) })
		synctest.Wait()
		release()
		all.Wait()
		p.wantFetches(t, 2, "for both")
	}, newKey(t, "a"))
}

// covers: R21
func TestOneEmptySetDoesNotReplaceAGoodOne(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no keys": `{"keys":[]}`, "no usable keys": `{"keys":[{"kty":"RSA"},{"kty":"EC","use":"enc"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := newKey(t, "a")
			bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
				known := mustFind(t, r, "a")
				p.answer([]byte(body))
				time.Sleep(keys.DefaultSoftExpiry)
				mustFind(t, r, "a")
				p.wantFetches(t, 2, "of which the second was empty")
				wantUnavailable(t, r, "b") // nobody knows
				p.publish(t, good)
				time.Sleep(keys.DefaultCoolDown)
				mustFind(t, r, "a")
				p.wantFetches(t, 3, "of which the third was good")
				p.answer([]byte(body)) // what was seen before the good one does not count
				time.Sleep(keys.DefaultSoftExpiry)
				mustFind(t, r, "a")
				p.wantFetches(t, 4, "of which the fourth was empty")
				time.Sleep(keys.DefaultCoolDown - time.Second)
				if mustFind(t, r, "a") != known {
					t.Error("the key is another")
				}
				time.Sleep(time.Second)
				mustFind(t, r, "a") // starts the fetch that shows it empty for long enough
				synctest.Wait()
				wantUnknown(t, r, "a")
			}, good)
		})
	}
}

// covers: R21
func TestTheProvidersRetryAfterIsKeptAndTold(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "7200": 5 * time.Minute, "1": keys.DefaultCoolDown, "": keys.DefaultCoolDown, "soon": keys.DefaultCoolDown,
	} {
		t.Run("Retry-After: "+header, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
				mustFind(t, r, "a")
				time.Sleep(time.Minute)
				p.refuse(http.StatusTooManyRequests, header)
				_, err := look(t.Context(), r, "b")
				var e *oauth.Error
				if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.RetryAfter != want {
					t.Fatalf("got %v with %v, want 503 with %s", err, e, want)
				}
				time.Sleep(want - time.Second)
				_, _ = look(t.Context(), r, "b")
				mustFind(t, r, "a")
				p.wantFetches(t, 2, "before the time is over")
				time.Sleep(time.Second)
				_, _ = look(t.Context(), r, "b")
				p.wantFetches(t, 3, "after it")
			}, newKey(t, "a"))
		})
	}
}

func TestAClockThatIsSetBackDoesNotStopRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.publish(t, newKey(t, "a"))
		var offset atomic.Int64
		start := time.Now()
		r := keys.NewRemote(keys.Config{
			URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
			Now: func() time.Time { return start.Add(time.Duration(offset.Load())) },
		})
		mustFind(t, r, "a")
		offset.Store(int64(-365 * 24 * time.Hour))
		mustFind(t, r, "a")
		p.wantFetches(t, 2, "after the clock was set back by a year")
	})
}

// A client that is told to wait for a year would do so.
func TestAClockThatIsSetBackKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.fail(errDown)
		var offset atomic.Int64
		r := keys.NewRemote(keys.Config{
			URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
			Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
			// The fetch logs its failure after it read the clock, and before those who wait for it
			// do.
			Events: events.To(observe.Slog(slog.New(onWarning{slog.DiscardHandler, func() { offset.Store(int64(-365 * 24 * time.Hour)) }}))),
		})
		wantUnavailable(t, r, "a")
		if offset.Load() == 0 {
			t.Error("the clock was not set back")
		}
	})
}

// onWarning is a log that does something at each line.
type onWarning struct {
	slog.Handler

	do func()
}

func (h onWarning) Enabled(context.Context, slog.Level) bool { return true }

func (h onWarning) Handle(context.Context, slog.Record) error {
	h.do()
	return nil
}

func TestAPanickingClientIsAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := keys.NewRemote(keys.Config{
			URL:    "https://idp.example.com/jwks",
			Client: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("broken client") })},
		})
		wantUnavailable(t, r, "a")
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// covers: T-OPS-03
func TestLogsOfAnOutageAreFewAndHoldNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.fail(errDown)
		var log bytes.Buffer
		r := keys.NewRemote(keys.Config{
			URL: "https://user:s3cr3t@idp.example.com/jwks?api_key=s3cr3t#s3cr3t", Client: &http.Client{Transport: p},
			Events: events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil)))),
		})
		for range 10 {
			for range 100 {
				_, err := look(t.Context(), r, "a")
				if err == nil || strings.Contains(err.Error(), "s3cr3t") {
					t.Fatalf("got error %v", err)
				}
			}
			time.Sleep(keys.DefaultCoolDown)
		}
		synctest.Wait()
		if lines := strings.Count(log.String(), "\n"); lines != 10 {
			t.Errorf("%d log lines in ten cool-downs", lines)
		}
		if strings.Contains(log.String(), "s3cr3t") || !strings.Contains(log.String(), "https://idp.example.com/jwks") {
			t.Errorf("the log holds a secret, or not the address:\n%s", log.String())
		}
	})
}

func TestAChangedSetIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{body: []byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0LXRlc3Qtb25seQ"}]}`), status: http.StatusOK}
		var log bytes.Buffer
		r := keys.NewRemote(keys.Config{
			URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p}, Events: events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil)))),
		})
		for range 3 {
			wantUnknown(t, r, "a")
			time.Sleep(keys.DefaultCoolDown)
		}
		p.wantFetches(t, 3, "in three cool-downs")
		if n := strings.Count(log.String(), "is ignored"); n != 1 {
			t.Errorf("the unusable key is logged %d times, want once", n)
		}
		if strings.Contains(log.String(), "c2VjcmV0") {
			t.Error("the log holds key material")
		}
	})
}

// Keycloak publishes a key for encryption beside those for signatures, in every realm.
func TestAKeyForEncryptionIsNoWarning(t *testing.T) {
	t.Parallel()
	const encryption = `{"kty":"EC","crv":"X448","use":"enc","alg":"RSA-OAEP","kid":"for-encryption"}`
	for name, c := range map[string]struct{ keys, want string }{
		"a key for encryption is mentioned at DEBUG": {encryption, "level=DEBUG"},
		"a malformed key is a WARN":                  {`{"kty":"RSA","use":"sig","n":"%","e":"AQAB"}`, "level=WARN"},
		"a key of an unknown use is a WARN":          {`{"kty":"EC","use":"tls"}`, "level=WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &provider{body: []byte(`{"keys":[` + c.keys + `]}`), status: http.StatusOK}
				var log bytes.Buffer
				r := keys.NewRemote(keys.Config{
					URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
					Events: events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))),
				})
				wantUnknown(t, r, "for-encryption")
				for line := range strings.Lines(log.String()) {
					if strings.Contains(line, "is ignored") {
						if !strings.Contains(line, c.want) {
							t.Errorf("want %s: %s", c.want, line)
						}
						return
					}
				}
				t.Errorf("nothing is logged about the key:\n%s", log.String())
			})
		})
	}
}

func TestLookUpsDuringRotations(t *testing.T) {
	t.Parallel()
	signing := make([]*jose.SigningKey, 5)
	for i := range signing {
		signing[i] = newKey(t, fmt.Sprint("k", i))
	}
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 200 {
					mustFind(t, r, "k0")
					_, _ = look(t.Context(), r, "k4")
					time.Sleep(7 * time.Second)
				}
			})
		}
		all.Go(func() {
			for i := range 23 {
				p.publish(t, append(signing[:1:1], signing[1+i%4:2+i%4]...)...)
				time.Sleep(time.Minute)
			}
		})
		all.Wait()
		if fetches, limit := p.fetches.Load(), int64(200*7/30+2); fetches > limit {
			t.Errorf("%d fetches, more than one per cool-down (%d)", fetches, limit)
		}
	}, signing[0])
}

// "A key removed from the JWKS": what was verified with a key holds as long as that very key would
// be given, and asking never waits.
func TestHoldsIsTrueForTheVeryKeyOnly(t *testing.T) {
	t.Parallel()
	stays, goes := newKey(t, "stays"), newKey(t, "goes")
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		holds := func(id string, key *jose.Key) bool { return r.Holds(id, jose.ES256, key, time.Now()) }
		kept, gone := mustFind(t, r, "stays"), mustFind(t, r, "goes")
		for _, c := range []struct {
			id   string
			key  *jose.Key
			want bool
		}{{"stays", kept, true}, {"goes", gone, true}, {"goes", kept, false}, {"other", kept, false}, {"", kept, true}} {
			if got := holds(c.id, c.key); got != c.want {
				t.Errorf("kid %q with %v: got %t", c.id, c.key, got)
			}
		}
		if r.Holds("stays", jose.RS256, kept, time.Now()) {
			t.Error("held for another algorithm")
		}
		p.publish(t, stays, newKey(t, "goes"))
		release := p.block()
		time.Sleep(keys.DefaultSoftExpiry)
		if !holds("goes", gone) {
			t.Error("not held while the refresh is under way")
		}
		p.wantFetches(t, 2, "past the soft expiry")
		release()
		synctest.Wait()
		if holds("goes", gone) {
			t.Error("another key of the same name is taken for it")
		}
		if !holds("stays", kept) {
			t.Error("a key that stays is not held after a refresh")
		}
		time.Sleep(keys.DefaultHardExpiry)
		if holds("stays", kept) {
			t.Error("held past the hard expiry, when a look-up waits")
		}
		p.fail(errDown)
		mustFind(t, r, "stays")
		if !holds("stays", kept) {
			t.Error("not held during an outage")
		}
		time.Sleep(keys.DefaultMaxStale)
		if holds("stays", kept) {
			t.Error("held beyond the longest time")
		}
	}, stays, goes)
}

// A token without kid of which several keys could be is no stranger: its reason is another, and no
// fetch helps.
func TestAFloodHidesNoAmbiguousKeys(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, _ *provider, r *keys.Remote) {
		mustFind(t, r, "a")
		for i := range 100 {
			wantUnknown(t, r, fmt.Sprint("random-", i))
		}
		if r.Flooded("random", jose.ES256, time.Now()) == nil {
			t.Error("no flood after a hundred tokens")
		}
		if err := r.Flooded("", jose.ES256, time.Now()); err != nil {
			t.Errorf("got %v for a token without kid", err)
		}
	}, newKey(t, "a"), newKey(t, "b"))
}

// While a fetch is under way nobody knows what it will bring; when it brought nothing, the flood is
// counted again.
func TestAFloodEndsWithTheNextFetch(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		flooded := func() bool { return r.Flooded("late", jose.ES256, time.Now()) != nil }
		mustFind(t, r, "a")
		flood := func() {
			for i := range 100 {
				wantUnknown(t, r, fmt.Sprint("random-", i))
			}
			if !flooded() {
				t.Error("no flood after a hundred tokens")
			}
		}
		flood()
		time.Sleep(keys.DefaultCoolDown)
		release := p.block()
		done := make(chan error)
		go func() {
			_, err := look(t.Context(), r, "random")
			done <- err
		}()
		p.wantFetches(t, 3, "after the cool-down")
		if flooded() {
			t.Error("a flood while a fetch is under way")
		}
		release()
		if err := <-done; !errors.Is(err, oauth.ErrInvalidToken) {
			t.Errorf("got %v", err)
		}
		if flooded() {
			t.Error("a flood after one token")
		}
		flood()
	}, newKey(t, "a"))
}

// Nor is a request told of a flood that read the clock a moment before the fetch began.
func TestAFloodEndsForRequestsThatAreUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &provider{}
		p.publish(t, newKey(t, "a"))
		r := keys.NewRemote(keys.Config{
			URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
			SoftExpiry: keys.DefaultCoolDown,
		})
		mustFind(t, r, "a")
		for i := range 100 {
			wantUnknown(t, r, fmt.Sprint("random-", i))
		}
		time.Sleep(keys.DefaultCoolDown - time.Millisecond)
		began := time.Now()
		if r.Flooded("late", jose.ES256, began) == nil {
			t.Error("no flood before the cool-down ended")
		}
		time.Sleep(time.Millisecond)
		release := p.block()
		mustFind(t, r, "a") // starts the refresh that is due
		p.wantFetches(t, 3, "past the soft expiry")
		if err := r.Flooded("late", jose.ES256, began); err != nil {
			t.Errorf("got %v while a fetch is under way", err)
		}
		release()
	})
}

// "10,000 tokens with random kids": from some point on they are refused by their header alone, and
// nothing else is.
func TestAFloodOfUnknownKeysIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	known, late := newKey(t, "known"), newKey(t, "late")
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		flooded := func(id string) error { return r.Flooded(id, jose.ES256, time.Now()) }
		if flooded("known") != nil || flooded("random") != nil {
			t.Error("a flood before anything was asked for")
		}
		mustFind(t, r, "known")
		for i := range 100 {
			_, err := look(t.Context(), r, fmt.Sprint("random-", i))
			if !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonUnknownKey}) {
				t.Fatalf("got %v", err)
			}
			switch err := flooded("random"); {
			case i < 10 && err != nil:
				t.Fatalf("a flood after %d tokens", i+1)
			case i > 20 && !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonUnknownKey}):
				t.Fatalf("got %v after %d tokens, want 401", err, i+1)
			case i > 20 && !strings.Contains(err.Error(), `"random"`):
				t.Errorf("the error does not name the key id: %v", err)
			}
		}
		if flooded("known") != nil {
			t.Error("a known key is taken for a part of the flood")
		}
		p.publish(t, known, late)
		if flooded("late") == nil {
			t.Error("a new key is looked for before the cool-down ended")
		}
		time.Sleep(keys.DefaultCoolDown)
		if flooded("late") != nil {
			t.Error("the flood keeps a new key out after the cool-down")
		}
		mustFind(t, r, "late")
		if flooded("random") != nil {
			t.Error("a flood right after a fetch")
		}
		for i := range 100 {
			_, _ = look(t.Context(), r, fmt.Sprint("random-", i))
		}
		p.fail(errDown)
		time.Sleep(keys.DefaultCoolDown)
		_, _ = look(t.Context(), r, "random")
		for i := range 100 {
			if _, err := look(t.Context(), r, fmt.Sprint("random-", i)); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
				t.Fatalf("got %v during an outage, want 503", err)
			}
		}
		if err := flooded("random"); err != nil {
			t.Errorf("got %v during an outage, when nobody knows", err)
		}
	}, known)
}

// A look-up that read the clock just before a refresh ended must not take the new set for one from
// the future.
func TestAClockThatIsJustBehindIsNoneThatWasSetBack(t *testing.T) {
	signing := newKey(t, "1")
	for behind, fetches := range map[time.Duration]int64{time.Millisecond: 1, 4 * time.Second: 1, time.Minute: 2} {
		synctest.Test(t, func(t *testing.T) {
			p := &provider{}
			p.publish(t, signing)
			var back atomic.Int64
			r := keys.NewRemote(keys.Config{
				URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: p},
				Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) },
			})
			for range 2 {
				if _, err := look(t.Context(), r, "1"); err != nil {
					t.Fatal(err)
				}
				back.Store(int64(behind))
			}
			p.wantFetches(t, fetches, "behind by "+behind.String())
		})
	}
}

// Everybody can send tokens with unknown keys. Not all of them may wait for a slow provider.
func TestSoManyLookUpsWaitForAFetch(t *testing.T) {
	bubble(t, func(t *testing.T, p *provider, r *keys.Remote) {
		release := p.block()
		const more = 50
		var sent sync.WaitGroup
		var turnedAway atomic.Int64
		for i := range 2000 + more {
			sent.Go(func() {
				_, err := look(t.Context(), r, fmt.Sprintf("stranger-%d", i))
				if errors.Is(err, oauth.ErrTemporarilyUnavailable) {
					turnedAway.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := turnedAway.Load(); n != more {
			t.Errorf("%d were turned away, want %d", n, more)
		}
		release()
		sent.Wait()
		if _, err := look(t.Context(), r, "1"); err != nil {
			t.Errorf("after the fetch: %v", err)
		}
	}, newKey(t, "1"))
}
