package broker

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// documentServer serves client metadata documents over TLS.
type documentServer struct {
	*httptest.Server

	fetches atomic.Int32
	answer  http.HandlerFunc
}

func newDocumentServer(t *testing.T) *documentServer {
	t.Helper()
	s := &documentServer{}
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(s.document("")))
	}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		s.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *documentServer) id() string { return s.URL + "/client.json" }

func (s *documentServer) document(more string) string {
	return fmt.Sprintf(`{"client_id":%q,"client_name":"Document Client","redirect_uris":[%q,%q,"cursor://x"],
		"token_endpoint_auth_method":"none","grant_types":["authorization_code"],"logo_uri":"%s/logo.png"%s}`,
		s.id(), webRedirect, loopRedirect, s.URL, more)
}

// AS-4: the whole flow with a client ID metadata document.
// covers: AS-4
func TestClientMetadataDocuments(t *testing.T) {
	t.Parallel()
	s := newDocumentServer(t)
	w := newWorld(t, 2, func(c *Config) { c.ClientDocuments.Client = s.Client() })
	user := w.newBrowser()
	page := user.open(authorizeURL(s.id(), webRedirect))
	host := strings.TrimPrefix(s.URL, "https://")
	if body := page.Body.String(); !strings.Contains(body, "Document Client") || !strings.Contains(body, host) || strings.Contains(body, "logo.png") {
		t.Errorf("page:\n%s", body)
	}
	tokens := w.login(s.id())
	info, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
	if err != nil || info.ClientID != s.id() {
		t.Errorf("%v", err)
	}
	w.refreshed(s.id(), tokens.RefreshToken)
	if rec := user.open(authorizeURL(s.id(), "cursor://x")); rec.Code != http.StatusBadRequest {
		t.Error("a redirect URI that is not acceptable here was taken from the document")
	}
	if n := s.fetches.Load(); n != 2 { // one per broker: the token endpoint fetches nothing
		t.Errorf("%d fetches", n)
	}
}

// Threats, proxy mode: CIMD redirecting, slow, huge, of a wrong type, with a mismatching client_id.
// covers: T-PRX-14, AS-4
func TestDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	body := func(contentType, text string) func(*documentServer) http.HandlerFunc {
		return func(s *documentServer) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				_, _ = w.Write([]byte(strings.ReplaceAll(text, "{id}", s.id())))
			}
		}
	}
	const good = `{"client_id":"{id}","client_name":"X","redirect_uris":["` + webRedirect + `"]}`
	changed := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for name, answer := range map[string]func(*documentServer) http.HandlerFunc{
		"not found": func(*documentServer) http.HandlerFunc { return http.NotFound },
		"no content": func(*documentServer) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
		},
		"a redirect to the document": func(s *documentServer) http.HandlerFunc {
			fine := s.answer
			return func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					fine(w, r)
					return
				}
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			}
		},
		"HTML":                                      body("text/html", good),
		"JSON without a type":                       body("", good),
		"R2: more than 5 KB":                        body("application/json", changed(`"X"`, `"`+strings.Repeat("x", 5<<10)+`"`)),
		"another client_id":                         body("application/json", changed("{id}", "{id}2")),
		"a client_id in another case":               body("application/json", changed("client.json", "Client.json")+" "),
		"no client_id":                              body("application/json", changed(`"client_id":"{id}",`, "")),
		"CLIENT_ID":                                 body("application/json", changed(`"client_id"`, `"CLIENT_ID"`)),
		"client_id twice":                           body("application/json", changed(`"client_name"`, `"client_id":"x","client_name"`)),
		"no client_name":                            body("application/json", changed(`"client_name":"X",`, "")),
		"no redirect_uris":                          body("application/json", changed(webRedirect, "")),
		"redirect_uris of nothing acceptable":       body("application/json", changed(webRedirect, "javascript:alert(1)")),
		"13 redirect_uris":                          body("application/json", changed(`["`, `["https://a/","https://b/","https://c/","https://d/","https://e/","https://f/","https://g/","https://h/","https://i/","https://j/","https://k/","https://l/","`)),
		"a client_secret":                           body("application/json", changed(`"client_name"`, `"client_secret":"x","client_name"`)),
		"a way to authenticate that we do not know": body("application/json", changed(`"client_name"`, `"token_endpoint_auth_method":"private_key_jwt","client_name"`)),
		"an array":                                  body("application/json", "["+good+"]"),
		"nothing":                                   body("application/json", ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDocumentServer(t)
			s.answer = answer(s)
			if name == "a client_id in another case" {
				s.answer = body("application/json", strings.Replace(good, "{id}", s.URL+"/CLIENT.json", 1))(s)
			}
			w := newWorld(t, 1, func(c *Config) { c.ClientDocuments.Client = s.Client() })
			wantPage(t, w.newBrowser().open(authorizeURL(s.id(), webRedirect)), http.StatusBadRequest)
			fetched := s.fetches.Load()
			for range 5 {
				wantPage(t, w.newBrowser().open(authorizeURL(s.id(), webRedirect)), http.StatusBadRequest)
			}
			if n := s.fetches.Load(); n != fetched {
				t.Errorf("the failure was not kept: %d fetches", n)
			}
		})
	}
}

