package clients

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// covers: AS-4
func TestDocumentURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"https://client.example.com/metadata.json": true, "https://client.example.com/": true, "https://client.example.com:8443/x?v=1": true,
		"https://client.example.com": false, "http://client.example.com/x": false, "https://u@client.example.com/x": false,
		"https://client.example.com/x#y": false, "https://client.example.com/a/../b": false, "https://client.example.com/%2e%2e/b": false,
		"https://Client.example.com/x": false, "https://0x7f.1/x": false, "https://client.example.com./x": false,
		// A11: the page shows the host.
		"https://client\u2800.example.com/x": false, "https://client%E2%A0%80.example.com/x": false, "https://client\u0301.example.com/x": false,
		"https://client.example.com/\n": false, "https://client.example.com/ä": false, "https://client.example.com/\\x": false,
		"https://client.example.com/" + strings.Repeat("x", 500): false,
	} {
		if err := checkDocumentURL(url); (err == nil) != want {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// covers: AS-4
func TestTheAgeOfADocumentCounts(t *testing.T) {
	t.Parallel()
	age := http.Header{"Cache-Control": {"max-age=100"}, "Age": {"30"}}
	if got := documentLifetime(age, time.Now()); got != 70*time.Second {
		t.Errorf("with an age: %v", got)
	}
}

// Everybody can name documents that do not exist. They must not take the place of those that
// clients need.
func TestFailuresDoNotPushOutDocuments(t *testing.T) {
	t.Parallel()
	const id = "https://client.example.com/client.json"
	var fetches atomic.Int32
	r, err := New(Config{
		Documents: proxy.ClientDocuments{Client: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			fetches.Add(1)
			rec := httptest.NewRecorder()
			if r.URL.String() == id {
				rec.Header().Set("Content-Type", "application/json")
				_, _ = fmt.Fprintf(rec, `{"client_id":%q,"client_name":"X","redirect_uris":["https://client.example.com/cb"]}`, id)
			} else {
				rec.WriteHeader(http.StatusNotFound)
			}
			return rec.Result(), nil
		})}},
		MayFetch: func(string, time.Time) bool { return true }, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	find := func(id string, want bool) {
		t.Helper()
		if _, refused := r.Find(t.Context(), id, ""); (refused == nil) != want {
			t.Fatalf("%s: %v", id, refused)
		}
	}
	find(id, true)
	for i := range maxDocuments + 10 {
		find(fmt.Sprintf("https://client.example.com/missing-%d", i), false)
	}
	before := fetches.Load()
	find(id, true)
	if fetches.Load() != before {
		t.Error("the document was forgotten")
	}
	if n := r.documents.failed.Len(); n != maxFailures {
		t.Errorf("%d failures are kept", n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
