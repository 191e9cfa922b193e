package sessions_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/sessions"
)

const header = "Mcp-Session-Id"

// library stands for an MCP server's: it gives out ids, answers with those that it gets, and binds
// nothing to anybody.
func library(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(header)
	if id == "" && r.Method == http.MethodPost {
		id = "inner-1"
	}
	w.Header().Set(header, id)
	if id == "" {
		w.Header().Del(header)
	}
	switch r.URL.Path {
	case "/headers-alone":
	case "/status":
		w.WriteHeader(http.StatusAccepted)
	case "/stream":
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "session "+id)
	default:
		_, _ = io.WriteString(w, "session "+id)
	}
}

func newBinder(t *testing.T, config sessions.Config) *sessions.Binder {
	t.Helper()
	if config.Observer == nil {
		config.Observer = observe.Slog(slog.New(slog.DiscardHandler))
	}
	b, err := sessions.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// send sends a request as a caller, "subject of issuer"; an empty one is nobody.
func send(h http.Handler, method, path, caller string, ids ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Header[header] = ids
	if len(ids) == 0 {
		r.Header.Del(header)
	}
	if subject, issuer, ok := strings.Cut(caller, " of "); ok {
		r = r.WithContext(oauth.NewContext(r.Context(), &oauth.AuthInfo{Issuer: issuer, Subject: subject}))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const (
	alice = "alice of https://idp.example.com"
	bob   = "bob of https://idp.example.com"
)

// RS-12: a session belongs to one issuer and subject.
// covers: RS-12
func TestASessionIsItsCallersOwn(t *testing.T) {
	t.Parallel()
	h := newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(library))
	for _, path := range []string{"/", "/headers-alone", "/status", "/stream"} {
		t.Run("opened at "+path, func(t *testing.T) {
			t.Parallel()
			opened := send(h, http.MethodPost, path, alice)
			id := opened.Result().Header.Get(header) // as it was sent: later changes of the header come too late
			if id == "" || strings.Contains(id, "inner-1") {
				t.Fatalf("the session has the id %q", id)
			}
			for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
				if own := send(h, method, "/", alice, id); own.Code != http.StatusOK || own.Body.String() != "session inner-1" {
					t.Errorf("%s of the caller's own: %d %s", method, own.Code, own.Body)
				} else if again := own.Header().Get(header); again != id {
					t.Errorf("%s: the session's id changed, which clients refuse", method)
				}
				for _, other := range []string{
					bob, "alice of https://other.example.com", "alice of https://abc.example.com", "lice of https://idp.example.coma",
					"malice of https://idp.example.co", "ahttps://idp.example.com of lice",
				} {
					if w := send(h, method, "/", other, id); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "inner") {
						t.Errorf("%s by %s: %d %s", method, other, w.Code, w.Body)
					}
				}
			}
		})
	}
}

// RS-12: nor is there a session in an id that nobody got here.
// covers: RS-12
func TestIdsThatWereNotGivenOutAreNotFound(t *testing.T) {
	t.Parallel()
	h := newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(library))
	id := send(h, http.MethodPost, "/", alice).Header().Get(header)
	foreign := send(newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(library)), http.MethodPost, "/", alice).Header().Get(header)
	flipped := []byte(id)
	flipped[len(flipped)/2] ^= 1
	for name, ids := range map[string][]string{
		"the library's own id": {"inner-1"}, "an empty one": {""}, "a part": {id[:len(id)-1]}, "more": {id + "A"},
		"a changed one": {string(flipped)}, "one of another server": {foreign}, "one twice": {id, id}, "two": {"inner-1", id},
		"100 KB": {strings.Repeat("A", 100<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if w := send(h, http.MethodPost, "/", alice, ids...); w.Code != http.StatusNotFound || w.Header().Get(header) != "" {
				t.Errorf("got %d, session %q", w.Code, w.Header().Get(header))
			}
		})
	}
	t.Run("the end of a stream without its session", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Last-Event-ID", "7")
		r = r.WithContext(oauth.NewContext(r.Context(), &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: "alice"}))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusNotFound {
			t.Errorf("got %d", w.Code)
		}
	})
}

// An answer may be announced before it is known whose session it opens.
func TestAnInformationalAnswerNamesNoSession(t *testing.T) {
	t.Parallel()
	bound := newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set(header, "inner-1")
		w.WriteHeader(http.StatusOK)
	}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: "alice"}
		bound.ServeHTTP(w, r.WithContext(oauth.NewContext(r.Context(), info)))
	}))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if id := response.Header.Get(header); response.StatusCode != http.StatusOK || id == "" || strings.Contains(id, "inner-1") {
		t.Errorf("got %s with the session %q", response.Status, id)
	}
}

// A handler that stands in front, such as a log of requests, never reads the id that the library
// knows.
func TestTheRequestItselfIsLeftAsItCame(t *testing.T) {
	t.Parallel()
	h := newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(library))
	id := send(h, http.MethodPost, "/", alice).Header().Get(header)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set(header, id)
	r = r.WithContext(oauth.NewContext(r.Context(), &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: "alice"}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Body.String() != "session inner-1" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if got := r.Header.Get(header); got != id {
		t.Errorf("the request's header became %q", got)
	}
}

