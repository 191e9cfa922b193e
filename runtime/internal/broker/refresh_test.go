package broker

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Threats, proxy mode: a refresh token of another client, for another resource, cut, flipped, in
// place of an access token.
// covers: T-PRX-11, T-PRX-13, T-PRX-16, AS-12, AS-15
func TestRefreshIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	calls := w.provider.tokenCalls.Load()
	refresh := tokens.RefreshToken
	for name, c := range map[string]struct {
		token   string
		changes []string
		status  int
		code    oauth.Code
	}{
		"of another client":      {refresh, []string{"client_id", w.newClient(webRedirect)}, 400, oauth.CodeInvalidGrant},
		"of an unknown client":   {refresh, []string{"client_id", "nobody"}, 401, oauth.CodeInvalidClient},
		"for another resource":   {refresh, []string{"resource", "https://evil.example/mcp"}, 400, oauth.CodeInvalidTarget},
		"R5: for more scopes":    {refresh, []string{"scope", "openid email profile"}, 400, oauth.CodeInvalidScope},
		"cut":                    {refresh[:len(refresh)-1], nil, 400, oauth.CodeInvalidGrant},
		"flipped":                {refresh[:70] + flip(refresh[70]) + refresh[71:], nil, 400, oauth.CodeInvalidGrant},
		"an access token":        {tokens.AccessToken, nil, 400, oauth.CodeInvalidGrant},
		"a client_id":            {clientID, nil, 400, oauth.CodeInvalidGrant},
		"the provider's own":     {"upstream-refresh-2", nil, 400, oauth.CodeInvalidGrant},
		"none":                   {"", []string{"refresh_token", ""}, 400, oauth.CodeInvalidRequest},
		"with a client's secret": {refresh, []string{"client_secret", "x"}, 401, oauth.CodeInvalidClient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantError(t, w.post("/token", refreshForm(clientID, c.token, c.changes...)), c.status, c.code)
		})
	}
	t.Cleanup(func() {
		if w.provider.tokenCalls.Load() != calls {
			t.Error("the provider heard of a refused refresh")
		}
	})
}