// Threats, proxy mode: CIMD URLs at private, loopback, link-local, NAT64, 6to4, metadata addresses,
// with the default client.
// covers: T-PRX-14, AS-4
func TestDocumentsAtPrivateAddressesAreNotFetched(t *testing.T) {
	t.Parallel()
	s := newDocumentServer(t)
	w := newWorld(t, 1)
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	for _, host := range []string{
		"127.0.0.1" + port, "[::1]" + port, "localhost" + port, "10.0.0.1", "192.168.0.1", "172.16.0.1", "169.254.169.254",
		"[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0", "100.64.0.1", "metadata.localhost",
	} {
		wantPage(t, w.newBrowser().open(authorizeURL("https://"+host+"/client.json", webRedirect)), http.StatusBadRequest)
	}
	if s.fetches.Load() != 0 {
		t.Error("fetched")
	}
}

// covers: AS-4
func TestDocumentsAreCached(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header  [2]string
		wait    time.Duration
		fetches int32
	}{
		"within the default":          {[2]string{"X", "y"}, 4 * time.Minute, 1},
		"beyond the default":          {[2]string{"X", "y"}, 5 * time.Minute, 2},
		"within max-age":              {[2]string{"Cache-Control", "public, max-age=3600"}, 59 * time.Minute, 1},
		"beyond max-age":              {[2]string{"Cache-Control", "max-age=60"}, time.Minute, 2},
		"a day at most":               {[2]string{"Cache-Control", "max-age=31536000"}, 24 * time.Hour, 2},
		"no-store":                    {[2]string{"Cache-Control", "no-store"}, 0, 2},
		"no-cache":                    {[2]string{"Cache-Control", "No-Cache, max-age=60"}, 0, 2},
		"a max-age that is no number": {[2]string{"Cache-Control", "max-age=soon"}, 0, 2},
		"a negative max-age":          {[2]string{"Cache-Control", "max-age=-1"}, 0, 2},
		"expired already":             {[2]string{"Expires", "0"}, 0, 2},
		"expires in the past":         {[2]string{"Expires", "Thu, 01 Jan 1970 00:00:00 GMT"}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDocumentServer(t)
			fine := s.answer
			s.answer = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(c.header[0], c.header[1])
				fine(w, r)
			}
			w := newWorld(t, 1, func(cfg *Config) { cfg.ClientDocuments.Client = s.Client() })
			for range 2 {
				if rec := w.newBrowser().open(authorizeURL(s.id(), webRedirect)); rec.Code != http.StatusOK {
					t.Fatalf("%d %s", rec.Code, rec.Body)
				}
				w.add(c.wait)
			}
			if n := s.fetches.Load(); n != c.fetches {
				t.Errorf("%d fetches, want %d", n, c.fetches)
			}
		})
	}
}

