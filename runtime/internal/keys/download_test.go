package keys_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime/internal/keys"
)

// TestWhatIsNoKeySetIsAnOutage serves, over real connections, everything that a provider may answer
// instead of its keys. The keys known before stay in use, tokens with other keys get 503, and
// nobody hangs.
// covers: T-TOK-19
func TestWhatIsNoKeySetIsAnOutage(t *testing.T) {
	t.Parallel()
	key := newKey(t, "a")
	valid, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(valid) }))
	t.Cleanup(elsewhere.Close)
	for name, broken := range map[string]http.HandlerFunc{
		"status 500": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", http.StatusInternalServerError) },
		"status 404": http.NotFound,
		"status 500 with a valid set": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(valid)
		},
		"status 203 with a valid set": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNonAuthoritativeInfo) // what a proxy made of it (RFC 9110 section 15.3.4)
			_, _ = w.Write(valid)
		},
		"status 206 with a valid set": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(valid)
		},
		"status 204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<!doctype html><title>Captive portal</title>"))
		},
		"a redirect to a valid set": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		},
		"a permanent redirect to a valid set": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		},
		"a hundred megabytes": func(w http.ResponseWriter, _ *http.Request) {
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 100 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
			_, _ = w.Write(valid)
		},
		"a set behind a megabyte of blanks": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append([]byte(strings.Repeat(" ", 1<<20)), valid...))
		},
		"a set before a megabyte of blanks": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(slices.Clone(valid), strings.Repeat(" ", 1<<20)...))
		},
		"headers that never come": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a body that never ends": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(valid[:20])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"half a body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(valid)))
			_, _ = w.Write(valid[:20])
		},
		"an empty body":       func(http.ResponseWriter, *http.Request) {},
		"another JSON object": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"error":"nope"}`)) },
		"a bare array":        func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`[]`)) },
		"a dropped connection": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var isBroken atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isBroken.Load() {
					broken(w, r)
					return
				}
				_, _ = w.Write(valid)
			}))
			t.Cleanup(server.Close)
			var ahead atomic.Int64
			start := time.Now()
			r := keys.NewRemote(keys.Config{
				URL: server.URL, Client: server.Client(), Timeout: 200 * time.Millisecond,
				Now: func() time.Time { return start.Add(time.Duration(ahead.Load())) },
			})
			known := mustFind(t, r, "a")
			isBroken.Store(true)
			ahead.Store(int64(2 * keys.DefaultHardExpiry))
			if mustFind(t, r, "a") != known {
				t.Error("the known key changed")
			}
			wantUnavailable(t, r, "b")
			fresh := keys.NewRemote(keys.Config{
				URL: server.URL, Client: server.Client(), Timeout: 200 * time.Millisecond,
			})
			wantUnavailable(t, fresh, "a")
		})
	}
}

// blanks is a body that is read for as long as somebody reads it, up to 100 MB.
type blanks struct{ read int }

func (b *blanks) Read(p []byte) (int, error) {
	if b.read > 100<<20 {
		return 0, io.EOF
	}
	b.read += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func (b *blanks) Close() error { return nil }

func TestABodyIsReadToTheLimitOnly(t *testing.T) {
	t.Parallel()
	body := &blanks{}
	r := keys.NewRemote(keys.Config{
		URL: "https://idp.example.com/jwks",
		Client: &http.Client{Transport: roundTripper(func(request *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: body, Request: request}, nil
		})},
	})
	wantUnavailable(t, r, "a")
	if body.read > 1<<20 {
		t.Errorf("%d bytes were read", body.read)
	}
}

func TestUnusualAnswersThatAreKeySets(t *testing.T) {
	t.Parallel()
	valid, err := jose.PublicSet(newKey(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	for name, contentType := range map[string]string{
		"as JWK set": "application/jwk-set+json", "as text": "text/plain; charset=utf-8", "as bytes": "application/octet-stream", "as nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" || !strings.Contains(r.Header.Get("Accept"), "json") {
					t.Errorf("got %s with headers %v", r.Method, r.Header)
				}
				w.Header()["Content-Type"] = []string{contentType}
				_, _ = w.Write(valid)
			}))
			t.Cleanup(server.Close)
			r := keys.NewRemote(keys.Config{URL: server.URL, Client: server.Client()})
			mustFind(t, r, "a")
		})
	}
}

// covers: T-TOK-19
func TestTransportFailuresAreOutages(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, url := range map[string]string{
		"a certificate that nobody trusts": untrusted.URL,
		"nobody listening":                 closed.URL,
		"an address that is no URL":        "http://[::1",
		"an empty address":                 "",
		"an unknown scheme":                "ftp://127.0.0.1/jwks",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := keys.NewRemote(keys.Config{URL: url, Client: &http.Client{Transport: &http.Transport{}}})
			wantUnavailable(t, r, "a")
		})
	}
}

// TestTheClientStaysAsItIs: redirects are refused on a copy.
func TestTheClientStaysAsItIs(t *testing.T) {
	t.Parallel()
	errRedirect := errors.New("the caller's own rule")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}
	keys.NewRemote(keys.Config{URL: "https://idp.example.com/jwks", Client: client})
	if err := client.CheckRedirect(nil, nil); !errors.Is(err, errRedirect) {
		t.Errorf("the caller's client has another redirect rule: %v", err)
	}
}
