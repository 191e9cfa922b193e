package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/keys"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// dial is a clock that a test turns.
type dial struct{ nanos atomic.Int64 }

func newDial(start time.Time) *dial {
	d := &dial{}
	d.set(start)
	return d
}

func (d *dial) set(t time.Time)          { d.nanos.Store(t.UnixNano()) }
func (d *dial) advance(by time.Duration) { d.nanos.Add(int64(by)) }
func (d *dial) now() time.Time           { return time.Unix(0, d.nanos.Load()) }

// askedFor is how often the provider's keys were looked up, which only a verification does.
func (p *published) askedFor() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

func cacheLimits(limits verify.TokenCache) func(*verify.Config) {
	return func(c *verify.Config) { c.Cache = limits }
}

// watched returns a verifier with a clock to turn and a key source that counts.
func watched(t testing.TB, changes ...func(*verify.Config)) (*verify.JWT, *dial, *published) {
	t.Helper()
	d, source := newDial(now), asymmetric(t)
	v := newVerifier(t, append([]func(*verify.Config){func(c *verify.Config) { c.Now, c.Keys = d.now, source }}, changes...)...)
	return v, d, source
}

func TestAnAcceptedTokenIsNotVerifiedAgain(t *testing.T) {
	t.Parallel()
	for _, a := range []jose.Algorithm{jose.RS256, jose.ES256, jose.EdDSA} {
		v, _, source := watched(t)
		text := signed(t, a, nil, payload(t, nil))
		first := wantCaller(t, v, text)
		for range 3 {
			if again := wantCaller(t, v, strings.Clone(text)); again != first {
				t.Errorf("%s: got another caller for the same token", a)
			}
		}
		if asked := source.askedFor(); asked != 1 {
			t.Errorf("%s: the signature was checked %d times", a, asked)
		}
	}
}

// A cached token is judged as an uncached one would be, at every moment.
// covers: T-TOK-18
func TestACachedTokenIsRefusedWhenAFreshOneWouldBe(t *testing.T) {
	t.Parallel()
	exp := now.Add(time.Minute)
	for name, c := range map[string]struct {
		change func(d *dial, source *published)
		reason oauth.Reason
	}{
		"is accepted to the last moment": {change: func(d *dial, _ *published) { d.set(exp.Add(30*time.Second - 1)) }},
		"is refused when it expired, after the leeway": {
			change: func(d *dial, _ *published) { d.set(exp.Add(30 * time.Second)) }, reason: oauth.ReasonExpired,
		},
		"is refused when the clock turns out to be before its beginning": {
			change: func(d *dial, _ *published) { d.set(now.Add(-time.Hour)) }, reason: oauth.ReasonNotYetValid,
		},
		"is refused when its key is no longer published": {
			change: func(_ *dial, source *published) { source.set = publish(t, signingKeys()[jose.RS256]).set }, reason: oauth.ReasonUnknownKey,
		},
		"is refused when another key took its key's name": {
			change: func(_ *dial, source *published) {
				other, err := jose.GenerateKey(jose.EdDSA, signingKeys()[jose.EdDSA].ID())
				if err != nil {
					t.Fatal(err)
				}
				source.set = publish(t, other).set
			},
			reason: oauth.ReasonBadSignature,
		},
		"is accepted when the set was renewed and holds its key": {
			change: func(_ *dial, source *published) {
				renewed, changed := publish(t, signingKeys()[jose.EdDSA], signingKeys()[jose.RS256]).set.Renew(source.set)
				if !changed {
					t.Error("the set did not change")
				}
				source.set = renewed
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, d, source := watched(t)
			text := token(t, map[string]any{"exp": exp.Unix(), "nbf": now.Unix()})
			wantCaller(t, v, text)
			c.change(d, source)
			if c.reason != "" {
				wantRefusal(t, v, text, c.reason)
				return
			}
			wantCaller(t, v, text)
			if asked := source.askedFor(); asked != 1 {
				t.Errorf("the signature was checked %d times, want the cached answer", asked)
			}
		})
	}
}

func TestACachedTokenIsGoodForItsResourceAlone(t *testing.T) {
	t.Parallel()
	v, _, _ := watched(t)
	text := token(t, nil)
	wantCaller(t, v, text)
	other := resource + "/sse"
	if _, err := v.Verify(context.Background(), presented(text, other)); !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonAudience}) {
		t.Errorf("got %v for another resource, want a refusal for its audience", err)
	}
	both := token(t, map[string]any{"aud": []string{resource, other}})
	for range 2 {
		for _, r := range []string{resource, other} {
			info, err := v.Verify(context.Background(), presented(both, r))
			if err != nil || info.Resource != r {
				t.Errorf("got %+v, %v for %s", info, err, r)
			}
		}
	}
}

