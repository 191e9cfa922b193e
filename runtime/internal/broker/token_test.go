package broker

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Threats, proxy mode: a code redeemed by another client, with another redirect, a wrong or missing
// verifier, after 60 s: refused before the provider sees the code, so that the right client can
// still redeem it.
// covers: T-PRX-08, T-PRX-16, AS-12, AS-15
func TestACodeIsCheckedBeforeTheProviderSeesIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes []string
		wait    time.Duration
		status  int
		code    oauth.Code
	}{
		"by another client":                       {[]string{"client_id", "other"}, 0, 400, oauth.CodeInvalidGrant},
		"by a client with a document":             {[]string{"client_id", "https://client.example.com/metadata.json"}, 0, 400, oauth.CodeInvalidGrant},
		"with another redirect":                   {[]string{"redirect_uri", webRedirect + "2"}, 0, 400, oauth.CodeInvalidGrant},
		"with a wrong verifier":                   {[]string{"code_verifier", strings.Repeat("x", 43)}, 0, 400, oauth.CodeInvalidGrant},
		"with the challenge":                      {[]string{"code_verifier", challengeOf(clientVerifier)}, 0, 400, oauth.CodeInvalidGrant},
		"without a verifier":                      {[]string{"code_verifier", ""}, 0, 400, oauth.CodeInvalidGrant},
		"with a short verifier":                   {[]string{"code_verifier", clientVerifier[:42]}, 0, 400, oauth.CodeInvalidGrant},
		"after 60 seconds":                        {nil, time.Minute, 400, oauth.CodeInvalidGrant},
		"without a code":                          {[]string{"code", ""}, 0, 400, oauth.CodeInvalidRequest},
		"with a truncated code":                   {[]string{"code", "truncated"}, 0, 400, oauth.CodeInvalidGrant},
		"with a changed code":                     {[]string{"code", "changed"}, 0, 400, oauth.CodeInvalidGrant},
		"with a client_id as code":                {[]string{"code", "other"}, 0, 400, oauth.CodeInvalidGrant},
		"for another resource":                    {[]string{"resource", "https://evil.example/mcp"}, 0, 400, oauth.CodeInvalidTarget},
		"for a resource with fragment":            {[]string{"resource", testResource + "#x"}, 0, 400, oauth.CodeInvalidTarget},
		"for another of our resources":            {[]string{"resource", testResource + "/sse"}, 0, 400, oauth.CodeInvalidTarget},
		"by a client that nobody knows (AS-15)":   {[]string{"client_id", "nobody"}, 0, 401, oauth.CodeInvalidClient},
		"by a client of another mount (AS-15)":    {[]string{"client_id", "foreign"}, 0, 401, oauth.CodeInvalidClient},
		"without a client_id":                     {[]string{"client_id", ""}, 0, 401, oauth.CodeInvalidClient},
		"with a client_id of an impossible URL":   {[]string{"client_id", "https://user@client.example.com/x"}, 0, 401, oauth.CodeInvalidClient},
		"with a client_secret":                    {[]string{"client_secret", "test-secret"}, 0, 401, oauth.CodeInvalidClient},
		"with a client_assertion":                 {[]string{"client_assertion", "x.y.z"}, 0, 401, oauth.CodeInvalidClient},
		"with another grant type":                 {[]string{"grant_type", "client_credentials"}, 0, 400, oauth.CodeUnsupportedGrantType},
		"without a grant type":                    {[]string{"grant_type", ""}, 0, 400, oauth.CodeInvalidRequest},
		"with a control character in a parameter": {[]string{"x", "a\nb"}, 0, 400, oauth.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, func(c *Config) { c.Subresources = []string{testResource + "/sse"} })
			clientID := w.newClient(webRedirect)
			code := w.newBrowser().code(clientID, webRedirect)
			changes := append([]string(nil), c.changes...)
			for i := 1; i < len(changes); i += 2 {
				switch changes[i] {
				case "other":
					changes[i] = w.newClient(webRedirect)
				case "truncated":
					changes[i] = code[:len(code)-1]
				case "changed":
					changes[i] = code[:60] + flip(code[60]) + code[61:]
				case "foreign":
					changes[i] = w.boxes("https://mcp.example.com/other").Client.Seal(tickets.Client{Issued: w.now(), Name: "x", Redirects: []string{webRedirect}}, time.Time{})
				}
			}
			w.add(c.wait)
			wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code, changes...)), c.status, c.code)
			if n := w.provider.tokenCalls.Load(); n != 0 {
				t.Fatalf("the provider saw %d requests", n)
			}
			if c.wait > 0 {
				return
			}
			if rec := w.post("/token", redeemForm(clientID, webRedirect, code)); rec.Code != http.StatusOK {
				t.Errorf("the right client cannot redeem the code any more: %d %s", rec.Code, rec.Body)
			}
		})
	}
}

