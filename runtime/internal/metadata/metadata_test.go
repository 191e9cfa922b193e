package metadata_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/metadata"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const issuer = "https://idp.example.com/realms/x"

// upstream answers requests by path and counts them.
type upstream struct {
	mu      sync.Mutex
	answers map[string]string
	// contentType of the answers; empty is JSON's.
	contentType string
	gate        chan struct{} // when set, requests wait until it is closed
	fetches     atomic.Int64
}

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	u.fetches.Add(1)
	u.mu.Lock()
	body, ok := u.answers[r.URL.Path]
	gate := u.gate
	u.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if body == "down" {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	if status, rest, ok := strings.Cut(body, ", Retry-After: "); ok {
		body = status
		w.Header().Set("Retry-After", rest)
	}
	if status, err := strconv.Atoi(body); err == nil {
		w.WriteHeader(status)
		return w.Result(), nil
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return w.Result(), nil
	}
	w.Header().Set("Content-Type", cmp.Or(u.contentType, "application/json"))
	_, _ = io.WriteString(w, body)
	response := w.Result()
	response.Request = r
	return response, nil
}

func (u *upstream) set(path, body string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answers[path] = body
}

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(c.at.Load(), 0) }
func (c *clock) add(d time.Duration) {
	c.at.Add(int64(d / time.Second))
}

func newSource(u *upstream, c *clock, forms ...facts.Form) *metadata.Source {
	c.at.CompareAndSwap(0, 1_700_000_000)
	return metadata.NewSource(metadata.Config{
		Issuer: issuer, Forms: forms, Client: &http.Client{Transport: u}, Now: c.now,
		Fallback: oauth.AuthorizationServerMetadata{Issuer: issuer, TokenEndpoint: "https://idp.example.com/token"},
	})
}

func document(extra string) string { return fmt.Sprintf(`{"issuer":%q%s}`, issuer, extra) }

const (
	oidcPath  = "/realms/x/.well-known/openid-configuration"
	oauthPath = "/.well-known/oauth-authorization-server/realms/x"
)

func TestDocumentIsPassedOnByteForByte(t *testing.T) {
	t.Parallel()
	want := `{ "issuer" : "` + issuer + `", "x": [1, 2] }`
	u := &upstream{answers: map[string]string{oauthPath: want}}
	w := httptest.NewRecorder()
	newSource(u, &clock{}, facts.OAuthInserted).Handler(oauth.WellKnownAuthorizationServer).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
	}
}

func TestWhichDocumentAnswersWhichRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		forms  []facts.Form
		suffix string
		want   string // the "from" member, or an HTTP status
	}{
		"OAuth from OAuth":                      {[]facts.Form{facts.OpenIDAppended, facts.OAuthInserted}, oauth.WellKnownAuthorizationServer, "oauth"},
		"OAuth from OpenID where that is all":   {[]facts.Form{facts.OpenIDAppended}, oauth.WellKnownAuthorizationServer, "oidc"},
		"OpenID from OpenID":                    {[]facts.Form{facts.OAuthInserted, facts.OpenIDAppended}, oauth.WellKnownOpenID, "oidc"},
		"OpenID never from OAuth":               {[]facts.Form{facts.OAuthInserted}, oauth.WellKnownOpenID, "404"},
		"the next form where the first is gone": {[]facts.Form{facts.OAuthAppended, facts.OAuthInserted}, oauth.WellKnownAuthorizationServer, "oauth"},
		"a synthesis where there is none":       {nil, oauth.WellKnownAuthorizationServer, ""},
		"no OpenID synthesis":                   {nil, oauth.WellKnownOpenID, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &upstream{answers: map[string]string{oauthPath: document(`,"from":"oauth"`), oidcPath: document(`,"from":"oidc"`)}}
			body, err := newSource(u, &clock{}, c.forms...).Document(t.Context(), c.suffix)
			if err != nil {
				if got := fmt.Sprint(oauth.AsError(err).Status); got != c.want {
					t.Errorf("got status %s, want %s", got, c.want)
				}
				return
			}
			var got struct{ From, Issuer string }
			if err := json.Unmarshal(body, &got); err != nil || got.From != c.want || got.Issuer != issuer {
				t.Errorf("got %s, %v", body, err)
			}
		})
	}
}

