package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// gate stops requests at the provider until the test lets them go on.
type gate struct {
	mu      sync.Mutex
	waiting []chan struct{}
	open    bool
}

func newGate() *gate { return &gate{} }

// pass waits until it is let go on, or until its context ends.
func (g *gate) pass(ctx context.Context, _ asked) error {
	g.mu.Lock()
	if g.open {
		g.mu.Unlock()
		return nil
	}
	wait := make(chan struct{})
	g.waiting = append(g.waiting, wait)
	g.mu.Unlock()
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take opens the gate for all further requests and returns the first one's.
func (g *gate) take() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	return g.waiting[0]
}

// release opens the gate for everybody.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	for _, wait := range g.waiting {
		close(wait)
	}
	g.waiting = nil
}

// good is an answer about a token that is good by the bubble's clock.
func good(t testing.TB) string {
	t.Helper()
	return jsonOf(t, map[string]any{"active": true, "token_type": "Bearer", "sub": "alice", "client_id": opaqueClient, "exp": time.Now().Unix() + 600}, nil)
}

func bubbleClock(c *verify.IntrospectionConfig) { c.Now = time.Now }

func TestRequestsWithOneTokenShareOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		p := says(200, good(t))
		p.before = g.pass
		o := introspection(t, p, bubbleClock)
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource)); err != nil || info.Subject != "alice" {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		g.release()
		group.Wait()
		if p.calls() != 1 {
			t.Errorf("the provider was asked %d times", p.calls())
		}
	})
}

func TestAWaiterMayGiveUpAndOthersGetTheirAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		p := says(200, good(t))
		p.before = g.pass
		o := introspection(t, p, bubbleClock)
		patient := make(chan error, 1)
		impatient, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() { // the one who started the question
			_, err := o.Verify(impatient, presented(opaqueToken, opaqueResource))
			gaveUp <- err
		}()
		synctest.Wait()
		go func() {
			_, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
			patient <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, oauth.ErrTemporarilyUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up got %v", err)
		}
		g.release()
		if err := <-patient; err != nil {
			t.Errorf("who waited got %v", err)
		}
		if p.calls() != 1 {
			t.Errorf("the provider was asked %d times", p.calls())
		}
	})
}

// TestAQuestionEndsWithItsLastWaiter: nothing is left behind. The bubble fails when a goroutine is.
func TestAQuestionEndsWithItsLastWaiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := says(200, good(t))
		var ended error
		p.before = func(ctx context.Context, _ asked) error {
			<-ctx.Done()
			ended = context.Cause(ctx)
			return ended
		}
		o := introspection(t, p, bubbleClock)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		info, err := o.Verify(ctx, presented(opaqueToken, opaqueResource))
		wantError(t, info, err, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable)
		synctest.Wait()
		if !errors.Is(ended, context.Canceled) || verify.UnderWay(o) != 0 {
			t.Errorf("the request to the provider ended with %v, %d are under way", ended, verify.UnderWay(o))
		}
		p.before = nil
		if _, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource)); err != nil {
			t.Errorf("the next request: %v", err)
		}
	})
}

// TestNobodyJoinsAnAbandonedQuestion: it was told to stop, but a slow client may take its time.
func TestNobodyJoinsAnAbandonedQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := says(200, good(t))
		stubborn := make(chan struct{})
		p.before = func(ctx context.Context, _ asked) error {
			if p.calls() > 1 {
				return nil
			}
			<-stubborn
			return ctx.Err()
		}
		o := introspection(t, p, bubbleClock)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		info, err := o.Verify(ctx, presented(opaqueToken, opaqueResource))
		wantError(t, info, err, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable)
		wantAccepted(t, o)
		close(stubborn)
	})
}

func TestAProviderThatHangsIsAnOutageInTime(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*verify.Opaque, context.Context) (*oauth.AuthInfo, error){
		"to a request": func(o *verify.Opaque, ctx context.Context) (*oauth.AuthInfo, error) {
			return o.Verify(ctx, presented(opaqueToken, opaqueResource))
		},
		"to a login": func(o *verify.Opaque, ctx context.Context) (*oauth.AuthInfo, error) {
			return o.VerifyExchanged(ctx, opaqueToken, opaqueResource)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := says(200, good(t))
				p.before = func(ctx context.Context, _ asked) error { <-ctx.Done(); return context.Cause(ctx) }
				o := introspection(t, p, bubbleClock)
				start := time.Now()
				info, err := ask(o, t.Context())
				wantError(t, info, err, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable)
				if waited := time.Since(start); waited != verify.DefaultAnswerTimeout {
					t.Errorf("it took %s", waited)
				}
			})
		})
	}
}