// Threats, proxy mode: client_credentials, password, token exchange, unknown grants: the secret
// never leaves.
// covers: T-PRX-10
func TestOtherGrantsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	for _, grant := range []string{
		"client_credentials", "password", "implicit", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code", "Authorization_Code", "x",
	} {
		wantError(t, w.post("/token", url.Values{
			"grant_type": {grant}, "client_id": {clientID}, "username": {"u"}, "password": {"p"}, "scope": {"openid"},
			"subject_token": {"x"}, "assertion": {"x"},
		}), http.StatusBadRequest, oauth.CodeUnsupportedGrantType)
	}
	if w.provider.tokenCalls.Load() != 0 {
		t.Error("the provider heard of it")
	}
}

// covers: T-PRX-17
func TestTokenRequestsOfOtherShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	form := redeemForm(clientID, webRedirect, "x").Encode()
	request := func(method, query, contentType, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, testResource+"/token"+query, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		return w.do(r)
	}
	const urlencoded = "application/x-www-form-urlencoded"
	wantError(t, request(http.MethodGet, "?"+form, "", ""), http.StatusMethodNotAllowed, oauth.CodeInvalidRequest)
	wantError(t, request(http.MethodPost, "?"+form, urlencoded, ""), http.StatusBadRequest, oauth.CodeInvalidRequest) // not from the query
	wantError(t, request(http.MethodPost, "", "application/json", `{"grant_type":"authorization_code"}`), http.StatusBadRequest, oauth.CodeInvalidRequest)
	wantError(t, request(http.MethodPost, "", "", form), http.StatusBadRequest, oauth.CodeInvalidRequest)
	wantError(t, request(http.MethodPost, "", urlencoded, form+"&code=y"), http.StatusBadRequest, oauth.CodeInvalidRequest)
	wantError(t, request(http.MethodPost, "", urlencoded, form+"&x="+strings.Repeat("x", 64<<10)), http.StatusBadRequest, oauth.CodeInvalidRequest)
}

// OAuth 2.1 no longer sends redirect_uri at the token endpoint.
func TestACodeWithoutRedirectURI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	if rec := w.post("/token", redeemForm(clientID, webRedirect, code, "redirect_uri", "")); rec.Code != http.StatusOK {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
}

// Some libraries send a public client's id in a Basic header with an empty secret.
func TestBasicHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	redeem := func(header string, changes ...string) *httptest.ResponseRecorder {
		code := w.newBrowser().code(clientID, webRedirect)
		r := httptest.NewRequest(http.MethodPost, testResource+"/token",
			strings.NewReader(redeemForm(clientID, webRedirect, code, changes...).Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		switch header {
		case "basic":
			r.SetBasicAuth(url.QueryEscape(clientID), "")
		case "secret":
			r.SetBasicAuth(url.QueryEscape(clientID), "test-secret")
		default:
			r.Header.Set("Authorization", header)
		}
		return w.do(r)
	}
	if rec := redeem("basic", "client_id", ""); rec.Code != http.StatusOK {
		t.Errorf("an id without secret: %d %s", rec.Code, rec.Body)
	}
	for _, rec := range []*httptest.ResponseRecorder{
		redeem("secret", "client_id", ""), redeem("Bearer x"), redeem("Basic %%%"), redeem("Basic eA=="),
		redeem("basic", "client_id", w.newClient(webRedirect)),
	} {
		wantError(t, rec, http.StatusUnauthorized, oauth.CodeInvalidClient)
		if rec.Header().Get("WWW-Authenticate") == "" { // RFC 6749 section 5.2
			t.Error("no WWW-Authenticate")
		}
	}
}

// Threats, proxy mode: a code redeemed twice. The tokens that the first redemption gave are
// revoked, since somebody else has the code too.
// covers: T-PRX-08
func TestACodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	tokens := decode[oauth.TokenResponse](t, w.post("/token", redeemForm(clientID, webRedirect, code)))
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err != nil {
		t.Fatal(err)
	}
	wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if n := w.provider.tokenCalls.Load(); n != 1 {
		t.Errorf("the provider saw %d requests", n)
	}
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("the access token still counts: %v", err)
	}
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if !w.logged(oauth.ReasonCodeUsed) {
		t.Error("the log does not say so")
	}
}