// Threats, proxy mode: a refresh token used as access token.
// covers: T-PRX-11, T-PRX-13
func TestARefreshTokenIsNoAccessToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	tokens := w.login(clientID)
	for name, token := range map[string]string{
		"refresh token": tokens.RefreshToken, "client_id": clientID, "code": code, "the provider's token": "upstream-access-2", "nothing": "",
	} {
		if _, err := w.broker().VerifyAccessToken(t.Context(), token, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Kinde gives the access token again that it gave before, while that has not ended.
func TestAProviderMayGiveTheSameAccessTokenAgain(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.TokenMode{proxy.Sealed, proxy.Passthrough} {
		w := newWorld(t, 1, func(c *Config) { c.Tokens = mode })
		w.provider.jwt, w.provider.keepsAccess = true, "eyJhbGciOiJub25lIn0.dXBzdHJlYW0tYWNjZXNzLTE.c2ln"
		clientID := w.newClient(webRedirect)
		tokens := w.login(clientID)
		for range 3 {
			next := w.refreshed(clientID, tokens.RefreshToken)
			if next.RefreshToken == tokens.RefreshToken || (next.AccessToken == tokens.AccessToken) != (mode == proxy.Passthrough) {
				t.Errorf("%s: got %q after %q", mode, next.AccessToken, tokens.AccessToken)
			}
			tokens = next
		}
		if mode == proxy.Sealed {
			if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestRefreshMayNarrowTheScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	narrow := w.refreshed(clientID, tokens.RefreshToken, "scope", "email")
	info, err := w.broker().VerifyAccessToken(t.Context(), narrow.AccessToken, testResource)
	if err != nil || narrow.Scope != "email" || !slices.Equal(info.Scopes, []string{"email"}) {
		t.Errorf("scope %q, %v", narrow.Scope, err)
	}
	if again := w.refreshed(clientID, narrow.RefreshToken); again.Scope != "openid email" { // RFC 6749 section 6
		t.Errorf("the grant itself was narrowed to %q", again.Scope)
	}
}

// AS-11. Threats, proxy mode: a refresh token replayed after rotation revokes the family, except
// for the same client's immediate retry, which gets the same answer.
// covers: T-PRX-11, AS-11
func TestReplayedRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	first := w.login(clientID)
	second := w.refreshed(clientID, first.RefreshToken)
	if retry := w.refreshed(clientID, first.RefreshToken); retry != second {
		t.Error("the immediate retry got another answer")
	}
	if n := w.provider.refreshCalls.Load(); n != 1 {
		t.Errorf("%d refreshes at the provider", n)
	}
	wantError(t, w.post("/token", refreshForm(w.newClient(webRedirect), first.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	third := w.refreshed(clientID, second.RefreshToken) // the retry and the foreign try did no harm

	w.add(30 * time.Second)
	wantError(t, w.post("/token", refreshForm(clientID, first.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if !w.logged(oauth.ReasonRefreshTokenReused) {
		t.Error("the log does not say so")
	}
	wantError(t, w.post("/token", refreshForm(clientID, third.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	for _, tokens := range []oauth.TokenResponse{first, second, third} {
		if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
			t.Errorf("an access token of the family still counts: %v", err)
		}
	}
	other := w.login(clientID) // another login of the same client is another family
	w.refreshed(clientID, other.RefreshToken)
}

// After a restart the store knows nothing; from the first refresh on it notices a fork again.
func TestAForkAfterARestartIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.provider.rotates = false // the provider would not notice
	clientID := w.newClient(webRedirect)
	first := w.login(clientID)
	second := w.refreshed(clientID, first.RefreshToken)
	w.brokers[0] = w.newBroker()
	thief := w.refreshed(clientID, first.RefreshToken)
	wantError(t, w.post("/token", refreshForm(clientID, second.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	wantError(t, w.post("/token", refreshForm(clientID, thief.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
}

// Threats, proxy mode: two refreshes at once, on one replica, and on two with a shared store:
// exactly one upstream refresh, and everybody gets a working answer.
// covers: T-PRX-12
func TestManyRefreshesAtOnce(t *testing.T) {
	t.Parallel()
	for name, brokers := range map[string]int{"one replica": 1, "two replicas with a shared store": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := store.NewMemory(store.MemoryConfig{})
			w := newWorld(t, brokers, func(c *Config) { c.Store = shared })
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			w.provider.hold, w.provider.holding = make(chan struct{}), make(chan struct{}, 1)
			answers := make([]oauth.TokenResponse, 16)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() {
					rec := w.post("/token", refreshForm(clientID, tokens.RefreshToken))
					if rec.Code != http.StatusOK {
						t.Errorf("%d %s", rec.Code, rec.Body)
						return
					}
					answers[i] = decode[oauth.TokenResponse](t, rec)
				})
			}
			<-w.provider.holding // one is at the provider
			close(w.provider.hold)
			all.Wait()
			if n := w.provider.refreshCalls.Load(); n != 1 {
				t.Errorf("%d refreshes at the provider", n)
			}
			w.provider.hold = nil
			for i, answer := range answers {
				if answer != answers[0] {
					t.Errorf("answer %d differs", i)
				}
			}
			if _, err := w.broker().VerifyAccessToken(t.Context(), answers[0].AccessToken, testResource); err != nil {
				t.Error(err)
			}
			w.refreshed(clientID, answers[0].RefreshToken)
		})
	}
}

// Without a shared store two replicas do not know of each other: the provider's rotation decides
// who wins.
func TestRefreshesOnTwoReplicasWithoutASharedStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	next := w.refreshed(clientID, tokens.RefreshToken)
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	w.refreshed(clientID, next.RefreshToken)
}

// A provider that says no is asked once, and the login is over: the client must log in again.
func TestTheProviderRefusesTheRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	clear(w.provider.refresh)
	for range 5 {
		wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	}
	if n := w.provider.refreshCalls.Load(); n != 1 {
		t.Errorf("%d refreshes at the provider", n)
	}
}

func TestRefreshDuringAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	w.provider.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusServiceUnavailable) }
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	w.provider.answer = nil
	w.refreshed(clientID, tokens.RefreshToken)
}

// The provider rotated its token, but could not be asked whose the new one is: the retry must not
// come with the old one.
func TestNewTokensAreNotLostWhenTheyCannotBeVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	var down error = oauth.Unavailable(time.Second, errors.New("userinfo is down"))
	w.provider.verifyErr.Store(&down)
	for range 3 {
		wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	}
	w.provider.verifyErr.Store(nil)
	next := w.refreshed(clientID, tokens.RefreshToken)
	if n := w.provider.refreshCalls.Load(); n != 1 {
		t.Errorf("%d refreshes at the provider", n)
	}
	w.refreshed(clientID, next.RefreshToken)
}

// Google leaves the refresh token out on refreshes and does not rotate it.
// covers: AS-11
func TestAProviderThatKeepsItsRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.provider.rotates, w.provider.omitsRefresh = false, true
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	for range 3 {
		next := w.refreshed(clientID, tokens.RefreshToken)
		if next.RefreshToken == "" || next.RefreshToken == tokens.RefreshToken { // AS-11: ours rotate all the same
			t.Fatal("no new refresh token")
		}
		tokens = next
	}
	w.add(30 * time.Second)
	w.refreshed(clientID, tokens.RefreshToken)
}

// GitHub gives no refresh token and tokens that do not expire: ours does, and each refresh asks
// whether theirs still counts.
func TestAProviderWithoutRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.provider.noRefresh, w.provider.expiresIn = true, ""
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	if tokens.ExpiresIn != 3600 || tokens.RefreshToken == "" {
		t.Fatalf("expires in %d", tokens.ExpiresIn)
	}
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err != nil {
		t.Fatal(err)
	}
	w.add(time.Hour)
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("the access token outlives an hour: %v", err)
	}
	before := w.provider.verifyCalls.Load()
	next := w.refreshed(clientID, tokens.RefreshToken)
	if n := w.provider.verifyCalls.Load() - before; n != 1 || w.provider.refreshCalls.Load() != 0 {
		t.Errorf("%d verifications, %d refreshes", n, w.provider.refreshCalls.Load())
	}
	w.add(30 * time.Second)
	clear(w.provider.access) // the user took the access back at the provider
	wantError(t, w.post("/token", refreshForm(clientID, next.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
}

// GitHub Apps may have tokens of 8 hours: refreshes work until then and no longer.
func TestAnAccessTokenThatOutlivesOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.provider.noRefresh, w.provider.expiresIn = true, "7500"
	clientID := w.newClient(webRedirect)
	first := w.login(clientID)
	w.add(time.Hour)
	second := w.refreshed(clientID, first.RefreshToken)
	w.add(time.Hour)
	third := w.refreshed(clientID, second.RefreshToken)
	if second.ExpiresIn != 3600 || third.ExpiresIn != 300 || third.RefreshToken != "" {
		t.Errorf("expires in %d, then %d", second.ExpiresIn, third.ExpiresIn)
	}
	w.add(5 * time.Minute)
	wantError(t, w.post("/token", refreshForm(clientID, second.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
}

func TestNoRefreshTokenWhereNothingCouldBeRefreshed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.provider.noRefresh = true // and the access token lives an hour, as ours
	if tokens := w.login(w.newClient(webRedirect)); tokens.RefreshToken != "" {
		t.Error("a refresh token was issued")
	}
}

func TestRefreshTokensExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.RefreshLifetime = 24 * time.Hour })
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	w.add(23 * time.Hour)
	next := w.refreshed(clientID, tokens.RefreshToken)
	w.add(23 * time.Hour)
	last := w.refreshed(clientID, next.RefreshToken)
	w.add(24 * time.Hour)
	wantError(t, w.post("/token", refreshForm(clientID, last.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
}

// The provider must not turn one user into another.
func TestARefreshThatChangesTheUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	for token := range w.provider.refresh {
		w.provider.refresh[token] = "user-2"
	}
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if !w.logged(oauth.ReasonSubjectChanged) {
		t.Error("the log does not say why")
	}
}

// Old keys of the ring open what they sealed until they are removed; then clients log in again, and
// register again.
// covers: T-PRX-13, AS-15
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)

	w.config.SealingKeys = []oauth.Secret{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
	w.config.PreviousClientSecrets = []oauth.Secret{testSecret}
	w.brokers[0] = w.newBroker()
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err != nil {
		t.Errorf("the access token of before: %v", err)
	}
	next := w.refreshed(clientID, tokens.RefreshToken)

	w.config.PreviousClientSecrets = nil
	w.brokers[0] = w.newBroker()
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
		t.Errorf("a removed key still opens: %v", err)
	}
	if _, err := w.broker().VerifyAccessToken(t.Context(), next.AccessToken, testResource); err != nil {
		t.Errorf("the newest key does not open: %v", err)
	}
	wantError(t, w.post("/token", refreshForm(clientID, next.RefreshToken)), http.StatusUnauthorized, oauth.CodeInvalidClient) // AS-15
}

// RFC 7009.
func TestRevocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	revoke := func(token, client string) *httptest.ResponseRecorder {
		return w.post("/revoke", url.Values{"token": {token}, "client_id": {client}, "token_type_hint": {"refresh_token"}})
	}
	for name, pick := range map[string]func(oauth.TokenResponse) string{
		"the refresh token": func(t oauth.TokenResponse) string { return t.RefreshToken },
		"the access token":  func(t oauth.TokenResponse) string { return t.AccessToken },
	} {
		tokens := w.login(clientID)
		wantError(t, revoke(pick(tokens), w.newClient(webRedirect)), http.StatusBadRequest, oauth.CodeInvalidGrant)
		if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err != nil {
			t.Fatalf("another client revoked it: %v", err)
		}
		before := w.provider.revokeCalls.Load()
		if rec := revoke(pick(tokens), clientID); rec.Code != http.StatusOK || rec.Body.Len() > 0 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
		if w.provider.revokeCalls.Load() != before+1 {
			t.Errorf("%s: not revoked at the provider", name)
		}
		if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
			t.Errorf("%s: the access token still counts: %v", name, err)
		}
		wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
		if rec := revoke(pick(tokens), clientID); rec.Code != http.StatusOK {
			t.Errorf("%s a second time: %d", name, rec.Code)
		}
	}
	for _, token := range []string{"rubbish", clientID, "upstream-refresh-1"} {
		if rec := revoke(token, clientID); rec.Code != http.StatusOK {
			t.Errorf("an unknown token: %d %s", rec.Code, rec.Body)
		}
	}
	wantError(t, revoke("", clientID), http.StatusBadRequest, oauth.CodeInvalidRequest)
	wantError(t, revoke("x", "nobody"), http.StatusUnauthorized, oauth.CodeInvalidClient)
	wantError(t, revoke("x", ""), http.StatusUnauthorized, oauth.CodeInvalidClient)
}

func TestRevocationAtTheProvider(t *testing.T) {
	t.Parallel()
	t.Run("GitHub's way", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(c *Config) { c.Upstream.RevocationStyle = facts.RevokeGitHub })
		w.provider.noRefresh, w.provider.expiresIn = true, ""
		clientID := w.newClient(webRedirect)
		tokens := w.login(clientID)
		w.post("/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {clientID}})
		if len(w.provider.revoked) != 1 || w.provider.revoked[0] != "upstream-access-2" {
			t.Errorf("%d tokens revoked", len(w.provider.revoked))
		}
	})
	t.Run("a provider that cannot", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(c *Config) { c.Upstream.Revocation = "" })
		clientID := w.newClient(webRedirect)
		tokens := w.login(clientID)
		if rec := w.post("/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {clientID}}); rec.Code != http.StatusOK {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	})
	t.Run("a provider that is down", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(c *Config) { c.Upstream.Revocation = c.Upstream.Issuer + "/nowhere" })
		clientID := w.newClient(webRedirect)
		tokens := w.login(clientID)
		w.provider.server.Close()
		rec := w.post("/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {clientID}})
		wantError(t, rec, http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable) // RFC 7009 section 2.2.1
		if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
			t.Errorf("not even revoked here: %v", err)
		}
	})
}

