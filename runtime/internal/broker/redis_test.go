package broker

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redistest"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/store/redisstore"
)

// withRedis are replicas that share a real store.
func withRedis(t *testing.T, brokers int, changes ...func(*Config)) (*world, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t)
	shared, err := redisstore.Open(t.Context(), server.URL(), redisstore.Config{Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shared.Close)
	return newWorld(t, brokers, append([]func(*Config){func(c *Config) { c.Store = shared }}, changes...)...), server
}

// A dump of a busy store has nothing in it that says whose it is, or opens anything.
// covers: T-STO-01
func TestADumpOfABusyStoreSaysNothing(t *testing.T) {
	t.Parallel()
	w, server := withRedis(t, 2)
	var secrets []string
	for range 3 {
		clientID := w.newClient(webRedirect)
		user := w.newBrowser()
		code := user.code(clientID, webRedirect)
		first := decode[oauth.TokenResponse](t, w.post("/token", redeemForm(clientID, webRedirect, code)))
		second := w.refreshed(clientID, first.RefreshToken)
		if _, err := w.broker().VerifyAccessToken(t.Context(), second.AccessToken, testResource); err != nil {
			t.Fatal(err)
		}
		w.post("/revoke", url.Values{"client_id": {clientID}, "token": {second.RefreshToken}})
		secrets = append(secrets, clientID, code, first.AccessToken, first.RefreshToken, second.AccessToken, second.RefreshToken)
	}
	var failed error = oauth.Unavailable(time.Second, nil)
	w.provider.verifyErr.Store(&failed) // the provider's tokens are kept for a retry
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code)), http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	secrets = append(secrets, clientID, code, testSecret, "upstream-", "user-1", "ada@", "example.com", "client.example", "mcp.example")
	dump := server.Dump()
	if n := bytes.Count(dump, []byte(redisstore.DefaultPrefix)); n < 15 {
		t.Fatalf("the dump has %d entries", n)
	}
	for _, secret := range secrets {
		for _, part := range strings.Split(secret, ".") {
			if len(part) > 3 && bytes.Contains(dump, []byte(part)) {
				t.Errorf("the dump has %d characters that begin with %q", len(part), part[:4])
			}
		}
	}
}

// covers: T-PRX-12, T-STO-05
func TestOneRefreshWhicheverReplica(t *testing.T) {
	t.Parallel()
	w, _ := withRedis(t, 3)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	answers := make([]*httptest.ResponseRecorder, 12)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = w.post("/token", refreshForm(clientID, tokens.RefreshToken)) })
	}
	all.Wait()
	for _, rec := range answers {
		if rec.Code != http.StatusOK || rec.Body.String() != answers[0].Body.String() {
			t.Errorf("%d, the same answer: %v", rec.Code, rec.Body.String() == answers[0].Body.String())
		}
	}
	if n := w.provider.refreshCalls.Load(); n != 1 {
		t.Errorf("%d refreshes at the provider", n)
	}
	next := decode[oauth.TokenResponse](t, answers[0])
	w.refreshed(clientID, next.RefreshToken)
	w.post("/revoke", url.Values{"client_id": {clientID}, "token": {next.AccessToken}})
	for _, b := range w.brokers {
		if _, err := b.VerifyAccessToken(t.Context(), next.AccessToken, testResource); err == nil {
			t.Error("a replica accepts what was revoked at another")
		}
	}
}

// A store that goes away in the middle of a refresh and comes back loses no login.
// covers: T-STO-04
func TestTheStoreIsKilledInTheMiddleOfARefresh(t *testing.T) {
	t.Parallel()
	w, server := withRedis(t, 2)
	clientID := w.newClient(webRedirect)
	tokens := w.refreshed(clientID, w.login(clientID).RefreshToken)
	w.provider.hold, w.provider.holding = make(chan struct{}), make(chan struct{}, 1)
	answer := make(chan *httptest.ResponseRecorder, 1)
	go func() { answer <- w.post("/token", refreshForm(clientID, tokens.RefreshToken)) }()
	<-w.provider.holding
	server.Kill()
	close(w.provider.hold)
	rec := w.post("/token", refreshForm(clientID, tokens.RefreshToken))
	wantError(t, rec, http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	if !strings.Contains(rec.Body.String(), "store") || rec.Header().Get("Retry-After") == "" {
		t.Errorf("the answer does not name the store: %s", rec.Body)
	}
	server.Run() // which knows nothing any more
	rec = <-answer
	if rec.Code != http.StatusOK {
		t.Fatalf("the refresh: %d %s", rec.Code, rec.Body)
	}
	if n := w.provider.refreshCalls.Load(); n != 2 {
		t.Errorf("%d refreshes at the provider", n)
	}
	w.provider.hold = nil
	w.refreshed(clientID, decode[oauth.TokenResponse](t, rec).RefreshToken)
}
