package devidp_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

// documentServer serves what handle says at every path and counts the requests.
type documentServer struct {
	*httptest.Server

	fetched atomic.Int32
}

func serveDocuments(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, id string)) *documentServer {
	t.Helper()
	s := &documentServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetched.Add(1)
		w.Header().Set("Content-Type", "application/json")
		handle(w, r, s.URL+r.URL.RequestURI())
	}))
	t.Cleanup(s.Close)
	return s
}

func document(id string) map[string]any {
	return map[string]any{
		"client_id": id, "client_name": "Documented Client", "redirect_uris": []string{testRedirect},
		"grant_types": []string{"authorization_code", "refresh_token"},
	}
}

func writeDocument(w http.ResponseWriter, members map[string]any) {
	body, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body)
}

func withDocuments(s *documentServer) func(*devidp.Config) {
	return func(c *devidp.Config) { c.MetadataClient = s.Client() }
}

func TestClientWithAMetadataDocumentGetsTokens(t *testing.T) { // AS-4
	t.Parallel()
	documents := serveDocuments(t, func(w http.ResponseWriter, _ *http.Request, id string) { writeDocument(w, document(id)) })
	idp := devidp.Start(t, withDocuments(documents))
	if !idp.Metadata().ClientIDMetadataDocumentSupported {
		t.Error("metadata documents are not announced")
	}
	id := documents.URL + "/client.json"
	parameters := with(authorizeParameters(), "client_id", id)
	code := login(t, idp, parameters).Get("code")
	response := readTokens(t, postForm(t, idp, "/token", with(codeForm(code), "client_id", id)))
	if _, claims := verified(t, idp, response.AccessToken); claims.String("client_id") != id {
		t.Errorf("client_id is %q", claims.String("client_id"))
	}
	readTokens(t, postForm(t, idp, "/token", with(refreshForm(response.RefreshToken), "client_id", id)))

	t.Run("whose host the consent page names", func(t *testing.T) {
		t.Parallel()
		page := consentOf(t, idp, browser(t, idp), parameters)
		host := strings.TrimPrefix(documents.URL, "http://")
		if !strings.Contains(page.text, "Documented Client") || !strings.Contains(page.text, "Described by a document at "+host) {
			t.Error("the page lacks the client's name or host")
		}
	})
	t.Run("but cannot use another redirect URI", func(t *testing.T) {
		t.Parallel()
		answer := get(t, idp, authorizeURL(idp, with(parameters, "redirect_uri", "http://127.0.0.1:7000/other")))
		if answer.status != http.StatusBadRequest || answer.header.Get("Location") != "" {
			t.Errorf("status %d", answer.status)
		}
	})
}

func TestMetadataDocumentIsRefused(t *testing.T) { // AS-4
	t.Parallel()
	changed := func(change map[string]any) func(http.ResponseWriter, *http.Request, string) {
		return func(w http.ResponseWriter, _ *http.Request, id string) {
			members := document(id)
			maps.Copy(members, change)
			writeDocument(w, members)
		}
	}
	elsewhere := serveDocuments(t, func(w http.ResponseWriter, _ *http.Request, id string) { writeDocument(w, document(id)) })
	t.Cleanup(func() { // after the parallel sub-tests
		if n := elsewhere.fetched.Load(); n != 0 {
			t.Errorf("a redirect was followed %d times", n)
		}
	})
	for name, handle := range map[string]func(http.ResponseWriter, *http.Request, string){
		"when it names another client_id":     changed(map[string]any{"client_id": "https://other.example/client.json"}),
		"when it names none":                  changed(map[string]any{"client_id": nil}),
		"without a name":                      changed(map[string]any{"client_name": ""}),
		"without redirect URIs":               changed(map[string]any{"redirect_uris": []string{}}),
		"with a redirect URI of plain http":   changed(map[string]any{"redirect_uris": []string{"http://app.example.com/"}}),
		"with a secret":                       changed(map[string]any{"client_secret": "test"}),
		"with an authentication by secret":    changed(map[string]any{"token_endpoint_auth_method": "client_secret_post"}),
		"with an authentication by other key": changed(map[string]any{"token_endpoint_auth_method": "private_key_jwt"}),
		"when it is too large":                changed(map[string]any{"client_uri": strings.Repeat("x", 6000)}),
		"when it is too large by white space": func(w http.ResponseWriter, _ *http.Request, id string) {
			writeDocument(w, document(id))
			_, _ = w.Write(bytes.Repeat([]byte{' '}, 6000))
		},
		"when it is not JSON": func(w http.ResponseWriter, _ *http.Request, _ string) {
			_, _ = w.Write([]byte("<html>"))
		},
		"when it has a member twice": func(w http.ResponseWriter, _ *http.Request, id string) {
			_, _ = w.Write([]byte(`{"client_id":"x","client_id":"` + id + `","client_name":"n","redirect_uris":["` + testRedirect + `"]}`))
		},
		"when it is sent as HTML": func(w http.ResponseWriter, _ *http.Request, id string) {
			w.Header().Set("Content-Type", "text/html")
			writeDocument(w, document(id))
		},
		"when it is not there": func(w http.ResponseWriter, _ *http.Request, id string) {
			w.WriteHeader(http.StatusNotFound)
			writeDocument(w, document(id))
		},
		"when its address redirects": func(w http.ResponseWriter, r *http.Request, _ string) {
			http.Redirect(w, r, elsewhere.URL+"/client.json", http.StatusFound)
		},
		"when it is cut short": func(w http.ResponseWriter, _ *http.Request, id string) {
			w.Header().Set("Content-Length", "4000")
			writeDocument(w, document(id))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			documents := serveDocuments(t, handle)
			idp := devidp.Start(t, withDocuments(documents))
			id := documents.URL + "/client.json"
			answer := get(t, idp, authorizeURL(idp, with(authorizeParameters(), "client_id", id)))
			if answer.status != http.StatusBadRequest || answer.header.Get("Location") != "" {
				t.Errorf("status %d, location %q", answer.status, answer.header.Get("Location"))
			}
			postForm(t, idp, "/token", with(codeForm("x"), "client_id", id)).wantError(t, 401, oauth.CodeInvalidClient)
			if n := documents.fetched.Load(); n != 2 {
				t.Errorf("fetched %d times: a failure was kept", n)
			}
		})
	}
}

