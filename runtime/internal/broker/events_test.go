package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// recorder keeps all events.
type recorder struct {
	mu   sync.Mutex
	list []observe.Event
}

func (r *recorder) Observe(_ context.Context, e observe.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, e)
}

// of returns the events of a kind.
func (r *recorder) of(kind observe.Kind) []observe.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.list), func(e observe.Event) bool { return e.Kind != kind })
}

// one returns the only event of a kind.
func (r *recorder) one(t testing.TB, kind observe.Kind) observe.Event {
	t.Helper()
	list := r.of(kind)
	if len(list) != 1 {
		t.Fatalf("%d events %s, want one", len(list), kind)
	}
	return list[0]
}

// String is everything in the events.
func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.list {
		fmt.Fprintf(&b, "%+v\n", e)
	}
	return b.String()
}

// covers: D17
func TestEventsOfTokensSayWhoGotWhatForWhom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	id := w.newClient(webRedirect)
	tokens := w.login(id)
	tokens = w.refreshed(id, tokens.RefreshToken)
	if rec := w.post("/revoke", url.Values{"token": {tokens.AccessToken}, "client_id": {id}}); rec.Code != http.StatusOK {
		t.Fatalf("revocation: %d %s", rec.Code, rec.Body)
	}
	for _, kind := range []observe.Kind{observe.TokensIssued, observe.TokensRefreshed, observe.TokensRevoked} {
		e := w.seen.one(t, kind)
		if e.Client != clients.Label(id) || e.Subject != "user-1" || e.Issuer == "" || e.Resource != testResource ||
			!slices.Equal(e.ScopesHad, []string{"openid", "email"}) || e.Level != slog.LevelInfo || e.Reason != "" {
			t.Errorf("%s: %+v", kind, e)
		}
	}
	for _, line := range []string{`"msg":"tokens issued"`, `"msg":"tokens revoked"`} {
		if !strings.Contains(w.log.String(), line) {
			t.Errorf("the log has no line with %s", line)
		}
	}
	asked := w.seen.of(observe.ProviderAsked)
	if len(asked) != 3 || asked[0].Endpoint != "token" || asked[2].Endpoint != "revocation" || asked[0].URL != w.provider.server.URL+"/token" {
		t.Errorf("the questions to the provider are %+v", asked)
	}
}

func TestEachStepOfALoginIsAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	id := w.newClient(webRedirect)
	w.login(id)
	page := w.newBrowser()
	page.answer(page.open(authorizeURL(id, webRedirect)).Body.String(), "deny")
	var kinds []observe.Kind
	for _, e := range w.seen.list {
		if e.Client != clients.Label(id) && e.Kind != observe.ProviderAsked {
			t.Errorf("%s is of the client %q", e.Kind, e.Client)
		}
		kinds = append(kinds, e.Kind)
	}
	want := []observe.Kind{
		observe.ClientRegistered, observe.ConsentShown, observe.ConsentGiven, observe.ProviderAsked, observe.TokensIssued,
		observe.ConsentShown, observe.ConsentDenied,
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("got  %q\nwant %q", kinds, want)
	}
	if e := w.seen.one(t, observe.ConsentDenied); e.Reason != oauth.ReasonConsentDenied || !slices.Equal(e.ScopesAsked, []string{"openid", "email"}) {
		t.Errorf("the denied consent is %+v", e)
	}
}

// covers: D18
func TestAScopeThatTheProviderDoesNotGrantIsWarnedOf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		granted, asked string
		hierarchy      oauth.ScopeHierarchy
		warned         bool
	}{
		"a needed scope that is not granted":          {`"openid email"`, "openid email profile", nil, true},
		"not one that is":                             {`"openid email profile"`, "openid email profile", nil, false},
		"not one that the client did not ask for":     {`"openid email"`, "openid email", nil, false},
		"not one that a broader granted one is worth": {`"openid email"`, "openid email profile", oauth.ScopeHierarchy{"email": {"profile"}}, false},
	} {
		t.Run("D18: "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(config *Config) { config.NeededScopes, config.Hierarchy = []string{"profile"}, c.hierarchy })
			w.provider.scope = c.granted
			id := w.newClient(webRedirect)
			if rec := w.post("/token", redeemForm(id, webRedirect, w.newBrowser().code(id, webRedirect, "scope", c.asked))); rec.Code != http.StatusOK {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
			e := w.seen.one(t, observe.TokensIssued)
			if warned := e.Level == slog.LevelWarn; warned != c.warned || warned != strings.Contains(e.Hint, "did not grant profile") {
				t.Errorf("the event is %+v", e)
			}
		})
	}
}

// covers: D19
func TestAWrongClientSecretNamesEndpointAndVariable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.SecretVariable = "MCP_USE_OAUTH_EXAMPLE_CLIENT_SECRET" })
	w.provider.authenticates = func(url.Values) bool { return false }
	id := w.newClient(webRedirect)
	wantError(t, w.post("/token", redeemForm(id, webRedirect, w.newBrowser().code(id, webRedirect))), 500, oauth.CodeServerError)
	e := w.seen.one(t, observe.RequestRefused)
	if e.Reason != oauth.ReasonOwnCredentials || e.Level != slog.LevelWarn {
		t.Errorf("the event is %+v", e)
	}
	for _, want := range []string{"token endpoint " + w.provider.server.URL + "/token", "MCP_USE_OAUTH_EXAMPLE_CLIENT_SECRET"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log does not name %s", want)
		}
	}
}

