package verify_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// ticking replaces the clock by one that the test moves.
type ticking struct{ offset atomic.Int64 }

func (c *ticking) now() time.Time             { return opaqueNow.Add(time.Duration(c.offset.Load())) }
func (c *ticking) set(offset time.Duration)   { c.offset.Store(int64(offset)) }
func (c *ticking) use(o *verify.OpaqueConfig) { o.Now = c.now }

// askedAfter verifies the test's token and says how often the provider has been asked by then.
func askedAfter(t *testing.T, o *verify.Opaque, p *providerAPI) int {
	t.Helper()
	_, _ = o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
	return p.calls()
}

func TestAcceptedAnswersAreReliedOnForTheirTime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  map[string]any
		cache   verify.AnswerCache
		leeway  time.Duration
		at      time.Duration
		cached  bool
		advance []time.Duration
	}{
		"not asked about again before the default time":   {at: 59 * time.Second, cached: true},
		"asked about again after the default time":        {at: time.Minute},
		"not asked about again before the configured":     {cache: verify.AnswerCache{TTL: time.Hour}, at: 59 * time.Minute, cached: true},
		"use does not prolong the time":                   {advance: []time.Duration{30 * time.Second, 59 * time.Second}, at: 61 * time.Second},
		"never relied on past exp":                        {answer: map[string]any{"exp": opaqueNow.Unix() + 10}, at: 10 * time.Second},
		"relied on until exp":                             {answer: map[string]any{"exp": opaqueNow.Unix() + 10}, at: 9 * time.Second, cached: true},
		"not relied on when only the leeway accepts them": {answer: map[string]any{"exp": opaqueNow.Unix() - 1}, at: 0},
		"not relied on with the cache off":                {cache: verify.AnswerCache{Off: true}},
		"not relied on when the clock was set back":       {at: -time.Second},
	} {
		t.Run("accepted answers are "+name, func(t *testing.T) {
			t.Parallel()
			clock := &ticking{}
			p := says(200, active(t, c.answer))
			o := introspection(t, p, func(config *verify.IntrospectionConfig) {
				clock.use(&config.OpaqueConfig)
				config.Cache = c.cache
			})
			wantAccepted(t, o)
			for _, at := range c.advance {
				clock.set(at)
				wantAccepted(t, o)
			}
			clock.set(c.at)
			if asked := askedAfter(t, o, p); (asked == 1) != c.cached {
				t.Errorf("the provider was asked %d times", asked)
			}
		})
	}
}

func TestOnlyWhatWouldBeAcceptedIsRecalled(t *testing.T) {
	t.Parallel()
	clock := &ticking{}
	p := says(200, active(t, nil))
	o := introspection(t, p, byAudience, func(c *verify.IntrospectionConfig) { clock.use(&c.OpaqueConfig) })
	recalled := func(resource string) bool { return o.Recall(opaqueToken, resource) != nil }
	if recalled(opaqueResource) || p.calls() != 0 {
		t.Error("a token was recalled that nobody verified")
	}
	info := wantAccepted(t, o)
	if o.Recall(opaqueToken, opaqueResource) != info || p.calls() != 1 {
		t.Error("the caller is not recalled")
	}
	const other = "https://mcp.example.com/other"
	if _, err := o.Verify(t.Context(), presented(opaqueToken, other)); err == nil || recalled(other) {
		t.Errorf("a token is recalled at a resource that it is not for: %v", err)
	}
	if clock.set(time.Minute); recalled(opaqueResource) {
		t.Error("a token is recalled after its time")
	}
	refused := introspection(t, says(200, `{"active":false}`))
	wantRefused(t, refused, oauth.ReasonInactive)
	if refused.Recall(opaqueToken, opaqueResource) != nil {
		t.Error("a refused token is recalled")
	}
	exchanged := userInfo(t, says(200, `{"sub":"alice"}`))
	if _, err := exchanged.VerifyExchanged(t.Context(), opaqueToken, opaqueResource); err != nil ||
		exchanged.Recall(opaqueToken, opaqueResource) != nil {
		t.Errorf("a token is recalled that is not accepted from outside: %v", err)
	}
}

func TestRefusalsAreReliedOnShortly(t *testing.T) {
	t.Parallel()
	clock := &ticking{}
	p := says(200, `{"active":false}`)
	o := introspection(t, p, func(c *verify.IntrospectionConfig) { clock.use(&c.OpaqueConfig) })
	for _, step := range []struct {
		at    time.Duration
		asked int
	}{{0, 1}, {4 * time.Second, 1}, {5 * time.Second, 2}, {9 * time.Second, 2}, {10 * time.Second, 3}} {
		clock.set(step.at)
		wantRefused(t, o, oauth.ReasonInactive)
		if p.calls() != step.asked {
			t.Errorf("after %s the provider was asked %d times, want %d", step.at, p.calls(), step.asked)
		}
	}
}

