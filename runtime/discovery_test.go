package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/oidc"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// announcer is a provider on this machine of which only its document is known.
type announcer struct {
	*httptest.Server

	mu      sync.Mutex
	members map[string]any
	answer  http.HandlerFunc // in place of the document
	asked   []string
	now     time.Time
	events  []observe.Event
}

func newAnnouncer(t *testing.T, changes map[string]any) *announcer {
	t.Helper()
	a := &announcer{now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	a.members = map[string]any{
		"issuer": a.URL, "authorization_endpoint": a.URL + "/authorize", "token_endpoint": a.URL + "/token", "jwks_uri": a.URL + "/keys",
	}
	a.announce(changes)
	return a
}

func (a *announcer) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	answer := a.answer
	text, err := json.Marshal(a.members)
	a.asked = append(a.asked, r.URL.Path)
	a.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case err != nil || r.URL.Path != "/.well-known/openid-configuration":
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}
}

// announce changes the document; nil takes a member away.
func (a *announcer) announce(changes map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.Copy(a.members, changes)
	maps.DeleteFunc(a.members, func(_ string, v any) bool { return v == nil })
}

// Observe implements [observe.Observer].
func (a *announcer) Observe(_ context.Context, e observe.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
}

func (a *announcer) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *announcer) provider(t *testing.T, config oidc.Config, more ...runtime.Option) (*runtime.Provider, error) {
	t.Helper()
	config.Issuer = a.URL
	options := append([]runtime.Option{
		runtime.WithLogger(slog.New(slog.DiscardHandler)), runtime.WithLookupEnv(func(string) (string, bool) { return "", false }),
		runtime.WithObserver(a), runtime.WithClock(a.clock),
	}, more...)
	return oidc.New(config, options...)
}

const secret = "test-secret-of-no-application-0123456789"

func TestTheDocumentChoosesTheMode(t *testing.T) {
	t.Parallel()
	registers := map[string]any{"registration_endpoint": "https://register.example.com/clients"}
	documents := map[string]any{"client_id_metadata_document_supported": true}
	for name, c := range map[string]struct {
		changes map[string]any
		config  oidc.Config
		want    oauth.Mode
		problem string
	}{
		"clients register there":                 {registers, oidc.Config{}, oauth.Direct, ""},
		"clients come with documents":            {documents, oidc.Config{}, oauth.Direct, ""},
		"an application is configured":           {registers, oidc.Config{ClientID: "us"}, oauth.Proxy, ""},
		"told to be direct":                      {nil, oidc.Config{Mode: "direct", ClientID: "us"}, oauth.Direct, ""},
		"told to be a proxy":                     {registers, oidc.Config{Mode: "proxy", ClientID: "us"}, oauth.Proxy, ""},
		"told to be a proxy without application": {registers, oidc.Config{Mode: "proxy"}, "", "clientId"},
		"nobody registers and nothing is told":   {nil, oidc.Config{}, "", "clientId"},
		"told to be something else":              {nil, oidc.Config{Mode: "both"}, "", "mode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := newAnnouncer(t, c.changes).provider(t, c.config)
			problem, _ := errors.AsType[*oauth.ConfigError](err)
			switch {
			case c.problem != "" && (problem == nil || problem.Field != c.problem):
				t.Errorf("got %v, want a problem of %s", err, c.problem)
			case c.problem == "" && err != nil:
				t.Error(err)
			case c.problem == "" && p.Describe().Mode != c.want:
				t.Errorf("the mode is %s", p.Describe().Mode)
			}
		})
	}
}

func TestADocumentThatCannotBeTrustedIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes map[string]any
		want    string
	}{
		"of another issuer":                 {map[string]any{"issuer": "https://evil.example"}, "issuer"},
		"of an issuer with a slash more":    {map[string]any{"issuer": "x/"}, "issuer"},
		"without issuer":                    {map[string]any{"issuer": nil}, "issuer"},
		"without token endpoint":            {map[string]any{"token_endpoint": nil}, "token_endpoint"},
		"without key set":                   {map[string]any{"jwks_uri": nil}, "jwks_uri"},
		"with an endpoint that is no text":  {map[string]any{"token_endpoint": []string{"https://idp.example.com/token"}}, "token_endpoint"},
		"with plain http":                   {map[string]any{"token_endpoint": "http://idp.example.com/token"}, "https"},
		"with another port of this machine": {map[string]any{"token_endpoint": "http://127.0.0.1:1/token"}, "https"},
		"with this machine by https":        {map[string]any{"jwks_uri": "https://localhost/keys"}, "public internet"},
		"with an address of this machine":   {map[string]any{"jwks_uri": "https://127.0.0.1/keys"}, "public internet"},
		"with a private address":            {map[string]any{"introspection_endpoint": "https://10.0.0.1/x"}, "public internet"},
		"with a metadata service":           {map[string]any{"revocation_endpoint": "https://169.254.169.254/x"}, "public internet"},
		"with an IPv6 address":              {map[string]any{"userinfo_endpoint": "https://[::1]/x"}, "public internet"},
		"with credentials in an address":    {map[string]any{"token_endpoint": "https://a:b@idp.example.com/token"}, "credentials"},
		"with a fragment":                   {map[string]any{"token_endpoint": "https://idp.example.com/token#x"}, "fragment"},
		"with another scheme":               {map[string]any{"registration_endpoint": "javascript:alert(1)"}, "URL"},
		"with shared secrets alone":         {map[string]any{"id_token_signing_alg_values_supported": []string{"HS256", "none"}}, "HS256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := newAnnouncer(t, c.changes).provider(t, oidc.Config{Mode: "direct"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v", p, err)
			}
		})
	}
	for name, answer := range map[string]http.HandlerFunc{
		"that is huge": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`))
		},
		"that is somewhere else": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
		"that is a page": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<!doctype html>")) },
		"with a name twice": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"http://` + r.Host + `","issuer":"https://evil.example"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAnnouncer(t, nil)
			a.answer = answer
			if p, err := a.provider(t, oidc.Config{Mode: "direct"}); err == nil || errors.Is(err, oauth.ErrTemporarilyUnavailable) {
				t.Errorf("got %v, %v", p, err)
			}
			if slices.Contains(a.asked, "/elsewhere") {
				t.Error("a redirect was followed")
			}
		})
	}
}

func TestAnOutageAtTheStartIsWaitedFor(t *testing.T) {
	t.Parallel()
	a := newAnnouncer(t, nil)
	var tries atomic.Int32
	a.answer = func(w http.ResponseWriter, _ *http.Request) {
		tries.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
		a.mu.Lock()
		a.answer = nil
		a.mu.Unlock()
	}
	if _, err := a.provider(t, oidc.Config{Mode: "direct"}); err != nil || tries.Load() != 1 {
		t.Errorf("got %v after %d tries", err, tries.Load())
	}
	a.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.provider(t, oidc.Config{Mode: "direct"}, runtime.WithDiscoveryContext(ctx)); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
		t.Errorf("got %v", err)
	}
}

// Endpoints move among the origins of the start alone.
func TestALaterDocumentIsFollowedWithinTheOriginsOfTheStart(t *testing.T) {
	t.Parallel()
	a := newAnnouncer(t, map[string]any{"userinfo_endpoint": "https://api.example.com/me"})
	p, err := a.provider(t, oidc.Config{Mode: "direct"})
	if err != nil {
		t.Fatal(err)
	}
	a.announce(map[string]any{
		"jwks_uri": a.URL + "/keys/2", "token_endpoint": "https://evil.example/token", "userinfo_endpoint": "https://api.example.com/v2/me",
		"authorization_endpoint": nil, "introspection_endpoint": "http://127.0.0.1:1/x",
	})
	a.mu.Lock()
	a.now = a.now.Add(time.Hour)
	a.mu.Unlock()
	want := oauth.Endpoints{
		Authorization: a.URL + "/authorize", Token: a.URL + "/token", JWKS: a.URL + "/keys/2", UserInfo: "https://api.example.com/v2/me",
	}
	for deadline := time.Now().Add(10 * time.Second); p.Describe().Endpoints != want; {
		if time.Now().After(deadline) {
			t.Fatalf("the endpoints are %+v", p.Describe().Endpoints)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	used := map[string]string{}
	for _, e := range a.events {
		for _, detail := range e.Details {
			if detail.Key == "used" {
				used[e.Endpoint] = e.URL + " " + detail.Value.String()
			}
		}
	}
	if want := map[string]string{
		"jwks": a.URL + "/keys/2 true", "token": "https://evil.example/token false", "userinfo": "https://api.example.com/v2/me true",
		"introspection": "http://127.0.0.1:1/x false",
	}; !maps.Equal(used, want) {
		t.Errorf("the events are %v, want %v", used, want)
	}
}

func TestWhatTheOperatorNamesIsNotDiscovered(t *testing.T) {
	t.Parallel()
	a := newAnnouncer(t, map[string]any{"token_endpoint": "http://10.0.0.1/token"})
	p, err := a.provider(t, oidc.Config{Mode: "direct"}, runtime.WithEndpoint("token", "https://gateway.example.com/token"))
	if err != nil || p.Describe().Endpoints.Token != "https://gateway.example.com/token" {
		t.Errorf("got %v", err)
	}
	_, err = a.provider(t, oidc.Config{Mode: "direct", AuthorizeParams: map[string]string{"state": "x"}, RequiredClaims: []string{"=x"}})
	if problem, ok := errors.AsType[*oauth.ConfigError](err); !ok || problem.Field != "requiredClaims" {
		t.Errorf("got %v", err)
	}
}

func TestAnApplicationAuthenticatesAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes map[string]any
		problem string
	}{
		"by basic, unless it says otherwise":  {nil, ""},
		"by post where there is nothing else": {map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_post"}}, ""},
		"by no method that is not here":       {map[string]any{"token_endpoint_auth_methods_supported": []string{"tls_client_auth"}}, "tls_client_auth"},
		"with no PKCE but plain":              {map[string]any{"code_challenge_methods_supported": []string{"plain"}}, "S256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newAnnouncer(t, c.changes).provider(t, oidc.Config{ClientID: "us", ClientSecret: secret})
			if (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A client that registered in front of one provider, or of one application of it, is nobody in
// front of another, with the same sealing keys.
func TestWhatIsSealedIsBoundToIssuerAndApplication(t *testing.T) {
	t.Parallel()
	one, other := newAnnouncer(t, nil), newAnnouncer(t, nil)
	guardOf := func(a *announcer, client string) *runtime.Guard {
		p, err := a.provider(t, oidc.Config{ClientID: client, ClientSecret: secret})
		if err != nil {
			t.Fatal(err)
		}
		return newGuard(t, p, func(c *runtime.GuardConfig) {
			c.Proxy.SealingKeys = []oauth.Secret{"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
		})
	}
	register := httptest.NewRequest(http.MethodPost, "/mcp/register", strings.NewReader(`{"redirect_uris":["http://127.0.0.1/callback"]}`))
	register.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	guardOf(one, "us").Handler().ServeHTTP(answer, register)
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &client); err != nil || client.ID == "" {
		t.Fatalf("registration: %d %s", answer.Code, answer.Body)
	}
	query := url.Values{
		"client_id": {client.ID}, "redirect_uri": {"http://127.0.0.1/callback"}, "response_type": {"code"}, "state": {"s"},
		"code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"},
	}
	for name, c := range map[string]struct {
		guard *runtime.Guard
		knows bool
	}{
		"the same":                        {guardOf(one, "us"), true},
		"another application":             {guardOf(one, "them"), false},
		"the same application of another": {guardOf(other, "us"), false},
	} {
		answer := httptest.NewRecorder()
		c.guard.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/mcp/authorize?"+query.Encode(), nil))
		if knows := answer.Code < http.StatusBadRequest; knows != c.knows {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
}