// TestAFloodOfTokensCannotHammerTheProvider: questions at once are bounded, those waiting too, and
// the rest is told to come back.
func TestAFloodOfTokensCannotHammerTheProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		p := says(200, `{"active":false}`)
		p.before = g.pass
		o := introspection(t, p, bubbleClock, func(c *verify.IntrospectionConfig) { c.MaxConcurrent = 4 })
		var group sync.WaitGroup
		var mu sync.Mutex
		statuses := map[int]int{}
		for i := range 100 {
			ask := o.VerifyExchanged
			if i%2 != 0 {
				ask = func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
					return o.Verify(ctx, presented(token, resource))
				}
			}
			group.Go(func() {
				_, err := ask(t.Context(), fmt.Sprintf("garbage-%d", i), opaqueResource)
				mu.Lock()
				statuses[oauth.AsError(err).Status]++
				mu.Unlock()
			})
		}
		synctest.Wait()
		if p.calls() != 4 || verify.UnderWay(o) != 32 {
			t.Errorf("%d requests reached the provider at once, %d questions are under way", p.calls(), verify.UnderWay(o))
		}
		g.release()
		group.Wait()
		if statuses[http.StatusUnauthorized] != 32 || statuses[http.StatusServiceUnavailable] != 68 {
			t.Errorf("the answers are %v", statuses)
		}
		if verify.UnderWay(o) != 0 {
			t.Errorf("%d questions are under way", verify.UnderWay(o))
		}
	})
}

func TestQuestionsThatWaitTooLongAreOutages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := says(200, good(t))
		p.before = func(ctx context.Context, _ asked) error { <-ctx.Done(); return context.Cause(ctx) }
		o := introspection(t, p, bubbleClock, func(c *verify.IntrospectionConfig) { c.MaxConcurrent = 1 })
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				_, err := o.Verify(t.Context(), presented(fmt.Sprintf("token-%d", i), opaqueResource))
				if !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
	})
}

func TestAnInsecureSettingWarns(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := introspection(t, says(200, active(t, map[string]any{"client_id": "other"})), func(c *verify.IntrospectionConfig) {
		c.Insecure.SkipAudience, c.Events = true, events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil))))
	})
	if !strings.Contains(log.String(), "INSECURE") || !strings.Contains(log.String(), "InsecureSkipAudience") {
		t.Errorf("the log says at start: %q", log.String())
	}
	wantAccepted(t, o)
}

// covers: T-TOK-19
func TestKnownTokensAreServedWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p)
	wantAccepted(t, o)
	p.before = func(context.Context, asked) error { return errors.New("connection refused by " + opaqueToken) }
	wantAccepted(t, o)
	info, err := o.Verify(t.Context(), presented("another-token-of-the-test", opaqueResource))
	wantError(t, info, err, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable)
}

func TestAProviderIsLeftAloneWhenItAsksForThat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(now time.Time) *http.Response
		want   time.Duration
	}{
		"429 with Retry-After": {func(time.Time) *http.Response { return reply(429, "", "Retry-After", "20") }, 20 * time.Second},
		"429 with a date": {func(now time.Time) *http.Response {
			return reply(429, "", "Retry-After", now.Add(40*time.Second).UTC().Format(http.TimeFormat))
		}, 40 * time.Second},
		"429 without":                   {func(time.Time) *http.Response { return reply(429, "") }, 5 * time.Second},
		"429 for a day":                 {func(time.Time) *http.Response { return reply(429, "", "Retry-After", "86400") }, 5 * time.Minute},
		"429 with a time in the past":   {func(time.Time) *http.Response { return reply(429, "", "Retry-After", "-1") }, 5 * time.Second},
		"503 with Retry-After":          {func(time.Time) *http.Response { return reply(503, "", "Retry-After", "7") }, 7 * time.Second},
		"GitHub's 403 with Retry-After": {func(time.Time) *http.Response { return reply(403, "{}", "Retry-After", "9") }, 9 * time.Second},
		"GitHub's 403 with a reset time": {func(now time.Time) *http.Response {
			return reply(403, "{}", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(now.Add(30*time.Second).Unix()))
		}, 30 * time.Second},
	} {
		t.Run("after "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := says(200, good(t))
				o := introspection(t, p, bubbleClock)
				if _, err := o.Verify(t.Context(), presented("known-token-of-the-test", opaqueResource)); err != nil {
					t.Fatal(err)
				}
				p.answer = func(asked) *http.Response { return c.answer(time.Now()) }
				if e := wantOutage(t, o); e.RetryAfter != c.want {
					t.Errorf("Retry-After is %s, want %s", e.RetryAfter, c.want)
				}
				p.answer = func(asked) *http.Response { return reply(200, good(t)) }
				time.Sleep(c.want / 2)
				if e := wantOutage(t, o); e.RetryAfter > max(c.want-c.want/2, time.Second) {
					t.Errorf("Retry-After is %s after %s", e.RetryAfter, c.want/2)
				}
				info, err := o.VerifyExchanged(t.Context(), "login-token-of-the-test", opaqueResource)
				wantError(t, info, err, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable)
				if p.calls() != 2 {
					t.Errorf("the provider was asked %d times", p.calls())
				}
				_, err = o.Verify(t.Context(), presented("known-token-of-the-test", opaqueResource))
				if relied := c.want/2 < verify.DefaultAnswerTTL; relied != (err == nil) {
					t.Errorf("a known token: %v", err)
				}
				time.Sleep(c.want - c.want/2)
				wantAccepted(t, o)
			})
		})
	}
}