// A provider may leave out the scope of a refresh, which means that nothing has changed (RFC 6749
// section 6). It must not give what the user consented to here and the provider did not grant.
func TestARefreshGivesNoMoreThanTheLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		atLogin, atRefresh string
		noRefresh          bool
		want               string
	}{
		"less was granted, and the refresh says nothing":          {`"openid"`, "", false, "openid"},
		"less was granted, and there is no refresh":               {`"openid"`, "", true, "openid"},
		"nothing was granted, as for applications of GitHub":      {`""`, "", true, ""},
		"nothing was granted, and the refresh says nothing":       {`""`, "", false, ""},
		"the refresh names more":                                  {`"openid"`, `"openid email"`, false, "openid"},
		"the refresh names less":                                  {`"openid email"`, `"email"`, false, "email"},
		"neither says anything: what was asked for is granted":    {"", "", false, "openid email"},
		"there is no refresh, and the login says nothing of them": {"", "", true, "openid email"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.provider.scope, w.provider.noRefresh = c.atLogin, c.noRefresh
			if c.noRefresh {
				w.provider.expiresIn = ""
			}
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			w.provider.scope = c.atRefresh
			for range 2 {
				tokens = w.refreshed(clientID, tokens.RefreshToken)
				info, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
				if err != nil || tokens.Scope != c.want || strings.Join(info.Scopes, " ") != c.want {
					t.Errorf("scope %q, want %q (%v)", tokens.Scope, c.want, err)
				}
			}
		})
	}
}