// Only the whole token finds what is cached: another one that ends like it does not.
func TestATokenThatLooksLikeACachedOneIsVerified(t *testing.T) {
	t.Parallel()
	v, _, _ := watched(t)
	good := token(t, nil)
	wantCaller(t, v, good)
	forged := signedWith(t, signingKeys()[jose.EdDSA], nil, payload(t, map[string]any{"sub": "user-2"}))
	tail := good[strings.LastIndexByte(good, '.'):]
	wantRefusal(t, v, forged[:strings.LastIndexByte(forged, '.')]+tail, oauth.ReasonBadSignature)
	wantRefusal(t, v, good[1:])
	wantRefusal(t, v, tail)
	wantRefusal(t, v, tail[len(tail)-32:])
	wantRefusal(t, v, "")
}

func TestAForgottenTokenIsVerifiedAnewForEveryResource(t *testing.T) {
	t.Parallel()
	v, _, source := watched(t)
	text, other := signed(t, jose.ES256, nil, payload(t, nil)), signed(t, jose.EdDSA, nil, payload(t, nil))
	for _, token := range []string{text, other} {
		if _, err := v.Verify(t.Context(), presented(token, resource)); err != nil {
			t.Fatal(err)
		}
	}
	v.Forget(text)
	if v.Recall(text, resource) != nil || v.Recall(other, resource) == nil {
		t.Error("the cache forgets another token, or too little")
	}
	before := source.askedFor()
	for range 2 {
		if _, err := v.Verify(t.Context(), presented(text, resource)); err != nil {
			t.Fatal(err)
		}
	}
	if source.askedFor() != before+1 {
		t.Errorf("the keys were asked for %d times", source.askedFor()-before)
	}
	off, _, _ := watched(t, cacheLimits(verify.TokenCache{Off: true}))
	off.Forget(text) // nothing to forget
}

func TestATokenIsVerifiedAnewAfterMaxAge(t *testing.T) {
	t.Parallel()
	v, d, source := watched(t, cacheLimits(verify.TokenCache{MaxAge: time.Minute}))
	text := token(t, nil)
	first := wantCaller(t, v, text)
	d.advance(time.Minute - 1)
	if wantCaller(t, v, text) != first {
		t.Error("verified anew before its time")
	}
	d.advance(1)
	if wantCaller(t, v, text) == first || source.askedFor() != 2 {
		t.Error("not verified anew after MaxAge")
	}
}

func TestNothingIsCachedWhereThatWouldBeWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*verify.Config)
		token  string
	}{
		"when the cache is off":            {change: cacheLimits(verify.TokenCache{Off: true}), token: token(t, nil)},
		"when signatures are not checked":  {change: func(c *verify.Config) { c.Insecure.SkipSignature = true }, token: token(t, nil)},
		"when the token is larger than it": {change: cacheLimits(verify.TokenCache{MaxBytes: 1000}), token: token(t, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, _, _ := watched(t, c.change)
			if first, second := wantCaller(t, v, c.token), wantCaller(t, v, c.token); first == second {
				t.Error("the caller came from the cache")
			}
		})
	}
}

func TestTokensOfASharedSecretAreCachedToo(t *testing.T) {
	t.Parallel()
	const secret = "test-secret-test-secret-test-secret"
	key, err := jose.NewSecretSigningKey(jose.HS256, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, func(c *verify.Config) {
		c.Keys = nil
		c.Rules.Algorithms = []string{"HS256"}
		c.Rules.SharedSecrets = []facts.SharedSecret{{Algorithm: "HS256", Secret: secret}}
	})
	text := signedWith(t, key, nil, payload(t, nil))
	if first, second := wantCaller(t, v, text), wantCaller(t, v, text); first != second {
		t.Error("verified twice")
	}
}