func TestServersWithoutSessionsAreLeftAlone(t *testing.T) {
	t.Parallel()
	h := newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(library))
	if w := send(h, http.MethodGet, "/", alice); w.Code != http.StatusOK || len(w.Header().Values(header)) != 0 {
		t.Errorf("got %d with the session %q", w.Code, w.Header().Values(header))
	}
}

func TestReplicasWithOneKeyShareSessions(t *testing.T) {
	t.Parallel()
	key := func(b byte) oauth.Secret {
		text := bytes.Repeat([]byte{b, 'x'}, 16)
		return oauth.Secret(base64.StdEncoding.EncodeToString(text))
	}
	bind := func(keys ...oauth.Secret) http.Handler {
		return newBinder(t, sessions.Config{Keys: keys}).Bind(http.HandlerFunc(library))
	}
	id := send(bind(key('a')), http.MethodPost, "/", alice).Header().Get(header)
	for name, c := range map[string]struct {
		keys []oauth.Secret
		want int
	}{
		"the same key": {[]oauth.Secret{key('a')}, 200}, "a newer key besides": {[]oauth.Secret{key('b'), key('a')}, 200},
		"another key": {[]oauth.Secret{key('b')}, 404},
	} {
		if w := send(bind(c.keys...), http.MethodPost, "/", alice, id); w.Code != c.want {
			t.Errorf("%s: got %d, want %d", name, w.Code, c.want)
		}
		if w := send(bind(c.keys...), http.MethodPost, "/", bob, id); w.Code != http.StatusNotFound {
			t.Errorf("%s, another caller: got %d", name, w.Code)
		}
	}
	if _, err := sessions.New(sessions.Config{Keys: []oauth.Secret{"short"}}); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a key that is none gives %v", err)
	}
}

func TestWithoutAGuardNobodyPasses(t *testing.T) {
	t.Parallel()
	h := newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("an unverified request passed")
	}))
	if w := send(h, http.MethodPost, "/", ""); w.Code != http.StatusInternalServerError {
		t.Errorf("got %d", w.Code)
	}
}

// covers: T-OPS-03
func TestTheLogTellsOfAThiefAndHoldsNoId(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := newBinder(t, sessions.Config{Observer: observe.Slog(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))}).
		Bind(http.HandlerFunc(library))
	id := send(h, http.MethodPost, "/", alice).Header().Get(header)
	send(h, http.MethodPost, "/", bob, id)
	send(h, http.MethodPost, "/", bob, "made-up")
	if text := log.String(); !strings.Contains(text, "level=WARN") || strings.Contains(text, id) || strings.Contains(text, "made-up") {
		t.Errorf("the log says\n%s", text)
	}
}

// notFlushing is a writer that cannot stream.
type notFlushing struct{ http.ResponseWriter }

func TestStreamingIsOfferedWhereItWorks(t *testing.T) {
	t.Parallel()
	for want, wrap := range map[bool]func(http.ResponseWriter) http.ResponseWriter{
		true:  func(w http.ResponseWriter) http.ResponseWriter { return w },
		false: func(w http.ResponseWriter) http.ResponseWriter { return notFlushing{w} },
	} {
		h := newBinder(t, sessions.Config{}).Bind(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, "inner-1")
			flusher, ok := w.(http.Flusher)
			if ok != want {
				t.Errorf("a flusher: %t, want %t", ok, want)
			}
			if ok {
				flusher.Flush()
			}
		}))
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r = r.WithContext(oauth.NewContext(r.Context(), &oauth.AuthInfo{Issuer: "i", Subject: "s"}))
		h.ServeHTTP(wrap(w), r)
		if id := w.Result().Header.Get(header); id == "" || id == "inner-1" {
			t.Errorf("the session has the id %q", id)
		}
		if w.Flushed != want {
			t.Errorf("flushed: %t, want %t", w.Flushed, want)
		}
	}
}

func TestCallersAtOnceDoNotMix(t *testing.T) {
	t.Parallel()
	binder := newBinder(t, sessions.Config{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subject := r.Header.Get("Subject")
		binder.Bind(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(header) == "" {
				w.Header().Set(header, "of-"+subject)
				return
			}
			_, _ = io.WriteString(w, r.Header.Get(header))
		})).ServeHTTP(w, r.WithContext(oauth.NewContext(r.Context(), &oauth.AuthInfo{Issuer: "i", Subject: subject})))
	}))
	defer server.Close()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			subject := fmt.Sprint("user-", i)
			ask := func(id string) *http.Response {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
				if err != nil {
					t.Error(err)
					return nil
				}
				r.Header.Set("Subject", subject)
				if id != "" {
					r.Header.Set(header, id)
				}
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
				}
				return response
			}
			opened := ask("")
			_ = opened.Body.Close()
			for range 20 {
				answer := ask(opened.Header.Get(header))
				body, _ := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				if string(body) != "of-"+subject {
					t.Errorf("%s got %q", subject, body)
				}
			}
		})
	}
	all.Wait()
}