// The provider gave new tokens after the login was revoked: nobody gets them, and they are revoked
// too.
func TestARevocationDuringARefresh(t *testing.T) {
	t.Parallel()
	var w *world
	var revoke func()
	w = newWorld(t, 1, func(c *Config) {
		verify := c.Verify
		c.Verify = func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
			if revoke != nil {
				revoke()
			}
			return verify(ctx, token, resource)
		}
	})
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	revoke = func() {
		if rec := w.post("/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {clientID}}); rec.Code != http.StatusOK {
			t.Errorf("revocation: %d %s", rec.Code, rec.Body)
		}
	}
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if len(w.provider.refresh) != 0 {
		t.Error("a refresh token of the provider's lives on")
	}
}

// A lock may run out, so that two replicas refresh at once. The tokens of one of them are given to
// both.
func TestTwoRefreshesWhoseLockRanOut(t *testing.T) {
	t.Parallel()
	shared := unlocked{store.NewMemory(store.MemoryConfig{})}
	w := newWorld(t, 2, func(c *Config) { c.Store = shared })
	w.provider.rotates = false // the provider would give both
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	w.provider.hold, w.provider.holding = make(chan struct{}), make(chan struct{}, 2)
	answers := make([]*httptest.ResponseRecorder, 2)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = w.post("/token", refreshForm(clientID, tokens.RefreshToken)) })
	}
	<-w.provider.holding
	<-w.provider.holding
	close(w.provider.hold)
	all.Wait()
	if answers[0].Code != http.StatusOK || answers[0].Body.String() != answers[1].Body.String() {
		t.Errorf("not the same answer for both: %d and %d", answers[0].Code, answers[1].Code)
	}
}