// covers: T-PRX-08
func TestACodeIsRedeemedOnceByManyAtATime(t *testing.T) {
	t.Parallel()
	shared := store.NewMemory(store.MemoryConfig{})
	w := newWorld(t, 2, func(c *Config) { c.Store = shared })
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	var all sync.WaitGroup
	results := make([]*httptest.ResponseRecorder, 20)
	for i := range results {
		all.Go(func() { results[i] = w.post("/token", redeemForm(clientID, webRedirect, code)) })
	}
	all.Wait()
	for _, rec := range results {
		if rec.Code != http.StatusOK { // somebody else came before it gave any tokens
			wantError(t, rec, http.StatusBadRequest, oauth.CodeInvalidGrant)
			continue
		}
		tokens := decode[oauth.TokenResponse](t, rec)
		if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
			t.Errorf("the access token still counts: %v", err)
		}
	}
	if n := w.provider.tokenCalls.Load(); n != 1 {
		t.Errorf("%d requests to the provider", n)
	}
}

// A code that comes a second time while it is redeemed gives nobody any tokens: not even the first,
// who may be the thief.
func TestACodeThatComesWhileItIsRedeemed(t *testing.T) {
	t.Parallel()
	var w *world
	var form url.Values
	var again atomic.Pointer[httptest.ResponseRecorder]
	w = newWorld(t, 1, func(c *Config) {
		verify := c.Verify
		c.Verify = func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
			again.Store(w.post("/token", form))
			return verify(ctx, token, resource)
		}
	})
	clientID := w.newClient(webRedirect)
	form = redeemForm(clientID, webRedirect, w.newBrowser().code(clientID, webRedirect))
	wantError(t, w.post("/token", form), http.StatusBadRequest, oauth.CodeInvalidGrant)
	wantError(t, again.Load(), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if len(w.provider.revoked) != 1 || w.provider.tokenCalls.Load() != 1 {
		t.Errorf("%d requests to the provider, revoked there: %d", w.provider.tokenCalls.Load(), len(w.provider.revoked))
	}
}

// Everybody can make codes that give no tokens, with a callback of their own. They must leave
// nothing behind for long, or they would push what was revoked out of a store that is full.
func TestCodesThatGiveNothingAreSoonForgotten(t *testing.T) {
	t.Parallel()
	lifetimes := &recordingStore{Store: store.NewMemory(store.MemoryConfig{})}
	w := newWorld(t, 1, func(c *Config) { c.Store = lifetimes })
	clientID := w.newClient(webRedirect)
	user := w.newBrowser()
	callback, _ := url.Parse(w.provider.login(t, user.consentTo(clientID, webRedirect)))
	query := callback.Query()
	query.Set("code", "made-up")
	callback.RawQuery = query.Encode()
	back, _ := url.Parse(user.open(callback.String()).Header().Get("Location"))
	lifetimes.reset()
	for range 3 {
		wantError(t, w.post("/token", redeemForm(clientID, webRedirect, back.Query().Get("code"))), http.StatusBadRequest, oauth.CodeInvalidGrant)
	}
	if n := w.provider.tokenCalls.Load(); n != 1 {
		t.Errorf("the provider was asked %d times", n)
	}
	if longest := lifetimes.longest(); longest == 0 || longest > 2*time.Minute {
		t.Errorf("something is kept for %s", longest)
	}
}

