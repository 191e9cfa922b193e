package broker

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
)

// The whole flow, each step at another broker that shares nothing but the configuration with the
// one before, and with a restart of all between every pair of steps.
// covers: AS-3, AS-11, AS-13
func TestTheWholeFlow(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*world){
		"one broker": func(w *world) { w.brokers = w.brokers[:1] },
		"every step at another of two brokers without a shared store": func(*world) {},
		"a restart between every pair of steps":                       func(w *world) { w.restarts = true },
	} {
		for _, redirect := range []string{webRedirect, loopRedirect} {
			t.Run(name+" to "+redirect, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 2)
				prepare(w)
				wholeFlow(t, w, redirect)
			})
		}
	}
}

func wholeFlow(t *testing.T, w *world, redirect string) {
	t.Helper()
	clientID := w.newClient(redirect)
	user := w.newBrowser()

	page := user.open(authorizeURL(clientID, redirect))
	loginURL := target(t, user.answer(page.Body.String(), "allow"))
	rec := user.open(w.provider.login(t, loginURL))
	location, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || !strings.HasPrefix(location.String(), redirect+"?") {
		t.Fatalf("sent to %s", rec.Header().Get("Location"))
	}
	q := location.Query()
	if q.Get("state") != "client-state" || q.Get("iss") != testResource || len(q) != 3 { // AS-3
		t.Errorf("authorization response %v", q)
	}
	for name := range user.cookies {
		if strings.Contains(name, "login") {
			t.Errorf("the transaction's cookie is still there: %s", name)
		}
	}

	answer := w.post("/token", redeemForm(clientID, redirect, q.Get("code")))
	// AS-13
	if answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", answer.Header())
	}
	tokens := decode[oauth.TokenResponse](t, answer)
	if tokens.TokenType != "Bearer" || tokens.ExpiresIn != 3600 || tokens.Scope != "openid email" || tokens.RefreshToken == "" {
		t.Errorf("tokens %+v", answer.Body)
	}
	checkCallerOf(t, w, clientID, tokens)

	w.add(59 * time.Minute)
	for range 3 {
		next := w.refreshed(clientID, tokens.RefreshToken)
		if next.RefreshToken == tokens.RefreshToken || next.RefreshToken == "" || next.AccessToken == tokens.AccessToken {
			t.Fatal("the refresh token was not rotated") // AS-11
		}
		checkCallerOf(t, w, clientID, next)
		tokens = next
		w.add(time.Minute) // so that no kept answer plays a part
	}
	if rec := w.post("/revoke", url.Values{"token": {tokens.RefreshToken}, "client_id": {clientID}}); rec.Code != http.StatusOK {
		t.Errorf("revocation: %d %s", rec.Code, rec.Body)
	}
	wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusBadRequest, oauth.CodeInvalidGrant)
}

// checkCallerOf verifies an access token as a protected request does, and gets the provider's token
// for a tool.
func checkCallerOf(t *testing.T, w *world, clientID string, tokens oauth.TokenResponse) {
	t.Helper()
	b := w.broker()
	info, err := b.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
	if err != nil {
		t.Fatal(err)
	}
	want, err := w.provider.verify(t.Context(), upstreamOf(t, b, info), testResource)
	if err != nil {
		t.Fatal(err)
	}
	if info.Subject != "user-1" || info.Issuer != w.provider.server.URL || info.Provider != "fake" || info.Resource != testResource ||
		!reflect.DeepEqual(info.Audience, []string{testResource}) || info.ClientID != clients.Label(clientID) ||
		!reflect.DeepEqual(info.Scopes, []string{"openid", "email"}) || info.ExpiresAt.After(w.now().Add(time.Hour)) {
		t.Errorf("caller %+v", info)
	}
	want.User.Scopes, want.User.Permissions = info.Scopes, want.Permissions
	got, wanted := asJSON(t, info.User), asJSON(t, want.User)
	if got != wanted {
		t.Errorf("user\n got %s\nwant %s", got, wanted)
	}
	if n, _ := info.Claims.Number("level"); n != 3 {
		t.Error("the extra claims are not there")
	}
	if _, err := b.VerifyAccessToken(t.Context(), tokens.AccessToken, testResource+"/sse"); err == nil {
		t.Error("the token is accepted for another resource")
	}
}

func upstreamOf(t *testing.T, b *Broker, info *oauth.AuthInfo) string {
	t.Helper()
	upstream, err := b.UpstreamToken(oauth.NewContext(t.Context(), info))
	if err != nil || !strings.HasPrefix(upstream.Reveal(), "upstream-access-") {
		t.Fatalf("upstream token: %v", err)
	}
	return upstream.Reveal()
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// AS-14: a client that sends neither scope nor resource.
// covers: AS-14
func TestAClientThatSendsNeitherScopeNorResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	clientID := w.newClient(loopRedirect)
	code := w.newBrowser().code(clientID, loopRedirect, "scope", "", "resource", "", "state", "")
	rec := w.post("/token", redeemForm(clientID, loopRedirect, code, "resource", ""))
	tokens := decode[oauth.TokenResponse](t, rec)
	if rec.Code != http.StatusOK || tokens.Scope != "openid email profile" {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	if _, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource); err != nil {
		t.Error(err)
	}
	rec = w.post("/token", refreshForm(clientID, tokens.RefreshToken, "resource", ""))
	if rec.Code != http.StatusOK {
		t.Errorf("refresh: %d %s", rec.Code, rec.Body)
	}
}

// AS-1, AS-2, AS-3, AS-4, AS-5: what the metadata announces, at all well-known forms.
// covers: AS-1, AS-2, AS-3, AS-4, AS-5
func TestMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for _, path := range []string{
		"/.well-known/oauth-authorization-server/mcp", "/.well-known/oauth-authorization-server",
		"/mcp/.well-known/oauth-authorization-server", "/.well-known/openid-configuration/mcp",
		"/mcp/.well-known/openid-configuration", "/.well-known/openid-configuration",
	} {
		rec := w.do(httptest.NewRequest(http.MethodGet, "https://another.example.org"+path, nil))
		var m map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil || rec.Code != http.StatusOK {
			t.Fatalf("%s: %d %v", path, rec.Code, err)
		}
		for name, want := range map[string]any{
			"issuer":                                         testResource,
			"authorization_endpoint":                         testResource + "/authorize",
			"token_endpoint":                                 testResource + "/token",
			"registration_endpoint":                          testResource + "/register",
			"revocation_endpoint":                            testResource + "/revoke",
			"response_types_supported":                       []any{"code"},
			"grant_types_supported":                          []any{"authorization_code", "refresh_token"},
			"code_challenge_methods_supported":               []any{"S256"},
			"token_endpoint_auth_methods_supported":          []any{"none", "private_key_jwt"},
			"revocation_endpoint_auth_methods_supported":     []any{"none", "private_key_jwt"},
			"scopes_supported":                               []any{"openid", "email", "profile"},
			"authorization_response_iss_parameter_supported": true,
			"client_id_metadata_document_supported":          true,
		} {
			if !reflect.DeepEqual(m[name], want) {
				t.Errorf("%s: %s is %v, want %v", path, name, m[name], want)
			}
		}
		if strings.Contains(path, "openid") != (m["jwks_uri"] == testResource+"/jwks") {
			t.Errorf("%s: jwks_uri is %v", path, m["jwks_uri"])
		}
		if rec.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s is not readable from other origins", path)
		}
	}
	if rec := w.do(httptest.NewRequest(http.MethodGet, testResource+"/jwks", nil)); rec.Body.String() != `{"keys":[]}` {
		t.Errorf("key set: %s", rec.Body)
	}
}