// VerifyToken and Verify share what is cached, and neither takes the other's for its own.
func TestClaimsAndCallersAreCachedTogether(t *testing.T) {
	t.Parallel()
	v, _, source := watched(t)
	text := token(t, nil)
	for range 2 {
		claims, err := v.VerifyToken(context.Background(), presented(text, resource))
		if err != nil || claims.String("sub") != "user-1" {
			t.Fatalf("got %v, %v", claims, err)
		}
	}
	if asked := source.askedFor(); asked != 1 {
		t.Errorf("claims: the signature was checked %d times", asked)
	}
	for range 2 {
		if info := wantCaller(t, v, text); info == nil || info.Subject != "user-1" {
			t.Fatalf("got %+v", info)
		}
	}
	if _, err := v.VerifyToken(context.Background(), presented(text, resource)); err != nil {
		t.Error(err)
	}
	if asked := source.askedFor(); asked != 2 {
		t.Errorf("claims, then caller: the signature was checked %d times", asked)
	}
}

// The claims that [verify.JWT.VerifyToken] caches end like those that Verify does: custom providers
// use nothing else.
func TestCachedClaimsAreRefusedWhenFreshOnesWouldBe(t *testing.T) {
	t.Parallel()
	refused := func(reason oauth.Reason) error { return &oauth.Error{Code: oauth.CodeInvalidToken, Reason: reason} }
	for name, c := range map[string]struct {
		change func(d *dial, source *published)
		want   error
		asked  int
	}{
		"are given again to the last moment": {
			change: func(d *dial, _ *published) { d.advance(90*time.Second - 1) }, asked: 1,
		},
		"are refused when the token expired, after the leeway": {
			change: func(d *dial, _ *published) { d.advance(90 * time.Second) }, want: refused(oauth.ReasonExpired), asked: 1,
		},
		"are refused when the token's key is no longer published": {
			change: func(_ *dial, source *published) { source.set = publish(t, signingKeys()[jose.RS256]).set },
			want:   refused(oauth.ReasonUnknownKey), asked: 2,
		},
		"are refused when another key took its key's name": {
			change: func(_ *dial, source *published) {
				source.set = publish(t, generate(t, jose.EdDSA, signingKeys()[jose.EdDSA].ID())).set
			},
			want: refused(oauth.ReasonBadSignature), asked: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, d, source := watched(t)
			text := token(t, map[string]any{"exp": now.Add(time.Minute).Unix()})
			if _, err := v.VerifyToken(t.Context(), presented(text, resource)); err != nil {
				t.Fatal(err)
			}
			c.change(d, source)
			if _, err := v.VerifyToken(t.Context(), presented(text, resource)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if asked := source.askedFor(); asked != c.asked {
				t.Errorf("the keys were asked for %d times, want %d", asked, c.asked)
			}
		})
	}
}

// Refused tokens are not kept, whatever they are refused for: a flood of them pushes no good token
// out.
// covers: T-TOK-17
func TestAFloodOfInvalidTokensPushesNothingOut(t *testing.T) {
	t.Parallel()
	v, _, source := watched(t, cacheLimits(verify.TokenCache{MaxEntries: 4, MaxBytes: 64 << 10}))
	good := []string{token(t, map[string]any{"jti": "a"}), token(t, map[string]any{"jti": "b"})}
	callers := []*oauth.AuthInfo{wantCaller(t, v, good[0]), wantCaller(t, v, good[1])}
	expired, foreign := token(t, map[string]any{"exp": 1}), token(t, map[string]any{"aud": "https://other.example.com"})
	cut := strings.LastIndexByte(good[0], '.') + 1
	for i := range 2000 {
		for _, bad := range []string{
			fmt.Sprintf("%s%086d", good[0][:cut], i), fmt.Sprintf("%d.%s", i, good[0]), expired, foreign, fmt.Sprint("opaque", i),
		} {
			if _, err := v.Verify(context.Background(), presented(bad, resource)); !errors.Is(err, oauth.ErrInvalidToken) {
				t.Fatalf("got %v", err)
			}
		}
	}
	asked := source.askedFor()
	for i, text := range good {
		if wantCaller(t, v, text) != callers[i] {
			t.Error("a good token was verified again")
		}
	}
	if source.askedFor() != asked {
		t.Error("a key was looked up for a good token")
	}
}