// covers: D4
func TestAStoreThatIsDownIsNoProviderThatIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	id := w.newClient(webRedirect)
	tokens := w.login(id)
	w.config.Store = brokenStore{}
	b := w.newBroker()
	_, err := b.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
	e := oauth.AsError(err)
	if e.Status != http.StatusServiceUnavailable || e.Reason != oauth.ReasonStoreUnavailable || e.RetryAfter <= 0 ||
		!strings.Contains(e.Description, "store") || strings.Contains(e.Description, "provider") {
		t.Errorf("the answer is %+v", e)
	}
	w.brokers = []*Broker{b}
	rec := w.post("/token", refreshForm(id, tokens.RefreshToken))
	wantError(t, rec, http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	if !strings.Contains(rec.Body.String(), "store") || !w.logged(oauth.ReasonStoreUnavailable) {
		t.Errorf("answer or log do not name the store: %s", rec.Body)
	}
	if trouble := w.seen.of(observe.StoreTrouble); len(trouble) != 2 || !errors.Is(trouble[0].Err, errBroken) {
		t.Errorf("the events of the store are %+v", trouble)
	}
}

// A second use of a refresh token ends the login: the event says so, with whom it hits.
func TestALoginThatIsEndedByAReuseIsAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	id := w.newClient(webRedirect)
	first := w.login(id)
	second := w.refreshed(id, first.RefreshToken)
	w.refreshed(id, second.RefreshToken)
	w.add(time.Minute)
	w.post("/token", refreshForm(id, first.RefreshToken))
	if e := w.seen.one(t, observe.TokensRevoked); e.Reason != oauth.ReasonRefreshTokenReused || e.Level != slog.LevelWarn || e.Subject != "user-1" {
		t.Errorf("the event is %+v", e)
	}
}

// judge decides about events of one kind.
type judge struct {
	kind    observe.Kind
	refuses atomic.Bool
	asked   atomic.Int32
}

var errNoRoom = errors.New("no room left on the device")

func (*judge) Observe(context.Context, observe.Event) {}

func (j *judge) Decide(_ context.Context, e observe.Event) error {
	if e.Kind != j.kind {
		return nil
	}
	j.asked.Add(1)
	if j.refuses.Load() {
		return errNoRoom
	}
	return nil
}

// A step that an observer does not agree to is a 503 that loses nothing: the client's next try
// succeeds.
func TestWhatCannotBeRecordedIsRefusedAndCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	for kind, step := range map[observe.Kind]func(w *world, id string, agree func()) (refused, later int){
		observe.ClientRegistered: func(w *world, _ string, agree func()) (int, int) {
			const metadata = `{"redirect_uris":["https://client.example.com/callback"]}`
			refused := w.register(metadata).Code
			agree()
			return refused, w.register(metadata).Code - 1 // 201
		},
		observe.ConsentGiven: func(w *world, id string, agree func()) (int, int) {
			b := w.newBrowser()
			page := b.open(authorizeURL(id, webRedirect)).Body.String()
			refused := b.answer(page, "allow").Code
			agree()
			return refused, b.answer(page, "allow").Code
		},
		observe.TokensIssued: func(w *world, id string, agree func()) (int, int) {
			form := redeemForm(id, webRedirect, w.newBrowser().code(id, webRedirect))
			refused := w.post("/token", form).Code
			agree()
			return refused, w.post("/token", form).Code
		},
		observe.TokensRefreshed: func(w *world, id string, agree func()) (int, int) {
			form := refreshForm(id, w.login(id).RefreshToken)
			refused := w.post("/token", form).Code
			agree()
			return refused, w.post("/token", form).Code
		},
		observe.TokensRevoked: func(w *world, id string, agree func()) (int, int) {
			form := url.Values{"token": {w.login(id).RefreshToken}, "client_id": {id}}
			refused := w.post("/revoke", form).Code
			agree()
			return refused, w.post("/revoke", form).Code
		},
		observe.RequestRefused: func(w *world, id string, agree func()) (int, int) {
			form := refreshForm(id, "rubbish")
			refused := w.post("/token", form).Code
			agree()
			return refused, w.post("/token", form).Code - http.StatusBadRequest + http.StatusOK
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			j := &judge{kind: kind}
			var w *world
			w = newWorld(t, 1, func(c *Config) { c.Events = events.To(j, &forward{&w}) })
			id := w.newClient(webRedirect)
			j.refuses.Store(true)
			refused, later := step(w, id, func() { j.refuses.Store(false) })
			if refused != http.StatusServiceUnavailable || later != http.StatusOK || j.asked.Load() < 2 {
				t.Errorf("%d where the observer does not agree, %d where it does; it was asked %d times", refused, later, j.asked.Load())
			}
			var told bool
			for _, e := range w.seen.of(observe.RequestRefused) {
				told = told || e.Reason == oauth.ReasonNotRecorded && errors.Is(e.Err, errNoRoom)
			}
			if !told {
				t.Error("nobody is told why")
			}
		})
	}
}

// forward hands events to the recorder of a world that is being made.
type forward struct{ w **world }

func (f *forward) Observe(ctx context.Context, e observe.Event) {
	if *f.w != nil {
		(*f.w).seen.Observe(ctx, e)
	}
}