// A clock that is set back would make the pause as long as it was wrong.
func TestAPauseDoesNotOutliveAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	clock := &ticking{}
	p := says(429, "", "Retry-After", "20")
	o := introspection(t, p, func(c *verify.IntrospectionConfig) { clock.use(&c.OpaqueConfig) })
	wantOutage(t, o)
	p.answer = func(asked) *http.Response { return reply(200, active(t, map[string]any{"iat": nil})) }
	clock.set(10 * time.Second)
	if wantOutage(t, o); p.calls() != 1 {
		t.Fatalf("the provider was asked %d times", p.calls())
	}
	clock.set(-10 * time.Minute)
	wantAccepted(t, o)
}

// TestTheProviderRefusesOurOwnCredentials: that is the operator's mistake and no client's, so no
// client is sent to log in.
func TestTheProviderRefusesOurOwnCredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer *http.Response
		method facts.AuthMethod
	}{
		"401":                                   {reply(401, `{"error":"invalid_client"}`), ""},
		"401 without a word":                    {reply(401, "", "Content-Type", "text/plain"), ""},
		"401 by a challenge":                    {reply(401, "", "WWW-Authenticate", `Basic realm="x"`), ""},
		"400 with invalid_client":               {reply(400, `{"error":"invalid_client"}`), ""},
		"400 with unauthorized_client":          {reply(400, `{"error":"unauthorized_client"}`), ""},
		"403":                                   {reply(403, `{"error":"access_denied"}`), ""},
		"200 with invalid_client":               {reply(200, `{"error":"invalid_client"}`), ""},
		"401 for the bearer token that is ours": {reply(401, `{"error":"invalid_token"}`), facts.AuthBearer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				p := &providerAPI{answer: func(asked) *http.Response { return c.answer }}
				o := introspection(t, p, bubbleClock, func(config *verify.IntrospectionConfig) {
					config.AuthMethod, config.Events = c.method, events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil))))
				})
				e := wantOutage(t, o, oauth.ReasonOwnCredentials)
				if !strings.Contains(e.Error(), "own credentials") {
					t.Errorf("the error is %v", e)
				}
				for range 5 {
					wantOutage(t, o, oauth.ReasonOwnCredentials)
				}
				if p.calls() != 1 {
					t.Errorf("the credentials were tried %d times at once", p.calls())
				}
				if lines := strings.Count(log.String(), "level=ERROR"); lines != 1 || !strings.Contains(log.String(), "provider=fake") {
					t.Errorf("the log says, in %d lines: %s", lines, log.String())
				}
				wantNoSecrets(t, log.String())
				c.answer = reply(200, good(t))
				time.Sleep(10 * time.Second)
				wantAccepted(t, o)
			})
		})
	}
}

func TestAPanicWhileAskingIsAnError(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	p.before = func(context.Context, asked) error { panic("about " + opaqueToken) }
	o := introspection(t, p, func(c *verify.IntrospectionConfig) { c.MaxConcurrent = 1 })
	for range 3 {
		_, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
		if e := oauth.AsError(err); e.Status != http.StatusInternalServerError {
			t.Fatalf("got %v", err)
		}
		wantNoSecrets(t, err.Error())
	}
	p.before = nil
	wantAccepted(t, o)
}