func TestMistakesInTheCacheConfigurationAreErrors(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]verify.TokenCache{
		"negative entries": {MaxEntries: -1}, "negative bytes": {MaxBytes: -1}, "negative age": {MaxAge: -1},
		"an age of more than a day": {MaxAge: 25 * time.Hour},
	} {
		_, err := verify.NewJWT(verify.Config{
			Rules: facts.Rules{Issuers: []string{issuer}, Algorithms: []string{"EdDSA"}, Audience: facts.Audience{OrResource: true}},
			Keys:  asymmetric(t), Cache: limits,
		})
		if err == nil || !strings.Contains(err.Error(), "cache") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestACachedTokenStillWarnsOfInsecureSettings(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	v, d, _ := watched(t, func(c *verify.Config) {
		c.Insecure.SkipAudience = true
		c.Events = events.To(observe.Slog(slog.New(slog.NewTextHandler(&log, nil))))
	})
	text := token(t, nil)
	first := wantCaller(t, v, text)
	log.Reset()
	d.advance(2 * time.Minute)
	if wantCaller(t, v, text) != first {
		t.Error("verified anew")
	}
	if !strings.Contains(log.String(), "INSECURE") {
		t.Error("no warning")
	}
}

// keyServer answers for a provider's key set within a synctest bubble; each answer takes as long as
// delay says.
type keyServer struct {
	mu      sync.Mutex
	body    []byte
	err     error
	delay   time.Duration
	fetches int
}

func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.fetches++
	body, err, delay := s.body, s.err, s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func (s *keyServer) change(t testing.TB, change func(*keyServer), signing ...*jose.SigningKey) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(signing) > 0 {
		set, err := jose.PublicSet(signing...)
		if err != nil {
			t.Fatal(err)
		}
		s.body = set
	}
	if change != nil {
		change(s)
	}
}

// withKeyServer runs a test in a synctest bubble, whose time costs nothing, with the real key set
// of package keys.
func withKeyServer(t *testing.T, run func(t *testing.T, v *verify.JWT, server *keyServer, issue func(a jose.Algorithm) string)) {
	t.Helper()
	k := signingKeys()
	synctest.Test(t, func(t *testing.T) {
		server := &keyServer{}
		server.change(t, nil, k[jose.RS256], k[jose.ES256], k[jose.EdDSA])
		v := newVerifier(t, func(c *verify.Config) {
			c.Now = time.Now
			c.Cache.MaxAge = 24 * time.Hour
			c.Keys = keys.NewRemote(keys.Config{URL: "https://idp.example.com/jwks", Client: &http.Client{Transport: server}})
		})
		count := 0
		run(t, v, server, func(a jose.Algorithm) string {
			count++
			return signed(t, a, nil, payload(t, map[string]any{
				"iat": time.Now().Unix(), "exp": time.Now().Add(48 * time.Hour).Unix(), "jti": fmt.Sprint(count),
			}))
		})
		time.Sleep(keys.DefaultTimeout) // the last fetch ends by then; the bubble checks that it did
	})
}

// While a refresh of the keys is under way, neither cached nor first-seen tokens of known keys
// wait.
func TestNoGoodTokenWaitsForARefresh(t *testing.T) {
	t.Parallel()
	withKeyServer(t, func(t *testing.T, v *verify.JWT, server *keyServer, issue func(jose.Algorithm) string) {
		cached := issue(jose.EdDSA)
		first := wantCaller(t, v, cached)
		fresh := []string{issue(jose.RS256), issue(jose.ES256), issue(jose.EdDSA)}
		unknown, err := jose.GenerateKey(jose.ES256, "not-published-yet")
		if err != nil {
			t.Fatal(err)
		}
		stranger := signedWith(t, unknown, nil, payload(t, map[string]any{"iat": nil, "exp": time.Now().Add(48 * time.Hour).Unix()}))
		server.change(t, func(s *keyServer) { s.delay = 500 * time.Millisecond })
		for name, begin := range map[string]func(){
			"a refresh that is due": func() {
				time.Sleep(keys.DefaultSoftExpiry)
				wantCaller(t, v, cached)
			},
			"a refresh for an unknown key": func() {
				time.Sleep(keys.DefaultCoolDown)
				go func() { _, _ = v.Verify(context.Background(), presented(stranger, resource)) }()
			},
		} {
			before := server.fetches
			begin()
			synctest.Wait()
			if server.fetches != before+1 {
				t.Fatalf("%s: %d fetches began, want 1", name, server.fetches-before)
			}
			start := time.Now()
			if wantCaller(t, v, cached) != first {
				t.Errorf("%s: the cached token was verified again", name)
			}
			for _, text := range fresh {
				wantCaller(t, v, text)
			}
			if waited := time.Since(start); waited != 0 {
				t.Errorf("%s: good tokens waited %s", name, waited)
			}
			time.Sleep(time.Second)
		}
	})
}

