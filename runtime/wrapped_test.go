package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/google"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// counted wraps a provider as the contract asks for it: it counts, and may refuse.
type counted struct {
	oauth.Provider

	asked   *atomic.Int32
	refuses *atomic.Bool
}

func (c counted) Unwrap() oauth.Provider { return c.Provider }

func (c counted) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	c.asked.Add(1)
	if c.refuses.Load() {
		return nil, oauth.InvalidToken(oauth.ReasonRefusedByVerifier, errors.New("not today"))
	}
	return c.Provider.Verify(ctx, presented)
}

func wrapped(provider oauth.Provider) counted {
	return counted{Provider: provider, asked: &atomic.Int32{}, refuses: &atomic.Bool{}}
}

// embedded wraps without Unwrap, as somebody does who has not read the contract.
type embedded struct{ oauth.Provider }

// promoted embeds the concrete type, whose capabilities Go promotes, and refuses everybody.
type promoted struct{ *runtime.Provider }

func (promoted) Verify(context.Context, oauth.Presented) (*oauth.AuthInfo, error) {
	return nil, oauth.InvalidToken(oauth.ReasonRefusedByVerifier, nil)
}

// tamed says of a provider in mode proxy that it is in mode direct.
type tamed struct{ counted }

func (t tamed) Describe() oauth.Description {
	d := t.counted.Describe()
	d.Mode = oauth.Direct
	return d
}

// endless unwraps to itself.
type endless struct{ embedded }

func (e endless) Unwrap() oauth.Provider { return e }

func newGoogle(t *testing.T) *runtime.Provider {
	t.Helper()
	p, err := google.New(google.Config{ClientID: "id.apps.googleusercontent.com", ClientSecret: appSecret})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func paths(g *runtime.Guard) string {
	var all []string
	for _, r := range g.Routes() {
		all = append(all, r.Path)
	}
	return strings.Join(all, " ")
}

func TestAWrappedProviderKeepsEveryCapability(t *testing.T) {
	t.Parallel()
	t.Run("D6: it has all routes of mode proxy", func(t *testing.T) {
		t.Parallel()
		bare := newGuard(t, newGoogle(t), nil)
		for name, provider := range map[string]oauth.Provider{
			"by Unwrap": wrapped(newGoogle(t)), "twice": wrapped(wrapped(newGoogle(t))), "by embedding the type": promoted{newGoogle(t)},
		} {
			if got, want := paths(newGuard(t, provider, nil)), paths(bare); got != want {
				t.Errorf("%s: routes %s, want %s", name, got, want)
			}
		}
	})
	t.Run("D6: without Unwrap it is an error at the start", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			provider oauth.Provider
			says     string
		}{
			"embedded":        {embedded{newGoogle(t)}, "Unwrap() oauth.Provider"},
			"endless":         {endless{embedded{newGoogle(t)}}, "Unwrap() oauth.Provider"},
			"another mode":    {tamed{wrapped(newGoogle(t))}, "must keep the mode"},
			"a nil pointer":   {(*runtime.Provider)(nil), "needs a provider"},
			"nothing":         {nil, "needs a provider"},
			"a hand-made one": {handMade{}, "can only be in mode direct"},
		} {
			_, err := runtime.NewGuard(c.provider, runtime.GuardConfig{Resource: resource})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
			}
		}
	})
	t.Run("it maps users and serves its metadata", func(t *testing.T) {
		t.Parallel()
		p := newIDP(t).provider(t)
		outer := wrapped(wrapped(p))
		mapper, ok := oauth.Capability[oauth.UserMapper](outer)
		if !ok || mapper != oauth.UserMapper(p) {
			t.Error("the mapping of users was not found")
		}
		server, ok := oauth.Capability[oauth.MetadataServer](outer)
		if !ok || server != oauth.MetadataServer(p) {
			t.Error("the metadata was not found")
		}
		if _, ok := oauth.Capability[oauth.UserMapper](embedded{p}); ok {
			t.Error("a capability was found without Unwrap")
		}
	})
}

// handMade says that it is in mode proxy, for which the engine is needed.
type handMade struct{ embedded }