// TestARefusalIsForOneRequestAlone: a guard writes the caller into it.
func TestARefusalIsForOneRequestAlone(t *testing.T) {
	t.Parallel()
	o := introspection(t, says(200, `{"active":false}`))
	for range 3 {
		e := wantRefused(t, o, oauth.ReasonInactive)
		if e.Caller != nil {
			t.Fatal("the refusal of another request")
		}
		_ = e.For(&oauth.AuthInfo{Subject: "somebody"})
	}
}

// TestAFloodOfGarbagePushesNothingOut: "a million distinct invalid tokens: memory bounded, valid
// callers keep being served".
func TestAFloodOfGarbagePushesNothingOut(t *testing.T) {
	t.Parallel()
	good := active(t, nil)
	p := &providerAPI{answer: func(r asked) *http.Response {
		if strings.Contains(r.Body, "garbage") {
			return reply(200, `{"active":false}`)
		}
		return reply(200, good)
	}}
	o := introspection(t, p, func(c *verify.IntrospectionConfig) { c.Cache.MaxEntries = 8 })
	wantAccepted(t, o)
	for i := range 1000 {
		if _, err := o.Verify(t.Context(), presented(fmt.Sprintf("garbage-%d", i), opaqueResource)); err == nil {
			t.Fatal("garbage was accepted")
		}
	}
	before := p.calls()
	if wantAccepted(t, o); p.calls() != before {
		t.Errorf("the good token was pushed out")
	}
	if accepted, refused := verify.CachedAnswers(o); accepted != 1 || refused != 8 {
		t.Errorf("%d accepted and %d refused tokens are kept, want 1 and 8", accepted, refused)
	}
}

func TestAFullCacheDropsWhatWasUsedLongestAgo(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p, func(c *verify.IntrospectionConfig) { c.Cache.MaxEntries = 3 })
	verifyAll := func(tokens ...string) {
		for _, token := range tokens {
			if _, err := o.Verify(t.Context(), presented(token, opaqueResource)); err != nil {
				t.Fatal(err)
			}
		}
	}
	verifyAll("one", "two", "three", "one", "four") // two goes
	before := p.calls()
	if verifyAll("one", "three", "four"); p.calls() != before {
		t.Errorf("a token was dropped that was used")
	}
	if verifyAll("two"); p.calls() != before+1 {
		t.Errorf("the token used longest ago was kept")
	}
}

func TestTheMemoryOfACacheIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sizes          []int
		entries, bytes int
	}{
		"as many as fit":                   {[]int{40, 40, 20}, 3, 100},
		"the oldest go for a new one":      {[]int{40, 40, 30}, 2, 70},
		"one that never fits is not kept":  {[]int{40, 101}, 1, 40},
		"one that takes all leaves itself": {[]int{40, 40, 100}, 1, 100},
	} {
		if entries, bytes := verify.KeptBytes(100, c.sizes...); entries != c.entries || bytes != c.bytes {
			t.Errorf("%s: %d entries of %d bytes, want %d of %d", name, entries, bytes, c.entries, c.bytes)
		}
	}
}

func TestAForgottenTokenIsAskedAboutAgain(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p)
	wantAccepted(t, o)
	p.answer = func(asked) *http.Response { return reply(200, `{"active":false}`) }
	wantAccepted(t, o)
	o.Forget(opaqueToken)
	wantRefused(t, o, oauth.ReasonInactive)
	p.answer = func(asked) *http.Response { return reply(200, active(t, nil)) }
	wantRefused(t, o, oauth.ReasonInactive)
	o.Forget(opaqueToken)
	wantAccepted(t, o)
}