// A provider that serves both documents may serve only one of them at a bad moment.
func TestTheOtherDocumentStandsInBriefly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		best    string // the answer for the best document at first
		briefly bool
	}{
		"after a failure of the connection":  {"down", true},
		"after a failure of the server":      {"503", true},
		"after a gateway's time-out":         {"504", true},
		"after too many requests":            {"429", true},
		"but for long where there is none":   {"404", false},
		"but for long where it is refused":   {"400", false},
		"but for long where it is forbidden": {"403", false},
		"but for long where it is a page":    {"<html>", false},
		"but for long where it is another's": {`{"issuer":"https://other.example.com"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := &clock{}
			u := &upstream{answers: map[string]string{oauthPath: c.best}}
			u.set(oidcPath, document(`,"from":"oidc"`))
			source := newSource(u, clock, facts.OAuthInserted, facts.OpenIDAppended)
			get := func() (from, caching string) {
				w := httptest.NewRecorder()
				source.Handler(oauth.WellKnownAuthorizationServer).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
				var got struct{ From string }
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
					t.Fatalf("got %d %s", w.Code, w.Body)
				}
				return got.From, w.Header().Get("Cache-Control")
			}
			from, caching := get()
			if want := map[bool]string{true: "public, max-age=10", false: "public, max-age=300"}[c.briefly]; from != "oidc" || caching != want {
				t.Fatalf("got %q with Cache-Control %q, want oidc with %q", from, caching, want)
			}
			u.set(oauthPath, document(`,"from":"oauth"`))
			before := u.fetches.Load()
			if get(); u.fetches.Load() != before {
				t.Error("asked again at once")
			}
			clock.add(time.Minute)
			get()
			if !c.briefly {
				if u.fetches.Load() != before {
					t.Error("asked again within ten minutes")
				}
				return
			}
			for from != "oauth" { // once the fetch in the background has ended
				from, caching = get()
			}
			if caching != "public, max-age=300" {
				t.Errorf("the best document has Cache-Control %q", caching)
			}
			u.set(oauthPath, "503")
			clock.add(time.Hour)
			before = u.fetches.Load()
			for from, _ = get(); u.fetches.Load() < before+2; from, _ = get() {
				goruntime.Gosched()
			}
			if from != "oauth" {
				t.Error("the other document takes the place of an older one that is better")
			}
		})
	}
}

// logged counts log entries with a text.
type logged struct {
	text  string
	count atomic.Int64
}

func (l *logged) Write(entry []byte) (int, error) {
	if strings.Contains(string(entry), l.text) {
		l.count.Add(1)
	}
	return len(entry), nil
}

// An OAuth server that is off, as Supabase's is at first, has no metadata of RFC 8414, and OpenID's
// says nothing of it.
func TestALackOfOAuthMetadataIsSaidOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		best  string
		forms []facts.Form
		want  int64
	}{
		"where it should be":                {"404", []facts.Form{facts.OAuthInserted, facts.OpenIDAppended}, 1},
		"not where it is":                   {document(``), []facts.Form{facts.OAuthInserted, facts.OpenIDAppended}, 0},
		"not where it may come any moment":  {"503", []facts.Form{facts.OAuthInserted, facts.OpenIDAppended}, 0},
		"not where nobody says it should":   {"404", []facts.Form{facts.OpenIDAppended}, 0},
		"not where OpenID's is at one of 2": {"404", []facts.Form{facts.OpenIDInserted, facts.OpenIDAppended}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var clock clock
			clock.at.Store(1_700_000_000)
			warnings := &logged{text: "Is the OAuth server switched on there?"}
			u := &upstream{answers: map[string]string{oauthPath: c.best, oidcPath: document(``)}}
			source := metadata.NewSource(metadata.Config{
				Issuer: issuer, Forms: c.forms, Client: &http.Client{Transport: u}, Now: clock.now,
				Events: events.To(observe.Slog(slog.New(slog.NewTextHandler(warnings, nil)))),
			})
			for u.fetches.Load() < 10 { // the later ones in the background
				if _, err := source.Document(t.Context(), oauth.WellKnownAuthorizationServer); err != nil {
					t.Fatal(err)
				}
				clock.add(time.Hour)
				goruntime.Gosched()
			}
			if got := warnings.count.Load(); got != c.want {
				t.Errorf("said %d times, want %d", got, c.want)
			}
		})
	}
}

func TestUnusableDocumentsAre503(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"another issuer":             `{"issuer":"https://evil.example.com"}`,
		"the issuer with a slash":    `{"issuer":"` + issuer + `/"}`,
		"no issuer":                  `{}`,
		"the issuer twice":           `{"issuer":"` + issuer + `","issuer":"` + issuer + `"}`,
		"HTML":                       `<html>`,
		"nothing":                    ``,
		"an array":                   `[]`,
		"more than the limit":        document(`,"x":"` + strings.Repeat("x", 300<<10) + `"`),
		"nothing, as it is not here": "down",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &upstream{answers: map[string]string{oauthPath: body}}
			w := httptest.NewRecorder()
			newSource(u, &clock{}, facts.OAuthInserted).Handler(oauth.WellKnownAuthorizationServer).
				ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "evil") {
				t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

// covers: R21
func TestOddDocumentsAreRead(t *testing.T) {
	t.Parallel()
	for contentType, body := range map[string]string{
		"text/plain": document(""), "text/html; charset=utf-8": document(""), "application/octet-stream": document(""),
		"application/json": "\ufeff" + document(""),
	} {
		u := &upstream{answers: map[string]string{oauthPath: body}, contentType: contentType}
		got, err := newSource(u, &clock{}, facts.OAuthInserted).Document(t.Context(), oauth.WellKnownAuthorizationServer)
		if err != nil || string(got) != document("") {
			t.Errorf("%s: got %q, %v", contentType, got, err)
		}
	}
}

// covers: R21
func TestTheProvidersRetryAfterIsKeptAndTold(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]time.Duration{
		"429, Retry-After: 120": 2 * time.Minute, "503, Retry-After: 86400": 5 * time.Minute, "503, Retry-After: 1": 10 * time.Second,
		"404": 10 * time.Second,
	} {
		u := &upstream{answers: map[string]string{oauthPath: "404", oidcPath: asked}}
		c := &clock{}
		source := newSource(u, c, facts.OAuthInserted, facts.OpenIDAppended)
		get := func() error {
			_, err := source.Document(t.Context(), oauth.WellKnownAuthorizationServer)
			return err
		}
		var e *oauth.Error
		if err := get(); !errors.As(err, &e) || e.RetryAfter != want {
			t.Errorf("%s: got %v, want a Retry-After of %s", asked, e, want)
		}
		before := u.fetches.Load()
		c.add(want - time.Second)
		if err := get(); !errors.As(err, &e) || e.RetryAfter != time.Second || u.fetches.Load() != before {
			t.Errorf("%s: got %v before the time is over, after %d fetches", asked, e, u.fetches.Load())
		}
		c.add(time.Second)
		if _ = get(); u.fetches.Load() == before {
			t.Errorf("%s: nothing is fetched after the time is over", asked)
		}
	}
}

func TestConcurrentLookUpsShareOneFetch(t *testing.T) {
	t.Parallel()
	u := &upstream{answers: map[string]string{oauthPath: document("")}, gate: make(chan struct{})}
	source := newSource(u, &clock{}, facts.OAuthInserted)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := source.Document(t.Context(), oauth.WellKnownAuthorizationServer); err != nil {
				t.Error(err)
			}
		})
	}
	for u.fetches.Load() == 0 {
		goruntime.Gosched() // until somebody started it
	}
	close(u.gate)
	group.Wait()
	if n := u.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestCallerWhoGivesUpDoesNotSpoilTheFetch(t *testing.T) {
	t.Parallel()
	u := &upstream{answers: map[string]string{oauthPath: document("")}, gate: make(chan struct{})}
	source := newSource(u, &clock{}, facts.OAuthInserted)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Document(ctx, oauth.WellKnownAuthorizationServer); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
		t.Errorf("got %v", err)
	}
	close(u.gate)
	if _, err := source.Document(t.Context(), oauth.WellKnownAuthorizationServer); err != nil {
		t.Error(err)
	}
}

func TestOlderDocumentServesWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	u, c := &upstream{answers: map[string]string{oauthPath: document(`,"v":1`)}}, &clock{}
	source := newSource(u, c, facts.OAuthInserted)
	get := func() (string, error) {
		body, err := source.Document(t.Context(), oauth.WellKnownAuthorizationServer)
		return string(body), err
	}
	if _, err := get(); err != nil {
		t.Fatal(err)
	}
	u.set(oauthPath, "down")
	c.add(time.Hour)
	if body, err := get(); err != nil || !strings.Contains(body, `"v":1`) {
		t.Errorf("an hour later: %s, %v", body, err)
	}
	c.add(24 * time.Hour)
	if body, err := get(); err == nil {
		t.Errorf("a day later it still serves %s", body)
	}
	u.set(oauthPath, document(`,"v":2`))
	if _, err := get(); err == nil {
		t.Error("a failed fetch is repeated at once")
	}
	c.add(time.Minute)
	if body, err := get(); err != nil || !strings.Contains(body, `"v":2`) {
		t.Errorf("after the outage: %s, %v", body, err)
	}
}

func TestDocumentIsRefreshedInTheBackground(t *testing.T) {
	t.Parallel()
	u, c := &upstream{answers: map[string]string{oauthPath: document(`,"v":1`)}}, &clock{}
	source := newSource(u, c, facts.OAuthInserted)
	get := func() string {
		body, err := source.Document(t.Context(), oauth.WellKnownAuthorizationServer)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	get()
	u.mu.Lock()
	u.gate = make(chan struct{})
	u.answers[oauthPath] = document(`,"v":2`)
	u.mu.Unlock()
	c.add(time.Hour)
	if got := get(); !strings.Contains(got, `"v":1`) {
		t.Errorf("a look-up waited for the refresh: %s", got)
	}
	close(u.gate)
	for !strings.Contains(get(), `"v":2`) {
		goruntime.Gosched() // the refresh ends without anybody waiting for it
	}
}

// clientThatPanics is a client of the operator's with a mistake.
type clientThatPanics struct{}

func (clientThatPanics) RoundTrip(*http.Request) (*http.Response, error) {
	panic("a client that breaks")
}

func TestPanicOfAClientDoesNotEndTheProcess(t *testing.T) {
	t.Parallel()
	source := metadata.NewSource(metadata.Config{
		Issuer: issuer, Forms: []facts.Form{facts.OAuthInserted}, Client: &http.Client{Transport: clientThatPanics{}}, Now: time.Now,
	})
	if _, err := source.Document(t.Context(), oauth.WellKnownAuthorizationServer); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
		t.Errorf("got %v", err)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(document(`,"a":{"b":[1]}`))
	f.Add(`{"issuer":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		u := &upstream{answers: map[string]string{oauthPath: body}}
		got, err := newSource(u, &clock{}, facts.OAuthInserted).Document(t.Context(), oauth.WellKnownAuthorizationServer)
		if err != nil {
			return
		}
		var parsed struct {
			Issuer string `json:"issuer"`
		}
		if err := json.Unmarshal(got, &parsed); err != nil || parsed.Issuer != issuer {
			t.Fatalf("served %q (%v)", got, err)
		}
	})
}