func (handMade) Describe() oauth.Description {
	return oauth.Description{Name: "mine", Mode: oauth.Proxy, Issuer: "https://idp.example.com"}
}

// A known token of the bare provider is served from its memory. No wrapper may be skipped by that.
func TestRememberedCallersNeverSkipAWrapper(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	p := i.provider(t)
	token := i.token(t, nil)
	whoami := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	status := func(provider oauth.Provider) int {
		return send(newGuard(t, provider, nil).Protect(whoami), http.MethodPost, "/mcp", http.Header{"Authorization": {"Bearer " + token}}).StatusCode
	}
	if got := status(p); got != http.StatusOK {
		t.Fatalf("the bare provider: %d", got)
	}
	one := wrapped(p)
	two := wrapped(one)
	for name, provider := range map[string]oauth.Provider{"one wrapper": one, "two wrappers": two, "without Unwrap": embedded{one}} {
		for range 2 {
			if got := status(provider); got != http.StatusOK {
				t.Errorf("%s: %d, want 200", name, got)
			}
		}
	}
	if one.asked.Load() != 6 || two.asked.Load() != 2 {
		t.Errorf("the inner wrapper was asked %d times, the outer %d times, want 6 and 2", one.asked.Load(), two.asked.Load())
	}
	one.refuses.Store(true)
	for name, provider := range map[string]oauth.Provider{
		"one wrapper that refuses": one, "an outer wrapper around it": two, "around it without Unwrap": embedded{one},
		"one that embeds the type": promoted{p}, "the same by pointer": &promoted{p},
	} {
		if got := status(provider); got != http.StatusUnauthorized {
			t.Errorf("%s: %d, want 401", name, got)
		}
	}
	if got := status(p); got != http.StatusOK {
		t.Errorf("the bare provider after all: %d", got)
	}
}

func TestAWrapperSeesHowATokenWasPresented(t *testing.T) {
	t.Parallel()
	var seen oauth.Presented
	p := seeing{Provider: newIDP(t).provider(t), seen: &seen}
	g := newGuard(t, p, func(c *runtime.GuardConfig) { c.Subpaths = []string{"/sse"} })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://attacker.example.net/mcp/sse/one?x=1", nil)
	r.Host = "attacker.example.net"
	r.Header.Set("X-Forwarded-Host", "attacker.example.net")
	r.Header.Set("Authorization", "Bearer abc")
	r.Header.Set("DPoP", "proof")
	_, _ = g.Authenticate(r)
	want := oauth.Presented{
		Token: "abc", Scheme: "Bearer", Resource: resource + "/sse", Method: http.MethodPost, URL: resource + "/sse/one", Proof: "proof",
	}
	if seen != want {
		t.Errorf("got %+v, want %+v", seen.URL, want.URL)
	}
	r.Header.Add("DPoP", "another")
	_, _ = g.Authenticate(r)
	if seen.Proof != "" {
		t.Error("one of two proofs was taken")
	}
	if _, err := newIDP(t).provider(t).Verify(t.Context(), oauth.Presented{Token: "abc", Scheme: "DPoP", Resource: resource}); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("a token of another scheme: %v", err)
	}
}

type seeing struct {
	oauth.Provider

	seen *oauth.Presented
}

func (s seeing) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	*s.seen = presented
	return s.Provider.Verify(ctx, presented)
}

func (s seeing) Unwrap() oauth.Provider { return s.Provider }