// TestAnAnswerFromBeforeIsNotKept: a question that was under way when its token was forgotten, or
// refused, brings nothing back.
func TestAnAnswerFromBeforeIsNotKept(t *testing.T) {
	t.Parallel()
	for name, interfere := range map[string]func(t *testing.T, p *providerAPI, o *verify.Opaque){
		"forgotten": func(_ *testing.T, _ *providerAPI, o *verify.Opaque) { o.Forget(opaqueToken) },
		"refused": func(t *testing.T, p *providerAPI, o *verify.Opaque) {
			time.Sleep(time.Millisecond) // of the bubble's clock: the refusal is later than the question
			p.answer = func(asked) *http.Response { return reply(200, `{"active":false}`) }
			_, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
			wantError(t, nil, err, http.StatusUnauthorized, oauth.ReasonInactive)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				good := jsonOf(t, map[string]any{"active": true, "token_type": "Bearer", "sub": "alice", "client_id": opaqueClient, "exp": time.Now().Unix() + 600}, nil)
				p := says(200, good)
				p.before = g.pass
				o := introspection(t, p, func(c *verify.IntrospectionConfig) { c.Now = time.Now })
				done := make(chan error)
				p.answer = func(asked) *http.Response { return reply(200, good) }
				go func() {
					_, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
					done <- err
				}()
				synctest.Wait()
				slow := g.take() // only the first question waits
				interfere(t, p, o)
				p.answer = func(asked) *http.Response { return reply(200, good) }
				close(slow)
				if err := <-done; err != nil {
					t.Fatalf("the first question: %v", err)
				}
				if accepted, _ := verify.CachedAnswers(o); accepted != 0 {
					t.Errorf("its answer was kept")
				}
			})
		})
	}
}

func TestAFreshCheckAsksWhateverIsCached(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p)
	wantAccepted(t, o)
	if _, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource); err != nil || p.calls() != 2 {
		t.Fatalf("%v after %d calls", err, p.calls())
	}
	p.answer = func(asked) *http.Response { return reply(500, "") }
	info, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
	wantError(t, info, err, http.StatusServiceUnavailable, oauth.ReasonProviderUnavailable)
	wantAccepted(t, o) // an outage ends nothing
	p.answer = func(asked) *http.Response { return reply(200, `{"active":false}`) }
	info, err = o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
	wantError(t, info, err, http.StatusUnauthorized, oauth.ReasonInactive)
	wantRefused(t, o, oauth.ReasonInactive) // it ends what was cached
	p.answer = func(asked) *http.Response { return reply(200, active(t, nil)) }
	if _, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource); err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, o) // and what it finds is cached
	if p.calls() != 5 {
		t.Errorf("%d calls, want 5", p.calls())
	}
}

// A token that is for one of this server's resources alone is still good there.
func TestARefusalForOneResourceEndsNothingElsewhere(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p, byAudience)
	wantAccepted(t, o)
	info, err := o.VerifyExchanged(t.Context(), opaqueToken, "https://mcp.example.com/other")
	wantError(t, info, err, http.StatusUnauthorized, oauth.ReasonAudience)
	if wantAccepted(t, o); p.calls() != 2 {
		t.Errorf("the provider was asked %d times: its answer was dropped", p.calls())
	}
}

// When an accepted answer's time is over, the provider is asked: what it said before that answer
// counts no more.
func TestAnAcceptedTokenLeavesNoRefusalBehind(t *testing.T) {
	t.Parallel()
	clock := &ticking{}
	p := says(200, `{"active":false}`)
	o := introspection(t, p, func(c *verify.IntrospectionConfig) {
		clock.use(&c.OpaqueConfig)
		c.Cache = verify.AnswerCache{TTL: time.Second, RefusalTTL: time.Minute}
	})
	wantRefused(t, o, oauth.ReasonInactive)
	p.answer = func(asked) *http.Response { return reply(200, active(t, nil)) }
	clock.set(10 * time.Second)
	if _, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource); err != nil {
		t.Fatal(err)
	}
	clock.set(12 * time.Second)
	if wantAccepted(t, o); p.calls() != 3 {
		t.Errorf("the provider was asked %d times, want 3", p.calls())
	}
}

func TestAFreshCheckKeepsToTheBinding(t *testing.T) {
	t.Parallel()
	for _, o := range []*verify.Opaque{
		introspection(t, says(200, active(t, map[string]any{"client_id": "other"}))),
		introspection(t, says(200, active(t, map[string]any{"aud": "https://other.example.com"})), byAudience),
	} {
		info, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
		wantError(t, info, err, http.StatusUnauthorized, oauth.ReasonAudience)
	}
}

