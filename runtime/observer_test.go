package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// observing is an observer of a function.
type observing func(observe.Event)

func (o observing) Observe(_ context.Context, e observe.Event) { o(e) }

// everything keeps all events.
type everything struct {
	mu   sync.Mutex
	list []observe.Event
}

func (o *everything) Observe(_ context.Context, e observe.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, e)
}

func (o *everything) of(kind observe.Kind) []observe.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.list), func(e observe.Event) bool { return e.Kind != kind })
}

func TestAGuardTellsItsObserversOfCallersAndRefusals(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	provider, guard := &everything{}, &everything{}
	g := newGuard(t, i.provider(t, runtime.WithObserver(provider)), func(c *runtime.GuardConfig) {
		c.Observer, c.Subpaths, c.Scopes = guard, []string{"/sse"}, []string{"read"}
	})
	token := i.token(t, map[string]any{"scope": "read write", "client_id": "client-1"})
	for _, authorization := range []string{"Bearer " + token, "Bearer " + token, "", "Bearer " + i.token(t, map[string]any{"scope": "write"})} {
		send(g.Protect(whoever), http.MethodPost, "/mcp", http.Header{"Authorization": {authorization}})
	}
	for name, o := range map[string]*everything{"the provider's": provider, "the guard's": guard} {
		callers, refusals := o.of(observe.CallerVerified), o.of(observe.RequestRefused)
		if len(callers) != 2 || len(refusals) != 2 {
			t.Fatalf("%s observer sees %d callers and %d refusals", name, len(callers), len(refusals))
		}
		for _, e := range callers {
			if e.Subject == "" || e.Issuer == "" || e.Provider == "" || e.Resource != resource || e.Client != "client-1" ||
				!slices.Equal(e.ScopesHad, []string{"read", "write"}) || e.Path != "/mcp" || e.Time.IsZero() || e.Level != slog.LevelDebug {
				t.Errorf("%s observer sees the caller %+v", name, e)
			}
		}
		if e := refusals[1]; e.Reason != oauth.ReasonInsufficientScope || e.Status != http.StatusForbidden || e.Code != oauth.CodeInsufficientScope ||
			e.Subject == "" || !slices.Equal(e.ScopesAsked, []string{"read"}) || !slices.Equal(e.ScopesHad, []string{"write"}) {
			t.Errorf("%s observer sees the refusal %+v", name, e)
		}
	}
	if fetched := provider.of(observe.KeysFetched); len(fetched) != 1 || fetched[0].Endpoint != "jwks" || fetched[0].Provider == "" {
		t.Errorf("the fetches of keys are %+v", fetched)
	}
}

// covers: T-OPS-03
func TestNoEventOfAGuardHoldsASecret(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	all := &everything{}
	var log bytes.Buffer
	g := newGuard(t, i.provider(t, runtime.WithObserver(all)), func(c *runtime.GuardConfig) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	good := i.token(t, nil)
	secrets := []string{good, "hush-hush"}
	for _, authorization := range []string{
		good, "hush-hush", "eyJhbGciOiJSUzI1NiJ9.hush-hush.hush-hush", i.token(t, map[string]any{"aud": "other"}), i.token(t, map[string]any{"exp": 1}),
		good + "\x00hush-hush", good + ", Bearer hush-hush", strings.Repeat("hush-hush", 5000), good[:len(good)-8] + "hush-hus",
	} {
		secrets = append(secrets, authorization)
		for _, scheme := range []string{"Bearer ", "Basic ", "DPoP ", ""} {
			r := httptest.NewRequest(http.MethodPost, "/mcp?access_token=hush-hush&code=hush-hush&state=hush-hush", strings.NewReader("client_secret=hush-hush"))
			r.Header["Authorization"] = []string{scheme + authorization}
			r.Header.Set("Cookie", "session=hush-hush")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			g.Protect(whoever).ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	text := log.String()
	for _, e := range all.list {
		text += fmt.Sprintf("%+v\n", e)
	}
	if len(all.list) < 30 {
		t.Errorf("there are %d events only", len(all.list))
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("a log line or an event holds %.60q", secret)
		}
	}
}

func TestABrokenObserverHarmsNoRequest(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	stuck := observe.Async(observing(func(observe.Event) { <-release }), 1)
	i := newIDP(t)
	p := i.provider(t, runtime.WithObserver(observing(func(observe.Event) { panic("broken") })), runtime.WithObserver(stuck))
	g := newGuard(t, p, nil)
	authorization := "Bearer " + i.token(t, nil)
	for range 20 { // would wait for ever
		if response := send(g.Protect(whoever), http.MethodPost, "/mcp", http.Header{"Authorization": {authorization}}); response.StatusCode != http.StatusOK {
			t.Fatalf("the answer is %s", response.Status)
		}
	}
	if response := send(g.Protect(whoever), http.MethodPost, "/mcp", nil); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a refusal is %s", response.Status)
	}
	if stuck.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
}

// deciding does not agree to events of one kind.
type deciding observe.Kind

func (deciding) Observe(context.Context, observe.Event) {}

func (d deciding) Decide(_ context.Context, e observe.Event) error {
	if e.Kind == observe.Kind(d) {
		return errors.New("the record is full")
	}
	return nil
}

func TestWhatAnObserverDoesNotAgreeToIs503(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	p := i.provider(t)
	for kind, authorization := range map[observe.Kind]string{
		observe.CallerVerified: "Bearer " + i.token(t, nil), observe.RequestRefused: "",
	} {
		seen := &everything{}
		g := newGuard(t, p, func(c *runtime.GuardConfig) { c.Observer = observe.Multi(deciding(kind), seen) })
		reached := false
		h := g.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
		response := send(h, http.MethodPost, "/mcp", http.Header{"Authorization": {authorization}})
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || reached {
			t.Errorf("%s: %s, Retry-After %q, handler reached: %t", kind, response.Status, response.Header.Get("Retry-After"), reached)
		}
		if refusals := seen.of(observe.RequestRefused); len(refusals) != 1 || refusals[0].Reason != oauth.ReasonNotRecorded {
			t.Errorf("%s: the refusals are %+v", kind, refusals)
		}
		if len(seen.of(observe.CallerVerified)) != 0 {
			t.Errorf("%s: a caller is told of who was refused", kind)
		}
	}
}

func TestTheEndOfAStreamIsAnEvent(t *testing.T) {
	t.Parallel()
	i := newIDP(t)
	seen := &everything{}
	g := newGuard(t, i.provider(t, runtime.WithObserver(seen)), nil)
	authorization := []string{"Bearer " + i.token(t, nil)}
	for _, c := range []struct{ method, accept string }{
		{http.MethodGet, "text/event-stream"}, {http.MethodGet, "application/json"}, {http.MethodPost, "application/json, text/event-stream"},
	} {
		send(g.Protect(whoever), c.method, "/mcp", http.Header{"Authorization": authorization, "Accept": {c.accept}})
	}
	if ended := seen.of(observe.StreamEnded); len(ended) != 1 || ended[0].Subject == "" || ended[0].Duration <= 0 {
		t.Errorf("the ends of streams are %+v", ended)
	}
}