// covers: D6
func TestAWrapperIsAskedAboutEveryTokenInModeProxy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens   func(*devidp.Config)
		provider func(*testing.T, *devidp.TestServer, ...runtime.Option) *runtime.Provider
		sealed   bool
	}{
		"passed through":            {jwtTokens, introspectedJWTs, false},
		"sealed, by a verifier":     {jwtTokens, generic, true},
		"sealed, by introspection":  {opaqueTokens, introspected, true},
		"sealed, bound by exchange": {opaqueTokens, byUserInfo, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var outer counted
			f := newFrontAround(t, c.tokens, c.provider, func(p oauth.Provider) oauth.Provider {
				outer = wrapped(wrapped(p))
				return outer
			})
			s := f.newSession(t)
			s.logIn("alice")
			if got := outer.asked.Load(); got != 1 {
				t.Fatalf("asked %d times at login, want once", got)
			}
			if user := s.whoIs(); user["userId"] != "user-alice" {
				t.Errorf("the caller is %v", user)
			}
			want := int32(2)
			if c.sealed { // the provider's token is not presented at a request
				want = 1
			}
			if got := outer.asked.Load(); got != want {
				t.Errorf("asked %d times until the first request, want %d", got, want)
			}
			s.refresh(http.StatusOK)
			if got := outer.asked.Load(); got != want+1 {
				t.Errorf("asked %d times until the refresh, want %d", got, want+1)
			}
			s.whoIs()
			outer.refuses.Store(true)
			if code := s.refresh(http.StatusBadRequest); code != oauth.CodeInvalidGrant {
				t.Errorf("a refused refresh gives %s", code)
			}
			outer.refuses.Store(false)
			if code := s.refresh(http.StatusBadRequest); code != oauth.CodeInvalidGrant {
				t.Errorf("the refusal did not end the grant: %s", code)
			}
			if response := s.get(f.resource, s.tokens.AccessToken); c.sealed && response.StatusCode != http.StatusUnauthorized {
				t.Errorf("an access token of the ended grant: %s", response.Status)
			}
		})
	}
}

// byUserInfo is a provider by hand whose answers name no application: it accepts no token that
// comes from outside.
func byUserInfo(t *testing.T, idp *devidp.TestServer, opts ...runtime.Option) *runtime.Provider {
	t.Helper()
	in := runtime.NewInputs("Example", opts...)
	base := in.URL(idp.Issuer(), runtime.Field{Name: "issuer"})
	p, err := runtime.New(in, runtime.Definition{
		Name: "example", Title: "Example", Mode: oauth.Proxy, Issuer: base,
		Endpoints: oauth.Endpoints{
			Authorization: base + "/authorize", Token: base + "/token", Revocation: base + "/revoke", UserInfo: base + "/userinfo",
		},
		UserInfo: &facts.UserInfo{},
		Binding:  facts.Binding{Exchange: true},
		Upstream: &facts.Upstream{
			Credentials: facts.Credentials{ClientID: appID, ClientSecret: appSecret}, RequiredScopes: []string{"openid", "offline_access"},
		},
		Scopes: []string{"openid", "email", "profile"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAWrapperThatRefusesALoginLetsNothingBeIssued(t *testing.T) {
	t.Parallel()
	var outer counted
	f := newFrontAround(t, opaqueTokens, introspected, func(p oauth.Provider) oauth.Provider {
		outer = wrapped(p)
		return outer
	})
	outer.refuses.Store(true)
	s := f.newSession(t)
	if code := s.tryLogIn("alice", http.StatusBadRequest); code != oauth.CodeInvalidGrant {
		t.Errorf("got %s, want invalid_grant", code)
	}
	if s.tokens.AccessToken != "" || outer.asked.Load() != 1 {
		t.Errorf("a token was issued, or the wrapper was asked %d times", outer.asked.Load())
	}
}

// failing is a wrapper that breaks once: its error is no refusal.
type failing struct {
	counted

	broken *atomic.Bool
}

func (f failing) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	if f.broken.Load() {
		return nil, errors.New("the table of members cannot be read")
	}
	return f.counted.Verify(ctx, presented)
}

func TestAWrapperThatBreaksAtARefreshCostsNoLogin(t *testing.T) {
	t.Parallel()
	outer := failing{broken: &atomic.Bool{}}
	f := newFrontAround(t, opaqueTokens, introspected, func(p oauth.Provider) oauth.Provider {
		outer.counted = wrapped(p)
		return outer
	})
	s := f.newSession(t)
	s.logIn("alice")
	outer.broken.Store(true)
	if code := s.refresh(http.StatusInternalServerError); code != oauth.CodeServerError {
		t.Errorf("got %s, want server_error", code)
	}
	outer.broken.Store(false)
	s.refresh(http.StatusOK)
}