// recordingStore notes for how long entries are kept.
type recordingStore struct {
	store.Store

	mu   sync.Mutex
	ttls []time.Duration
}

func (s *recordingStore) Do(ctx context.Context, steps ...store.Step) ([]store.Outcome, error) {
	outcomes, err := s.Store.Do(ctx, steps...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, outcome := range outcomes {
		if !outcome.Swapped {
			continue
		}
		for _, swap := range steps[i].Swap {
			s.ttls = append(s.ttls, swap.TTL)
		}
	}
	return outcomes, err
}

func (s *recordingStore) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ttls = nil
}

func (s *recordingStore) longest() (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ttl := range s.ttls {
		longest = max(longest, ttl)
	}
	return longest
}

// The code was exchanged, but nobody could say whose the provider's tokens are: the retry must not
// exchange it again.
func TestACodesTokensAreNotLostWhenTheyCannotBeVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	var down error = oauth.Unavailable(time.Second, errors.New("userinfo is down"))
	w.provider.verifyErr.Store(&down)
	for range 3 {
		wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code)), http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	}
	w.provider.verifyErr.Store(nil)
	rec := w.post("/token", redeemForm(clientID, webRedirect, code))
	if rec.Code != http.StatusOK || w.provider.tokenCalls.Load() != 1 || w.logged(oauth.ReasonCodeUsed) {
		t.Fatalf("%d, %d requests to the provider", rec.Code, w.provider.tokenCalls.Load())
	}
	w.refreshed(clientID, decode[oauth.TokenResponse](t, rec).RefreshToken)
}

// On two replicas without a shared store the provider's own single use decides.
func TestACodeIsRedeemedOnceWithoutASharedStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	if rec := w.post("/token", redeemForm(clientID, webRedirect, code)); rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if w.provider.tokenCalls.Load() != 2 {
		t.Error("the second replica did not ask the provider")
	}
}

// A code that the provider did not get to see can be tried again.
func TestACodeSurvivesAnOutageOfTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	w.provider.answer = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "7")
		rw.WriteHeader(http.StatusBadGateway)
	}
	rec := w.post("/token", redeemForm(clientID, webRedirect, code))
	wantError(t, rec, http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	if rec.Header().Get("Retry-After") != "7" {
		t.Errorf("Retry-After: %q", rec.Header().Get("Retry-After"))
	}
	w.provider.answer = nil
	if rec := w.post("/token", redeemForm(clientID, webRedirect, code)); rec.Code != http.StatusOK {
		t.Errorf("after the outage: %d %s", rec.Code, rec.Body)
	}
}

// brokenStore fails every call.
type brokenStore struct{ store.Store }

var errBroken = errors.New("the store is down")

func (brokenStore) Do(context.Context, ...store.Step) ([]store.Outcome, error) { return nil, errBroken }

// Without its store a server guarantees nothing, so it waits for it: 503, never 401.
// covers: T-STO-03
func TestNothingPassesWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	user := w.newBrowser()
	code := user.code(clientID, webRedirect)
	callback := w.provider.login(t, user.consentTo(clientID, webRedirect))
	calls := w.provider.tokenCalls.Load()
	w.config.Store = brokenStore{}
	w.brokers[0] = w.newBroker()

	wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code)), http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	wantError(t, w.post("/revoke", url.Values{"client_id": {clientID}, "token": {tokens.RefreshToken}}),
		http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	wantPage(t, user.open(callback), http.StatusServiceUnavailable)
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
		t.Errorf("verify: %v", err)
	}
	if w.provider.tokenCalls.Load() != calls {
		t.Error("the provider was asked all the same")
	}
}

// The client may go away in the middle: the exchange ends, and nothing is left behind.
func TestAClientThatHangsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, testResource+"/token",
		strings.NewReader(redeemForm(clientID, webRedirect, code).Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if rec := w.do(r); rec.Code != http.StatusOK {
		t.Errorf("the exchange was given up with the client: %d %s", rec.Code, rec.Body)
	}
}