func TestACallerWithoutItsProfileIsReliedOnShortly(t *testing.T) {
	t.Parallel()
	clock := &ticking{}
	user := reply(500, "")
	p := &providerAPI{answer: func(r asked) *http.Response {
		if r.URL == userInfoURL {
			return user
		}
		return reply(200, active(t, nil))
	}}
	profile, err := verify.NewProfile(verify.ProfileConfig{
		URL:    userInfoURL,
		Client: p.client(),
		Profile: facts.Profile{
			Optional: true,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := introspection(t, p, func(c *verify.IntrospectionConfig) {
		clock.use(&c.OpaqueConfig)
		c.Profile = profile
	})
	wantAccepted(t, o)
	user = reply(200, `{"sub":"alice","name":"Alice"}`)
	clock.set(5 * time.Second)
	if info := wantAccepted(t, o); info.Claims.String("name") != "Alice" {
		t.Errorf("the profile did not arrive")
	}
}

func TestMistakesInAnOpaqueConfigurationAreErrors(t *testing.T) {
	t.Parallel()
	type change = func(*verify.IntrospectionConfig)
	for name, c := range map[string]struct {
		change change
		want   string
	}{
		"nothing that binds": {func(c *verify.IntrospectionConfig) { c.Binding = facts.Binding{} }, "nothing ties tokens"},
		"an empty client id": {func(c *verify.IntrospectionConfig) { c.Binding.ClientIDs = []string{""} }, "nothing ties tokens"},
		"an audience of nothing": {func(c *verify.IntrospectionConfig) {
			c.Binding = facts.Binding{Audience: facts.Audience{AnyOf: []string{""}}}
		}, "nothing ties tokens"},
		"a binding to the issuer": {func(c *verify.IntrospectionConfig) {
			c.Binding = facts.Binding{Audience: facts.Audience{IssuerBound: "because"}}
		}, "nothing ties tokens"},
		"two kinds of binding":   {func(c *verify.IntrospectionConfig) { c.Binding.Exchange = true }, "drop the one or the other"},
		"a broken path":          {func(c *verify.IntrospectionConfig) { c.Binding.ClientClaims = []string{"app..id"} }, "empty part"},
		"no issuer":              {func(c *verify.IntrospectionConfig) { c.Issuers = nil }, "issuer is missing"},
		"no URL":                 {func(c *verify.IntrospectionConfig) { c.URL = "" }, "the URL is required"},
		"a relative URL":         {func(c *verify.IntrospectionConfig) { c.URL = "/introspect" }, "absolute"},
		"plain http":             {func(c *verify.IntrospectionConfig) { c.URL = "http://idp.example.com/x" }, "https"},
		"credentials in the URL": {func(c *verify.IntrospectionConfig) { c.URL = "https://a:b@idp.example.com/x" }, "credentials"},
		"a fragment":             {func(c *verify.IntrospectionConfig) { c.URL = "https://idp.example.com/x#y" }, "fragment"},
		"no secret":              {func(c *verify.IntrospectionConfig) { c.ClientSecret = "" }, "ClientSecret is required"},
		"no client id":           {func(c *verify.IntrospectionConfig) { c.ClientID = "" }, "ClientID is required"},
		"an unknown method":      {func(c *verify.IntrospectionConfig) { c.AuthMethod = "digest" }, "digest"},
		"a signature to skip":    {func(c *verify.IntrospectionConfig) { c.Insecure.SkipSignature = true }, "no signature"},
		"a cache for two hours":  {func(c *verify.IntrospectionConfig) { c.Cache.TTL = 2 * time.Hour }, "at most 1h0m0s"},
		"a negative cache time":  {func(c *verify.IntrospectionConfig) { c.Cache.RefusalTTL = -1 }, "at most 1h0m0s"},
		"a negative cache":       {func(c *verify.IntrospectionConfig) { c.Cache.MaxEntries = -1 }, "negative"},
		"a negative limit":       {func(c *verify.IntrospectionConfig) { c.MaxConcurrent = -1 }, "negative"},
		"a leeway of an hour":    {func(c *verify.IntrospectionConfig) { c.Leeway = time.Hour }, "leeway"},
		"a requirement of nothing": {func(c *verify.IntrospectionConfig) {
			c.Require = []facts.Requirement{{Claim: "a", AnyOf: []string{""}}}
		}, "empty string"},
		"all mistakes at once":      {func(c *verify.IntrospectionConfig) { c.URL, c.Issuers = "", nil }, "the URL is required"},
		"the other of the mistakes": {func(c *verify.IntrospectionConfig) { c.URL, c.Issuers = "", nil }, "issuer is missing"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			config := verify.IntrospectionConfig{
				OpaqueConfig: common(says(200, "")),
				URL:          "https://idp.example.com/introspect",
				Introspection: facts.Introspection{
					Credentials: facts.Credentials{ClientID: opaqueClient, ClientSecret: opaqueSecret},
				},
			}
			c.change(&config)
			_, err := verify.NewIntrospection(config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			wantNoSecrets(t, err.Error())
			wantNoSecrets(t, fmt.Sprintf("%v %+v %#v", config, config, config))
		})
	}
}

func TestMistakesInATokenInfoConfigurationAreErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*verify.TokenInfoConfig)
		want   string
	}{
		"no expiry":         {func(c *verify.TokenInfoConfig) { c.Expiry = nil }, "nothing says when a token ends"},
		"an unknown format": {func(c *verify.TokenInfoConfig) { c.Expiry[0].Format = "days" }, "days"},
		"a broken path":     {func(c *verify.TokenInfoConfig) { c.Expiry[0].Claim = "" }, "empty part"},
		"an unknown place":  {func(c *verify.TokenInfoConfig) { c.Place = "cookie" }, "cookie"},
		"a header with two credentials": {func(c *verify.TokenInfoConfig) {
			c.Place, c.AuthMethod, c.ClientID, c.ClientSecret = facts.TokenInHeader, facts.AuthBasic, "a", "b"
		}, "cannot carry both"},
		"a secret in a GET": {func(c *verify.TokenInfoConfig) {
			c.Place, c.AuthMethod, c.ClientID, c.ClientSecret = facts.TokenInQuery, facts.AuthPost, "a", "b"
		}, "client_secret_post needs"},
		"a path without a place for the token": {func(c *verify.TokenInfoConfig) { c.Place = facts.TokenInPath }, "{token} once"},
		"a token that is a part of a segment": {func(c *verify.TokenInfoConfig) {
			c.Place, c.URL = facts.TokenInPath, "https://idp.example.com/tokens-{token}"
		}, "{token} once"},
		"a token in the host": {func(c *verify.TokenInfoConfig) {
			c.Place, c.URL = facts.TokenInPath, "https://{token}.example.com/info"
		}, "URL"},
		"two places for the token": {func(c *verify.TokenInfoConfig) {
			c.Place, c.URL = facts.TokenInPath, "https://idp.example.com/{token}/info?token={token}"
		}, "{token} once"},
		"a place for a token that goes elsewhere": {func(c *verify.TokenInfoConfig) { c.URL += "/{token}" }, "must not have {token}"},
		"a header that is ours":                   {func(c *verify.TokenInfoConfig) { c.Header = map[string]string{"authorization": "x"} }, "not free"},
		"a header that splits":                    {func(c *verify.TokenInfoConfig) { c.Header = map[string]string{"X-A": "b\r\nc: d"} }, "cannot be sent"},
		"a status that is no refusal":             {func(c *verify.TokenInfoConfig) { c.InvalidStatus = []int{503} }, "503"},
		"an empty error code":                     {func(c *verify.TokenInfoConfig) { c.InvalidErrors = []string{""} }, "InvalidErrors"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			config := verify.TokenInfoConfig{
				OpaqueConfig: common(says(200, "")),
				URL:          "https://idp.example.com/info",
				TokenInfo: facts.TokenInfo{
					Expiry: []facts.Expiry{{Claim: "exp", Format: facts.ExpirySeconds}},
				},
			}
			c.change(&config)
			if _, err := verify.NewTokenInfo(config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := verify.NewProfile(verify.ProfileConfig{
		URL: "ftp://a.example.com",
		Profile: facts.Profile{
			EmailsURL: "x",
			Subject:   []string{"."},
		},
	}); err == nil {
		t.Error("a broken profile was accepted")
	}
	if _, err := verify.NewUserInfo(verify.UserInfoConfig{}); err == nil {
		t.Error("an empty configuration was accepted")
	}
}

func TestTokensThatCannotBeTokensGoNowhere(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p)
	for name, token := range map[string]string{
		"empty": "", "with a space": "a b", "with a line break": "a\r\nb", "with NUL": "a\x00b", "beyond ASCII": "tökén",
		"with invalid UTF-8": "a\xff", "of a megabyte": strings.Repeat("a", 1<<20),
	} {
		for _, check := range []func() (*oauth.AuthInfo, error){
			func() (*oauth.AuthInfo, error) { return o.Verify(t.Context(), presented(token, opaqueResource)) },
			func() (*oauth.AuthInfo, error) { return o.VerifyExchanged(t.Context(), token, opaqueResource) },
		} {
			info, err := check()
			if !errors.Is(err, oauth.ErrInvalidToken) || info != nil {
				t.Errorf("a token %s: %v", name, err)
			}
		}
	}
	if p.calls() != 0 {
		t.Errorf("%d of them went out", p.calls())
	}
}