// covers: T-OPS-03
func TestAnErrorOfTheProviderIsNotRepeatedInLogs(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*providerAPI{
		"in an error code": says(400, `{"error":"no `+opaqueToken+`"}`),
		"as an error code": says(200, `{"error":"`+opaqueToken+`"}`),
		"in a challenge":   says(400, "", "WWW-Authenticate", `Bearer error="`+opaqueToken+`"`),
		"in a description": says(400, `{"error":"invalid_request","error_description":"`+opaqueToken+`"}`),
		"in a body":        says(500, opaqueToken, "Content-Type", "text/plain"),
		"in a redirect":    says(302, "", "Location", "https://idp.example.com/?token="+opaqueToken),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOutage(t, introspection(t, p)) // looks for the token in the error
		})
	}
	p := says(200, "{}")
	p.before = func(context.Context, asked) error { return errors.New("dial: " + opaqueToken) }
	o := googleShaped(t, p, func(c *verify.TokenInfoConfig) { c.Place = facts.TokenInQuery })
	wantOutage(t, o)
}

func TestATokenThatLooksLikeAnErrorCodeIsNotRepeatedEither(t *testing.T) {
	t.Parallel()
	const token = "lettersthatcouldbeanerrorcode"
	_, err := introspection(t, says(400, `{"error":"`+token+`"}`)).Verify(t.Context(), presented(token, opaqueResource))
	if err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("got %v", err)
	}
}

func TestManyGoroutinesMayUseOneVerifier(t *testing.T) {
	t.Parallel()
	body := active(t, nil)
	p := &providerAPI{answer: func(r asked) *http.Response {
		switch {
		case strings.Contains(r.Body, "good"):
			return reply(200, body)
		case strings.Contains(r.Body, "gone"):
			return reply(200, `{"active":false}`)
		default:
			return reply(500, "")
		}
	}}
	o := introspection(t, p, func(c *verify.IntrospectionConfig) { c.Cache.MaxEntries = 4 })
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 100 {
				n := (worker + i) % 6
				if info, err := o.Verify(t.Context(), presented(fmt.Sprintf("good-%d", n), opaqueResource)); err == nil && info.Subject != "alice" {
					t.Errorf("a caller is %q", info.Subject)
				} else if err != nil && !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
					t.Errorf("good: %v", err)
				}
				if _, err := o.Verify(t.Context(), presented(fmt.Sprintf("gone-%d", n), opaqueResource)); err == nil {
					t.Error("a token that is gone was accepted")
				}
				if _, err := o.Verify(t.Context(), presented(fmt.Sprintf("down-%d", n), opaqueResource)); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
					t.Errorf("down: %v", err)
				}
				switch i % 10 {
				case 0:
					o.Forget(fmt.Sprintf("good-%d", n))
				case 5:
					_, _ = o.VerifyExchanged(t.Context(), fmt.Sprintf("good-%d", n), opaqueResource)
				}
			}
		})
	}
	group.Wait()
	if verify.UnderWay(o) != 0 {
		t.Errorf("%d questions are under way", verify.UnderWay(o))
	}
}

// Everybody can make up tokens. Their questions must not keep those out that were good a moment ago
// and have to be asked about again.
func TestMadeUpTokensLeaveRoomForGoodOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		p := says(200, good(t))
		p.before = func(ctx context.Context, a asked) error {
			if strings.Contains(a.Body, "garbage") {
				return g.pass(ctx, a)
			}
			return nil
		}
		o := introspection(t, p, bubbleClock, func(c *verify.IntrospectionConfig) { c.MaxConcurrent = 4 })
		wantAccepted(t, o)
		time.Sleep(verify.DefaultAnswerTTL)
		var group sync.WaitGroup
		for i := range 100 {
			group.Go(func() { _, _ = o.Verify(t.Context(), presented(fmt.Sprintf("garbage-%d", i), opaqueResource)) })
		}
		synctest.Wait()
		if verify.UnderWay(o) != 24 {
			t.Errorf("%d questions about tokens that nobody knows are under way", verify.UnderWay(o))
		}
		before := p.calls()
		wantAccepted(t, o)
		if p.calls() != before+1 {
			t.Error("the good token was not asked about again")
		}
		if _, err := o.Verify(t.Context(), presented("another-garbage", opaqueResource)); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
			t.Errorf("one more that nobody knows: %v", err)
		}
		o.Forget(opaqueToken)
		wantOutage(t, o) // it counts like all others again
		g.release()
		group.Wait()
		if verify.UnderWay(o) != 0 {
			t.Errorf("%d questions are under way", verify.UnderWay(o))
		}
	})
}