// A failure is kept for a moment and then tried again.
func TestAFailedDocumentIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newDocumentServer(t)
	fine := s.answer
	s.answer = http.NotFound
	w := newWorld(t, 1, func(c *Config) { c.ClientDocuments.Client = s.Client() })
	wantPage(t, w.newBrowser().open(authorizeURL(s.id(), webRedirect)), http.StatusBadRequest)
	s.answer = fine
	wantPage(t, w.newBrowser().open(authorizeURL(s.id(), webRedirect)), http.StatusBadRequest)
	w.add(30 * time.Second)
	if rec := w.newBrowser().open(authorizeURL(s.id(), webRedirect)); rec.Code != http.StatusOK {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

func TestManyWantTheSameDocument(t *testing.T) {
	t.Parallel()
	s := newDocumentServer(t)
	fine, hold := s.answer, make(chan struct{})
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		<-hold
		fine(w, r)
	}
	w := newWorld(t, 1, func(c *Config) { c.ClientDocuments.Client = s.Client() })
	var all, started sync.WaitGroup
	for range 20 {
		started.Add(1)
		all.Go(func() {
			started.Done()
			if rec := w.newBrowser().open(authorizeURL(s.id(), webRedirect)); rec.Code != http.StatusOK {
				t.Errorf("%d", rec.Code)
			}
		})
	}
	started.Wait()
	close(hold)
	all.Wait()
	if n := s.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Threats, proxy mode: floods.
// covers: T-PRX-05
func TestRateLimits(t *testing.T) {
	t.Parallel()
	s := newDocumentServer(t)
	w := newWorld(t, 1, func(c *Config) {
		c.ClientDocuments.Client = s.Client()
		c.Limits = proxy.Limits{Register: proxy.Rate{PerSecond: 1, Burst: 3}, Authorize: proxy.Rate{PerSecond: 1, Burst: 20}, Documents: proxy.Rate{PerSecond: 1, Burst: 2}}
	})
	from := func(address string, r *http.Request) *httptest.ResponseRecorder {
		r.RemoteAddr = address
		return w.do(r)
	}
	register := func(address string) int {
		r := httptest.NewRequest(http.MethodPost, testResource+"/register", strings.NewReader(`{"redirect_uris":["`+webRedirect+`"]}`))
		return from(address, r).Code
	}
	for i, want := range []int{201, 201, 201, 429, 429} {
		if got := register("192.0.2.1:5"); got != want {
			t.Errorf("registration %d: %d, want %d", i, got, want)
		}
	}
	if got := register("192.0.2.2:5"); got != http.StatusCreated {
		t.Errorf("another address: %d", got)
	}
	for i, want := range []int{201, 201, 201, 429} { // one IPv6 network is one client
		if got := register(fmt.Sprintf("[2001:db8::%x]:5", i+1)); got != want {
			t.Errorf("IPv6 %d: %d, want %d", i, got, want)
		}
	}
	w.add(time.Second)
	if got := register("192.0.2.1:5"); got != http.StatusCreated {
		t.Errorf("after a second: %d", got)
	}
	document := func(address string, i int) *httptest.ResponseRecorder {
		return from(address, httptest.NewRequest(http.MethodGet, authorizeURL(fmt.Sprintf("%s/%d", s.URL, i), webRedirect), nil))
	}
	for i := range 6 {
		want := http.StatusBadRequest // each names another client_id
		if i >= 2 {
			want = http.StatusTooManyRequests
		}
		rec := document("192.0.2.3:5", i)
		if rec.Code != want || want == http.StatusTooManyRequests && rec.Header().Get("Retry-After") == "" {
			t.Errorf("document %d: %d, want %d", i, rec.Code, want)
		}
	}
	for i := range 40 { // all together
		document(fmt.Sprintf("198.51.100.%d:5", i), 1000+i)
	}
	if n := s.fetches.Load(); n > 21 {
		t.Errorf("%d fetches in a second", n)
	}
	for i := range 25 {
		rec := from("203.0.113.1:5", httptest.NewRequest(http.MethodGet, testResource+"/authorize", nil))
		if (rec.Code == http.StatusTooManyRequests) != (i >= 20) {
			t.Errorf("authorization request %d: %d", i, rec.Code)
		}
	}
	rec := from("203.0.113.1:5", httptest.NewRequest(http.MethodPost, testResource+"/consent", nil))
	if rec.Code != http.StatusTooManyRequests {
		t.Errorf("consent: %d", rec.Code)
	}
}

// While others ask for too many documents, one that was known counts a while longer, but not for
// good.
func TestAKnownDocumentOutlastsAFlood(t *testing.T) {
	t.Parallel()
	s := newDocumentServer(t)
	w := newWorld(t, 1, func(c *Config) {
		c.ClientDocuments.Client = s.Client()
		c.Limits = proxy.Limits{Documents: proxy.Rate{PerSecond: 1e-9, Burst: 1}} // gone with the first
	})
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, http.StatusOK}, {5 * time.Minute, http.StatusOK}, {time.Hour - time.Second, http.StatusOK}, {time.Second, http.StatusTooManyRequests}} {
		w.add(step.wait)
		if rec := w.newBrowser().open(authorizeURL(s.id(), webRedirect)); rec.Code != step.want {
			t.Errorf("after %s more: %d, want %d", step.wait, rec.Code, step.want)
		}
	}
	if n := s.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Threats, proxy mode: CIMD slow. A fetch has a deadline, and one that panics is a failure like any
// other.
// covers: T-PRX-14
func TestFetchesOfDocumentsEnd(t *testing.T) {
	t.Parallel()
	for name, fetch := range map[string]func(*http.Request) (*http.Response, error){
		"when their time is up": func(r *http.Request) (*http.Response, error) {
			if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) > 10*time.Second {
				t.Errorf("the deadline is %s (%v)", deadline, ok)
			}
			return nil, context.DeadlineExceeded
		},
		"in a panic": func(*http.Request) (*http.Response, error) { panic("a client that is broken") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(c *Config) { c.ClientDocuments.Client = &http.Client{Transport: roundTripper(fetch)} })
			for range 2 {
				wantPage(t, w.newBrowser().open(authorizeURL("https://client.example.com/x", webRedirect)), http.StatusBadRequest)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
