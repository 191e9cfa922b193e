package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// idp is a provider's key set on loopback, and its signing key.
type idp struct {
	url string
	key *jose.SigningKey
}

const idpIssuer = "https://idp.example.com/tenant"

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := jose.GenerateKey(jose.EdDSA, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	t.Cleanup(server.Close)
	return &idp{url: server.URL, key: key}
}

func (i *idp) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": idpIssuer, "sub": "alice", "aud": resource, "scope": "admin", "exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := i.key.Sign(nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (i *idp) provider(t *testing.T, opts ...runtime.Option) *runtime.Provider {
	t.Helper()
	opts = append([]runtime.Option{runtime.WithHTTPClient(http.DefaultClient), runtime.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	p, err := runtime.New(runtime.NewInputs("Example", opts...), runtime.Definition{
		Name: "example", Title: "Example", Mode: oauth.Direct, Issuer: idpIssuer, Endpoints: oauth.Endpoints{JWKS: i.url},
		Tokens: facts.Rules{Algorithms: []string{"EdDSA"}, Audience: facts.Audience{OrResource: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVerifiedTokensAreCachedUnlessSwitchedOff(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	token := i.token(t, nil)
	var later atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	for name, c := range map[string]struct {
		options []runtime.Option
		later   time.Duration
		cached  bool
	}{
		"cached by default":        {cached: true},
		"cached within limits":     {options: []runtime.Option{runtime.WithTokenCache(runtime.TokenCache{MaxEntries: 1})}, cached: true},
		"verified anew when asked": {options: []runtime.Option{runtime.WithoutTokenCache()}},
		"verified anew after MaxAge": {
			options: []runtime.Option{runtime.WithTokenCache(runtime.TokenCache{MaxAge: time.Second}), runtime.WithClock(clock)}, later: time.Second,
		},
		"verified anew without signatures": {options: []runtime.Option{runtime.InsecureSkipSignature()}},
	} {
		later.Store(0)
		p := i.provider(t, c.options...)
		first, err := p.Verify(context.Background(), presented(token))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		later.Store(int64(c.later))
		again, err := p.Verify(context.Background(), presented(strings.Clone(token)))
		if err != nil || (again == first) != c.cached {
			t.Errorf("%s: the same caller %t, %v", name, again == first, err)
		}
	}
	if _, err := runtime.New(runtime.NewInputs("Example", runtime.WithTokenCache(runtime.TokenCache{MaxEntries: -1})), runtime.Definition{
		Issuer: idpIssuer, Tokens: facts.Rules{Algorithms: []string{"EdDSA"}, Audience: facts.Audience{OrResource: true}},
	}); err == nil || !strings.Contains(err.Error(), "cache") {
		t.Errorf("got %v for a negative limit", err)
	}
}

// A provider that is asked about its tokens keeps to the operator's limits too.
func TestTheOperatorBoundsHowLongAnswersAreReliedOn(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"active":true,"token_type":"Bearer","sub":"alice","client_id":"mine","exp":` + exp(time.Hour) + `}`))
	}))
	t.Cleanup(server.Close)
	var later atomic.Int64
	for name, c := range map[string]struct {
		option runtime.Option
		want   int64
	}{
		"for the usual time":       {option: runtime.WithTokenCache(runtime.TokenCache{}), want: 2},
		"for a longer time, never": {option: runtime.WithTokenCache(runtime.TokenCache{MaxAge: time.Hour}), want: 2},
		"for a shorter time":       {option: runtime.WithTokenCache(runtime.TokenCache{MaxAge: 10 * time.Second}), want: 3},
		"not at all":               {option: runtime.WithoutTokenCache(), want: 4},
	} {
		asked.Store(0)
		later.Store(0)
		p, err := runtime.New(runtime.NewInputs("Example", c.option, runtime.WithHTTPClient(server.Client()),
			runtime.WithLogger(slog.New(slog.DiscardHandler)),
			runtime.WithClock(func() time.Time { return time.Now().Add(time.Duration(later.Load())) }),
		), runtime.Definition{
			Name: "example", Title: "Example", Mode: oauth.Direct, Issuer: idpIssuer, Endpoints: oauth.Endpoints{Introspection: server.URL},
			Introspection: &facts.Introspection{Credentials: facts.Credentials{ClientID: "mine", ClientSecret: "test-secret"}},
			Binding:       facts.Binding{ClientIDs: []string{"mine"}},
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, at := range []time.Duration{0, time.Second, 11 * time.Second, 61 * time.Second} {
			later.Store(int64(at))
			if _, err := p.Verify(context.Background(), presented("opaque-token")); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got := asked.Load(); got != c.want {
			t.Errorf("%s: the provider was asked %d times, want %d", name, got, c.want)
		}
	}
}

// The operator's limits for accepted tokens hold for refused ones too, whose own time is five
// seconds.
func TestTheOperatorBoundsHowLongRefusalsAreReliedOn(t *testing.T) {
	t.Parallel()
	var later, asked atomic.Int64
	for name, c := range map[string]struct {
		limits runtime.TokenCache
		want   int64
	}{
		"for the usual time":       {runtime.TokenCache{}, 2},
		"for a longer time, never": {runtime.TokenCache{MaxAge: time.Hour}, 2},
		"for a shorter time":       {runtime.TokenCache{MaxAge: time.Second}, 3},
		"not at all":               {runtime.TokenCache{Off: true}, 4},
	} {
		later.Store(0)
		asked.Store(0)
		p := introspecting(t, counting(&asked, `{"active":false}`), nil, runtime.WithTokenCache(c.limits),
			runtime.WithClock(func() time.Time { return time.Unix(1_900_000_000, later.Load()) }))
		for _, at := range []time.Duration{0, 500 * time.Millisecond, 2 * time.Second, 6 * time.Second} {
			later.Store(int64(at))
			if _, err := p.Verify(t.Context(), presented("opaque-token")); !errors.Is(err, oauth.ErrInvalidToken) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got := asked.Load(); got != c.want {
			t.Errorf("%s: the provider was asked %d times, want %d", name, got, c.want)
		}
	}
}

// counting is a provider that always gives one answer and counts the questions.
func counting(asked *atomic.Int64, body string) *http.Client {
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		return answering(body).RoundTrip(r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// introspecting is a provider in direct mode that is asked about its tokens, which are bound to the
// application "mine".
func introspecting(t *testing.T, client *http.Client, change func(*runtime.Definition), opts ...runtime.Option) *runtime.Provider {
	t.Helper()
	d := runtime.Definition{
		Name: "example", Title: "Example", Mode: oauth.Direct, Issuer: idpIssuer,
		Endpoints:     oauth.Endpoints{Introspection: idpIssuer + "/introspect"},
		Introspection: &facts.Introspection{Credentials: facts.Credentials{ClientID: "mine", ClientSecret: "test-secret"}},
		Binding:       facts.Binding{ClientIDs: []string{"mine"}},
	}
	if change != nil {
		change(&d)
	}
	opts = append([]runtime.Option{runtime.WithHTTPClient(client), runtime.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	p, err := runtime.New(runtime.NewInputs("Example", opts...), d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func exp(in time.Duration) string {
	text, _ := json.Marshal(time.Now().Add(in).Unix())
	return string(text)
}

// A cached token passes the guard's own checks as it did the first time, and only it does.
func TestAGuardAsksForACachedCallerFirst(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	token := i.token(t, nil)
	g := newGuard(t, i.provider(t), nil)
	h := g.Protect(whoever)
	for _, c := range []struct {
		name, target, header string
		status               int
	}{
		{name: "the first time", header: "Bearer " + token, status: 200},
		{name: "again", header: "Bearer " + token, status: 200},
		{name: "in lower case", header: "bearer " + token, status: 200},
		{name: "with a space behind", header: "Bearer " + token + " ", status: 401},
		{name: "with padding", header: "Bearer " + token + "=", status: 401},
		{name: "below the endpoint", target: "/mcp/tools", header: "Bearer " + token, status: 200},
		{name: "with a token in the query too", target: "/mcp?access%5Ftoken=x", header: "Bearer " + token, status: 400},
		{name: "with another query", target: "/mcp?a=%41", header: "Bearer " + token, status: 200},
	} {
		target := c.target
		if target == "" {
			target = "/mcp"
		}
		if got := send(h, http.MethodGet, target, http.Header{"Authorization": {c.header}}); got.StatusCode != c.status {
			t.Errorf("%s: got %d, want %d", c.name, got.StatusCode, c.status)
		}
	}
	exact := newGuard(t, i.provider(t), func(c *runtime.GuardConfig) { c.MaxTokenBytes = len(token) })
	if got := send(exact.Protect(whoever), http.MethodGet, "/mcp", http.Header{"Authorization": {"Bearer " + token}}); got.StatusCode != 200 {
		t.Errorf("a token at the limit: got %d", got.StatusCode)
	}
	short := newGuard(t, i.provider(t), func(c *runtime.GuardConfig) { c.MaxTokenBytes = len(token) - 1 })
	if got := send(short.Protect(whoever), http.MethodGet, "/mcp", http.Header{"Authorization": {"Bearer " + token}}); got.StatusCode != 401 {
		t.Errorf("a token above the limit: got %d", got.StatusCode)
	}
}

// RS-5: what is cached of a token is for one endpoint. A subpath has an audience of its own.
// covers: RS-5
func TestACachedTokenOfTheResourceOpensNoSubpath(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	ours, theirs, both := i.token(t, nil), i.token(t, map[string]any{"aud": resource + "/sse"}),
		i.token(t, map[string]any{"aud": []string{resource, resource + "/sse"}})
	h := newGuard(t, i.provider(t), func(c *runtime.GuardConfig) { c.Subpaths = []string{"/sse"} }).Protect(whoever)
	for _, c := range []struct {
		name, target, token string
		status              int
	}{
		{"the resource's own token", "/mcp", ours, 200}, {"the same, cached", "/mcp", ours, 200},
		{"the same at a subpath", "/mcp/sse", ours, 401}, {"the same at a subpath again", "/mcp/sse", ours, 401},
		{"the subpath's own token", "/mcp/sse", theirs, 200}, {"the same, cached", "/mcp/sse", theirs, 200},
		{"the same at the resource", "/mcp", theirs, 401},
		{"a token for both", "/mcp", both, 200}, {"the same at a subpath", "/mcp/sse", both, 200}, {"the same, cached", "/mcp", both, 200},
	} {
		got := send(h, http.MethodGet, c.target, http.Header{"Authorization": {"Bearer " + c.token}})
		if got.StatusCode != c.status {
			t.Errorf("%s: got %d, want %d", c.name, got.StatusCode, c.status)
		}
	}
}

// Guards with different hierarchies share a provider, and with it the callers in its cache.
// covers: RS-9
func TestEachGuardHasItsOwnHierarchy(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	p := i.provider(t)
	token := i.token(t, nil)
	request := func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return r
	}
	plain := newGuard(t, p, nil)
	reads := newGuard(t, p, func(c *runtime.GuardConfig) {
		c.Hierarchy = oauth.ScopeHierarchy{"admin": {"write"}, "write": {"read"}}
	})
	writes := newGuard(t, p, func(c *runtime.GuardConfig) { c.Hierarchy = oauth.ScopeHierarchy{"admin": {"write"}} })
	for range 2 {
		for _, c := range []struct {
			name        string
			guard       *runtime.Guard
			read, write bool
		}{{"without a hierarchy", plain, false, false}, {"with a chain", reads, true, true}, {"with one step", writes, false, true}} {
			info, err := c.guard.Authenticate(request())
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			again, err := c.guard.Authenticate(request())
			if err != nil || again != info {
				t.Errorf("%s: another copy of the caller, %v", c.name, err)
			}
			if info.HasAll("read") != c.read || info.HasAny("write") != c.write {
				t.Errorf("%s: read %t, write %t", c.name, info.HasAll("read"), info.HasAny("write"))
			}
		}
	}
}

// More callers than copies are remembered: every one still gets its own.
func TestAHierarchyIsForAnyNumberOfCallers(t *testing.T) {
	t.Parallel()
	callers := map[string]*oauth.AuthInfo{}
	names := make([]string, 3000)
	for n := range names {
		names[n] = "user-" + strings.Repeat("x", n%7) + exp(time.Duration(n)*time.Second)
		callers[names[n]] = &oauth.AuthInfo{Subject: names[n], Scopes: []string{"admin"}}
	}
	g := newGuard(t, &fakeProvider{callers: callers}, func(c *runtime.GuardConfig) {
		c.Hierarchy, c.Scopes = oauth.ScopeHierarchy{"admin": {"read"}}, []string{"read"}
	})
	for range 2 {
		for _, name := range names {
			r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
			r.Header.Set("Authorization", "Bearer "+name)
			info, err := g.Authenticate(r)
			if err != nil || info.Subject != name {
				t.Fatalf("%q: got %+v, %v", name, info, err)
			}
			if callers[name].Hierarchy != nil {
				t.Fatal("the provider's own value was changed")
			}
		}
	}
}

// One user's tokens have different scopes: with a hierarchy each still brings its own.
func TestAHierarchyKeepsTheTokensOfOneUserApart(t *testing.T) {
	t.Parallel()
	callers := map[string]*oauth.AuthInfo{}
	for n := range 3000 {
		scope := fmt.Sprint("scope-", n)
		callers[scope] = &oauth.AuthInfo{Issuer: idpIssuer, Subject: "alice", Scopes: []string{scope}}
	}
	g := newGuard(t, &fakeProvider{callers: callers}, func(c *runtime.GuardConfig) {
		c.Hierarchy = oauth.ScopeHierarchy{"admin": {"read"}}
	})
	for range 2 {
		for scope := range callers {
			r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
			r.Header.Set("Authorization", "Bearer "+scope)
			info, err := g.Authenticate(r)
			if err != nil || !info.HasAll(scope) || len(info.Scopes) != 1 {
				t.Fatalf("%s: got %+v, %v", scope, info, err)
			}
		}
	}
}

// In proxy mode the broker verifies the provider's tokens, which are cached; that makes them no
// tokens of this server.
func TestACachedTokenOfTheProviderIsNoneOfTheProxy(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	p, err := runtime.New(
		runtime.NewInputs("Example", runtime.WithHTTPClient(http.DefaultClient), runtime.WithLogger(slog.New(slog.DiscardHandler))),
		runtime.Definition{
			Name: "example", Title: "Example", Mode: oauth.Proxy, Issuer: idpIssuer, Endpoints: oauth.Endpoints{
				JWKS: i.url, Authorization: idpIssuer + "/authorize", Token: idpIssuer + "/token",
			},
			Tokens: facts.Rules{Algorithms: []string{"EdDSA"}, Audience: facts.Audience{OrResource: true}},
			Upstream: &facts.Upstream{Credentials: facts.Credentials{
				ClientID: "client-1", ClientSecret: "test-secret-that-is-long-enough-for-a-key",
			}},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	token := i.token(t, nil)
	if _, err := p.Verify(context.Background(), presented(token)); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if _, err := newGuard(t, p, nil).Authenticate(r); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("got %v, want 401", err)
	}
}