// unlocked is a store whose locks run out at once: they are the only entries for six seconds.
type unlocked struct{ store.Store }

func (s unlocked) Do(ctx context.Context, steps ...store.Step) ([]store.Outcome, error) {
	for _, step := range steps {
		for i := range step.Swap {
			if step.Swap[i].TTL == 6*time.Second {
				step.Swap[i].TTL = time.Nanosecond
			}
		}
	}
	return s.Store.Do(ctx, steps...)
}

// The same subject at another issuer is another user.
func TestARefreshThatChangesTheIssuer(t *testing.T) {
	t.Parallel()
	var issuer atomic.Pointer[string]
	w := newWorld(t, 1, func(c *Config) {
		verify := c.Verify
		c.Verify = func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
			info, err := verify(ctx, token, resource)
			if other := issuer.Load(); other != nil && err == nil {
				info.Issuer = *other
			}
			return info, err
		}
	})
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	other := "https://tenant-2.example.com"
	issuer.Store(&other)
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	if !w.logged(oauth.ReasonSubjectChanged) {
		t.Error("the log does not say why")
	}
}

// A client that hangs up in the middle of a refresh finds its answer when it tries again.
func TestAClientThatHangsUpDuringARefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	w.provider.hold, w.provider.holding = make(chan struct{}), make(chan struct{}, 1)
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		form := strings.NewReader(refreshForm(clientID, tokens.RefreshToken).Encode())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, testResource+"/token", form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w.do(r)
	}()
	<-w.provider.holding
	hangUp()
	close(w.provider.hold)
	<-done
	w.provider.hold = nil
	w.refreshed(clientID, tokens.RefreshToken)
	if n := w.provider.refreshCalls.Load(); n != 1 {
		t.Errorf("%d refreshes at the provider", n)
	}
}

