package upstream

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// provided is a client of a provider that answers with one status and body, and keeps what it was
// sent.
func provided(t *testing.T, status int, answer string, change func(*facts.Upstream)) (*Client, *http.Request, *[]byte) {
	t.Helper()
	var seen http.Request
	var body []byte
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = *r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(provider.Close)
	known := facts.Upstream{
		Credentials: facts.Credentials{ClientID: "app", ClientSecret: "secret-of-no-application"}, Name: "fake", Title: "Fake",
		Issuer: provider.URL, Authorization: provider.URL + "/authorize", Token: provider.URL + "/token", Revocation: provider.URL + "/revoke",
	}
	if change != nil {
		change(&known)
	}
	client, err := New(Config{Provider: known, RedirectURI: "https://mcp.example.com/mcp/oauth/callback", HTTP: provider.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return client, &seen, &body
}

func TestRequestsWithAJSONBody(t *testing.T) {
	t.Parallel()
	asJSON := func(u *facts.Upstream) { u.JSONBody, u.AuthMethod = true, facts.AuthPost }
	client, seen, body := provided(t, http.StatusOK, `{"access_token":"a"}`, asJSON)
	check := func(t *testing.T, want map[string]string) {
		t.Helper()
		var got map[string]string
		if err := json.Unmarshal(*body, &got); err != nil || seen.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("the body is %q of type %q", *body, seen.Header.Get("Content-Type"))
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %q, want %q", name, got[name], value)
			}
		}
	}
	if _, err := client.Refresh(t.Context(), Permit{given: true}, `refresh "token"`, nil, "https://mcp.example.com/mcp"); err != nil {
		t.Fatal(err)
	}
	check(t, map[string]string{
		"grant_type": "refresh_token", "refresh_token": `refresh "token"`, "client_id": "app", "client_secret": "secret-of-no-application",
	})
	if err := client.Revoke(t.Context(), Caller{}, "a", HintAccessToken); err != nil {
		t.Fatal(err)
	}
	check(t, map[string]string{"token": "a", "token_type_hint": "access_token", "client_id": "app"})
}

// A refresh at Kinde gives the access token again that is still good.
func TestARefreshMayGiveTheSameToken(t *testing.T) {
	t.Parallel()
	client, _, _ := provided(t, http.StatusOK, `{"access_token":"same","refresh_token":"same-refresh","expires_in":60}`, nil)
	for range 2 {
		tokens, err := client.Refresh(t.Context(), Permit{given: true}, "same-refresh", nil, "https://mcp.example.com/mcp")
		if err != nil || tokens.Access != "same" || tokens.Refresh != "same-refresh" {
			t.Errorf("the tokens are %+v, %v", tokens, err)
		}
	}
}

// Gitea says unauthorized_client of a refresh token that is no good; others have codes of their
// own.
func TestCodesOfADeadGrant(t *testing.T) {
	t.Parallel()
	own := func(u *facts.Upstream) { u.ErrorCodes = map[string]oauth.Code{"grant_gone": oauth.CodeInvalidGrant} }
	for code, want := range map[string]Kind{
		"unauthorized_client": KindDenied, "grant_gone": KindDenied, "invalid_grant": KindDenied, "invalid_client": KindRejected,
	} {
		client, _, _ := provided(t, http.StatusBadRequest, `{"error":"`+code+`"}`, own)
		if _, err := client.Refresh(t.Context(), Permit{given: true}, "refresh", nil, "https://mcp.example.com/mcp"); KindOf(err) != want {
			t.Errorf("%s: the error is %v", code, err)
		}
	}
}