// "A key removed from the JWKS": cached tokens end within the documented bounds of package keys,
// like others.
// covers: T-TOK-18
func TestAKeysRemovalEndsItsCachedTokens(t *testing.T) {
	t.Parallel()
	for name, idle := range map[string]time.Duration{
		"at the refresh that requests start": keys.DefaultSoftExpiry,
		"at once after a long silence":       keys.DefaultHardExpiry,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withKeyServer(t, func(t *testing.T, v *verify.JWT, server *keyServer, issue func(jose.Algorithm) string) {
				gone, stays := issue(jose.EdDSA), issue(jose.RS256)
				wantCaller(t, v, gone)
				first := wantCaller(t, v, stays)
				server.change(t, nil, signingKeys()[jose.RS256], signingKeys()[jose.ES256])
				time.Sleep(idle)
				if idle < keys.DefaultHardExpiry {
					wantCaller(t, v, gone) // known keys answer at once; the refresh runs in the background
					synctest.Wait()
				}
				wantRefusal(t, v, gone, oauth.ReasonUnknownKey)
				if wantCaller(t, v, stays) != first {
					t.Error("a token of a key that stays was verified again")
				}
			})
		})
	}
}

// A refresh that changes nothing keeps the cache, and so does an outage while the keys may still be
// used.
func TestAnUnchangedKeySetKeepsTheCache(t *testing.T) {
	t.Parallel()
	withKeyServer(t, func(t *testing.T, v *verify.JWT, server *keyServer, issue func(jose.Algorithm) string) {
		text := issue(jose.ES256)
		first := wantCaller(t, v, text)
		for range 3 {
			time.Sleep(keys.DefaultSoftExpiry)
			if wantCaller(t, v, text) != first {
				t.Error("verified again after an unchanged refresh")
			}
			synctest.Wait()
		}
		if server.fetches != 4 {
			t.Errorf("%d fetches, want 4", server.fetches)
		}
		server.change(t, func(s *keyServer) { s.err = errors.New("connection refused") })
		for range 100 {
			time.Sleep(keys.DefaultSoftExpiry / 2)
			if wantCaller(t, v, text) != first {
				t.Error("verified again while the provider was down")
			}
			synctest.Wait()
		}
		time.Sleep(keys.DefaultMaxStale)
		_, err := v.Verify(context.Background(), presented(text, resource))
		if !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
			t.Errorf("got %v after a day without the provider, want 503", err)
		}
	})
}

func TestTheCacheIsConcurrent(t *testing.T) {
	t.Parallel()
	v, _, _ := watched(t, cacheLimits(verify.TokenCache{MaxEntries: 8}))
	texts := make([]string, 24)
	for i := range texts {
		texts[i] = token(t, map[string]any{"sub": fmt.Sprint("user-", i)})
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 200 {
				n := (i*7 + worker*3) % len(texts)
				info, err := v.Verify(context.Background(), presented(texts[n], resource))
				if err != nil || info.Subject != fmt.Sprint("user-", n) {
					t.Errorf("got %+v, %v", info, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// In a flood of unknown keys a token is refused by its header; before it, and for known keys
// always, by what is wrong with it.
func TestAFloodDoesNotHideReasons(t *testing.T) {
	t.Parallel()
	withKeyServer(t, func(t *testing.T, v *verify.JWT, server *keyServer, issue func(jose.Algorithm) string) {
		good := issue(jose.EdDSA)
		wantCaller(t, v, good)
		expires := time.Now().Add(time.Hour).Unix()
		foreign := payload(t, map[string]any{"iss": "https://other.example.com", "iat": nil, "exp": expires})
		stranger := signed(t, jose.ES256, map[string]any{"kid": "stranger"}, foreign)
		wantRefusal(t, v, stranger, oauth.ReasonIssuer)
		for i := range 200 {
			_, _ = v.Verify(context.Background(), presented(signed(t, jose.EdDSA, map[string]any{"kid": fmt.Sprint("random-", i)},
				payload(t, map[string]any{"iat": nil, "exp": expires})), resource))
		}
		if server.fetches != 2 {
			t.Errorf("%d fetches, want the first and one for all unknown keys", server.fetches)
		}
		wantRefusal(t, v, stranger, oauth.ReasonUnknownKey)
		wantRefusal(t, v, signed(t, jose.EdDSA, nil, foreign), oauth.ReasonIssuer)
		wantCaller(t, v, good)
		wantCaller(t, v, issue(jose.RS256))
		time.Sleep(keys.DefaultCoolDown)
		wantRefusal(t, v, stranger, oauth.ReasonIssuer)
	})
}