// Any other provider that vouches for users makes everything void that was sealed before.
func TestAnotherProviderEndsWhatWasSealed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*facts.Upstream){
		"another issuer":         func(u *facts.Upstream) { u.Issuer += "/tenant-2" },
		"another token endpoint": func(u *facts.Upstream) { u.Token += "2" },
		"another client id":      func(u *facts.Upstream) { u.ClientID += "2" },
		"another provider":       func(u *facts.Upstream) { u.Name += "2" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			change(&w.config.Upstream)
			w.brokers[0] = w.newBroker()
			if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); !errors.Is(err, oauth.ErrInvalidToken) {
				t.Errorf("the access token still counts: %v", err)
			}
			wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusUnauthorized, oauth.CodeInvalidClient)
		})
	}
}

// A code that the provider refused is not tried again there.
func TestARefusedCodeStaysRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	clear(w.provider.codes)
	for range 3 {
		wantError(t, w.post("/token", redeemForm(clientID, webRedirect, code)), http.StatusBadRequest, oauth.CodeInvalidGrant)
	}
	if n := w.provider.tokenCalls.Load(); n != 1 {
		t.Errorf("%d requests to the provider", n)
	}
}

// Only the provider can judge a token that was passed through. Nobody may use the server to ask it
// all the time.
func TestRevocationsAtTheProviderAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) {
		c.Tokens, c.Limits = proxy.Passthrough, proxy.Limits{Authorize: proxy.Rate{PerSecond: 1, Burst: 3}}
	})
	clientID := w.newClient(webRedirect)
	limited := 0
	for i := range 10 {
		if w.post("/revoke", url.Values{"token": {"eyJh.eyJz.c2ln" + strconv.Itoa(i)}, "client_id": {clientID}}).Code == http.StatusTooManyRequests {
			limited++
		}
	}
	if n := w.provider.revokeCalls.Load(); n != 3 || limited != 7 {
		t.Errorf("%d requests to the provider, %d refused", n, limited)
	}
}

func TestTheLifetimeOfAccessTokensIsAnOption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.AccessLifetime = 10 * time.Minute })
	tokens := w.login(w.newClient(webRedirect))
	if tokens.ExpiresIn != 600 {
		t.Errorf("expires in %d s, want 600", tokens.ExpiresIn)
	}
	w.add(10*time.Minute + time.Second)
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err == nil {
		t.Error("it is accepted after its end")
	}
}