func TestMetadataDocumentIsNotFetchedFromOddAddresses(t *testing.T) {
	t.Parallel()
	documents := serveDocuments(t, func(w http.ResponseWriter, _ *http.Request, id string) { writeDocument(w, document(id)) })
	idp := devidp.Start(t, withDocuments(documents))
	var asked atomic.Int32
	spying := devidp.Start(t, func(c *devidp.Config) {
		c.MetadataClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			asked.Add(1)
			return nil, http.ErrNotSupported
		})}
	})
	off := devidp.Start(t)
	refuse := func(t *testing.T, idp *devidp.TestServer, id string) {
		t.Helper()
		answer := get(t, idp, authorizeURL(idp, with(authorizeParameters(), "client_id", id)))
		if answer.status != http.StatusBadRequest {
			t.Errorf("%s: status %d", id, answer.status)
		}
	}
	for _, tail := range []string{"", "/", "/#x", "/client.json#x", "/a/../client.json", "/a/%2e%2e/client.json", "/a b"} {
		refuse(t, idp, documents.URL+tail)
	}
	refuse(t, idp, strings.Replace(documents.URL, "http://", "http://user@", 1)+"/client.json")
	refuse(t, off, documents.URL+"/client.json")
	if n := documents.fetched.Load(); n != 0 {
		t.Errorf("fetched %d times", n)
	}
	for _, id := range []string{
		"http://192.0.2.1/client.json", "http://client.example.com/client.json", "ftp://127.0.0.1/client.json", "https:///client.json",
		"HTTPS://client.example.com/client.json", "https://client%2eexample.com/client.json", "//client.example.com/client.json",
		"https://client.example.com/" + strings.Repeat("x", 1000),
	} {
		refuse(t, spying, id)
	}
	if asked.Load() != 0 {
		t.Errorf("asked %d times", asked.Load())
	}
	refuse(t, spying, "https://client.example.com/client.json")
	if asked.Load() != 1 {
		t.Error("a good address was not asked")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMetadataDocumentIsCachedAsItsHeadersSay(t *testing.T) { // AS-4
	t.Parallel()
	for name, test := range map[string]struct {
		cacheControl string
		wait         time.Duration
		fetches      int32
	}{
		"within max-age":       {"max-age=600", 9 * time.Minute, 1},
		"after max-age":        {"public, max-age=600", 10 * time.Minute, 2},
		"no-store":             {"no-store", 0, 2},
		"no-cache":             {"max-age=600, no-cache", 0, 2},
		"nonsense":             {"max-age=soon", 0, 2},
		"nothing said, soon":   {"", time.Minute, 1},
		"nothing said, later":  {"", 5 * time.Minute, 2},
		"a year, the next day": {"max-age=31536000", 24 * time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			documents := serveDocuments(t, func(w http.ResponseWriter, _ *http.Request, id string) {
				w.Header().Set("Cache-Control", test.cacheControl)
				writeDocument(w, document(id))
			})
			clock := newClock()
			idp := devidp.Start(t, withDocuments(documents), withClock(clock.Now))
			parameters := with(authorizeParameters(), "client_id", documents.URL+"/client.json")
			for range 2 {
				if answer := get(t, idp, authorizeURL(idp, parameters)); answer.status != http.StatusSeeOther {
					t.Fatalf("status %d", answer.status)
				}
				clock.advance(test.wait)
			}
			if n := documents.fetched.Load(); n != test.fetches {
				t.Errorf("fetched %d times, want %d", n, test.fetches)
			}
		})
	}
}

func TestOwnClientIsNotReplacedByADocument(t *testing.T) {
	t.Parallel()
	const id = "https://client.example.com/client.json"
	idp := devidp.Start(t, func(c *devidp.Config) {
		c.Clients = []devidp.Client{{ID: id, RedirectURIs: []string{testRedirect}}}
		c.MetadataClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, http.ErrNotSupported
		})}
	})
	if login(t, idp, with(authorizeParameters(), "client_id", id)).Get("code") == "" {
		t.Error("no code")
	}
}
