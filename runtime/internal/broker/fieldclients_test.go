package broker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

// LibreChat and mcp-remote repeat in a refresh what they once asked for.
// covers: R5
func TestScopesThatNobodyKnowsAreIgnoredEverywhere(t *testing.T) {
	t.Parallel()
	const asked = "openid email made:up"
	w := newWorld(t, 2)
	rec := w.register(fmt.Sprintf(`{"redirect_uris":[%q],"scope":%q}`, webRedirect, asked))
	registered := decode[oauth.ClientInformation](t, rec)
	code := w.newBrowser().code(registered.ClientID, webRedirect, "scope", asked)
	rec = w.post("/token", redeemForm(registered.ClientID, webRedirect, code))
	tokens := decode[oauth.TokenResponse](t, rec)
	if registered.Scope != "openid email" || tokens.Scope != "openid email" {
		t.Errorf("registered %q, granted %q", registered.Scope, tokens.Scope)
	}
	for _, scope := range []string{asked, "made:up", registered.Scope} {
		tokens = w.refreshed(registered.ClientID, tokens.RefreshToken, "scope", scope)
		if tokens.Scope != "openid email" {
			t.Errorf("a refresh with %q grants %q", scope, tokens.Scope)
		}
	}
	if tokens = w.refreshed(registered.ClientID, tokens.RefreshToken, "scope", "email made:up"); tokens.Scope != "email" {
		t.Errorf("a narrower refresh grants %q", tokens.Scope)
	}
}

// A client that asks for scopes of its own alone gets those that everybody gets.
// covers: R5
func TestUnknownScopesAloneAreAsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect, "scope", "mcp")
	tokens := decode[oauth.TokenResponse](t, w.post("/token", redeemForm(clientID, webRedirect, code)))
	if tokens.Scope != "openid email profile" {
		t.Errorf("granted %q", tokens.Scope)
	}
}

// covers: R4
func TestEqualResourcesAreOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, func(c *Config) { c.Subresources = []string{testResource + "/sse"} })
	clientID := w.newClient(webRedirect)
	code := w.newBrowser().code(clientID, webRedirect)
	twice := func(form string, more string) string { return form + "&resource=" + more }
	post := func(form string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, testResource+"/token", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return w.do(r).Code
	}
	form := redeemForm(clientID, webRedirect, code).Encode()
	if status := post(twice(form, "https%3A%2F%2Fevil.example%2Fmcp")); status != http.StatusBadRequest {
		t.Errorf("a foreign resource beside ours: %d", status)
	}
	if status := post(twice(form, "https%3A%2F%2Fmcp.example.com%2Fmcp%2F")); status != http.StatusOK {
		t.Errorf("our resource in two spellings: %d", status)
	}
}

// Some clients keep a client_id where 255 characters fit.
// covers: R23
func TestAClientIDOfThreeOrdinaryRedirectsIsShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) { c.CustomSchemes = []string{"cursor"} })
	for name, redirects := range map[string]string{
		"Cursor":              `"cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback","http://localhost:8787/callback"`,
		"Visual Studio Code":  `"https://insiders.vscode.dev/redirect","https://vscode.dev/redirect","http://127.0.0.1:33418/"`,
		"a client on the web": `"https://client.example.com/oauth/callback","https://staging.example.com/oauth/callback","http://127.0.0.1:8080/oauth/callback"`,
	} {
		rec := w.register(fmt.Sprintf(`{"client_name":%q,"redirect_uris":[%s]}`, name, redirects))
		if id := decode[oauth.ClientInformation](t, rec).ClientID; rec.Code != http.StatusCreated || len(id) > 255 {
			t.Errorf("%s: %d, a client_id of %d characters", name, rec.Code, len(id))
		}
	}
}
