package devidp_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

func TestRegistrationRefuses(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	manyURIs := make([]string, 13)
	for i := range manyURIs {
		manyURIs[i] = "http://127.0.0.1/" + strconv.Itoa(i)
	}
	tests := map[string]struct {
		metadata map[string]any
		code     oauth.Code
	}{
		"no redirect URI":            {map[string]any{}, oauth.CodeInvalidRedirectURI},
		"13 redirect URIs":           {map[string]any{"redirect_uris": manyURIs}, oauth.CodeInvalidRedirectURI},
		"6 KB of metadata":           {map[string]any{"client_uri": strings.Repeat("x", 6000)}, oauth.CodeInvalidClientMetadata},
		"an unknown authentication":  {map[string]any{"token_endpoint_auth_method": "private_key_jwt"}, oauth.CodeInvalidClientMetadata},
		"no code among the grants":   {map[string]any{"grant_types": []string{"client_credentials"}}, oauth.CodeInvalidClientMetadata},
		"no code among responses":    {map[string]any{"response_types": []string{"token"}}, oauth.CodeInvalidClientMetadata},
		"a name that hides letters":  {map[string]any{"client_name": "Good\u202eliame"}, oauth.CodeInvalidClientMetadata},
		"a name of several lines":    {map[string]any{"client_name": "Good\nClient"}, oauth.CodeInvalidClientMetadata},
		"redirect URIs of odd types": {map[string]any{"redirect_uris": "http://127.0.0.1/"}, oauth.CodeInvalidClientMetadata},
	}
	for _, uri := range []string{
		"", "callback", "/callback", "//evil.example/", "http://app.example.com/callback", "http://127.0.0.1.evil.example/",
		"https://user@app.example.com/", "https://app.example.com/#x", "https://app.example.com/#", "https:/app.example.com/",
		"https://app.example.com/a/../b", "https://app.example.com/a/%2e%2e/b", "https://app.example.com/./",
		"https://app%2eexample.com/", "https://app.example.com:/", "https://app.example.com:x/", "https://äpp.example.com/",
		"https://app.example.com\\@evil.example/", "https://app.example.com/ x", "https://app.example.com/\r\nx",
		"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "cursor://callback", "HTTPS://app.example.com/",
		"https://", "http://", "https:app.example.com", "http://[::1%25lo]/", "http://2130706433/", "http://0.0.0.0/",
		"https://app.example.com/" + strings.Repeat("x", 2000),
	} {
		tests["redirect URI "+strconv.Quote(uri)[:min(40, len(strconv.Quote(uri)))]] = struct {
			metadata map[string]any
			code     oauth.Code
		}{map[string]any{"redirect_uris": []string{uri}}, oauth.CodeInvalidRedirectURI}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { // AS-5, AS-6
			t.Parallel()
			if _, given := test.metadata["redirect_uris"]; !given && name != "no redirect URI" {
				test.metadata["redirect_uris"] = []string{testRedirect}
			}
			postJSON(t, idp, "/register", test.metadata).wantError(t, 400, test.code)
		})
	}
	for name, body := range map[string]string{
		"text": "redirect_uris", "an array": "[]", "a member twice": `{"redirect_uris":["http://127.0.0.1/"],"redirect_uris":[]}`,
		"6 KB of white space": `{"redirect_uris":["http://127.0.0.1/"]}` + strings.Repeat(" ", 6000),
		"deep nesting":        `{"jwks":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := newRequest(t, http.MethodPost, idp.URL("/register"), "application/json", body)
			do(t, idp.Client(), request).wantError(t, 400, oauth.CodeInvalidClientMetadata)
		})
	}
	t.Run("a form", func(t *testing.T) {
		t.Parallel()
		postForm(t, idp, "/register", nil).wantError(t, 400, oauth.CodeInvalidClientMetadata)
	})
}

func TestRegistrationAnswersWhatWasRegistered(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, func(c *devidp.Config) { c.RedirectSchemes = []string{"cursor"} })
	register := func(t *testing.T, metadata map[string]any) oauth.ClientInformation {
		t.Helper()
		answer := postJSON(t, idp, "/register", metadata)
		if answer.status != http.StatusCreated || answer.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("status %d, headers %v", answer.status, answer.header)
		}
		var information oauth.ClientInformation
		if err := json.Unmarshal([]byte(answer.text), &information); err != nil {
			t.Fatal(err)
		}
		return information
	}
	t.Run("with the defaults of RFC 7591", func(t *testing.T) {
		t.Parallel()
		got := register(t, map[string]any{"redirect_uris": []string{testRedirect}})
		if got.TokenEndpointAuthMethod != "client_secret_basic" || got.ClientSecret == "" || got.ClientSecretExpiresAt == 0 ||
			!slices.Equal(got.GrantTypes, []string{"authorization_code"}) || !slices.Equal(got.ResponseTypes, []string{"code"}) {
			t.Errorf("method %q, grants %v, responses %v, secret: %v", got.TokenEndpointAuthMethod, got.GrantTypes,
				got.ResponseTypes, got.ClientSecret != "")
		}
	})
	for _, kind := range []string{"", "web", "native"} { // AS-5: with or without application_type
		t.Run("a public client of application_type "+kind, func(t *testing.T) {
			t.Parallel()
			got := register(t, map[string]any{
				"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none", "application_type": kind,
			})
			if got.TokenEndpointAuthMethod != "none" || got.ClientSecret != "" {
				t.Error("none was not honoured")
			}
		})
	}
	t.Run("without the grants that are not on offer", func(t *testing.T) {
		t.Parallel()
		got := register(t, map[string]any{
			"redirect_uris": []string{testRedirect},
			"grant_types":   []string{"authorization_code", "client_credentials", "refresh_token"},
		})
		if !slices.Equal(got.GrantTypes, []string{"authorization_code", "refresh_token"}) {
			t.Errorf("grants are %v", got.GrantTypes)
		}
	})
	t.Run("a confidential client that logs in with its secret", func(t *testing.T) {
		t.Parallel()
		got := register(t, map[string]any{
			"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "client_secret_post",
		})
		code := login(t, idp, with(authorizeParameters(), "client_id", got.ClientID)).Get("code")
		form := with(codeForm(code), "client_id", got.ClientID)
		postForm(t, idp, "/token", form).wantError(t, 401, oauth.CodeInvalidClient)
		readTokens(t, postForm(t, idp, "/token", with(form, "client_secret", got.ClientSecret)))
	})
	t.Run("R3: without the redirect URIs and scopes that are not acceptable", func(t *testing.T) {
		t.Parallel()
		got := register(t, map[string]any{
			"redirect_uris": []string{"vscode://x/callback", testRedirect, "javascript:alert(1)"}, "scope": `openid x"y email`,
		})
		if !slices.Equal(got.RedirectURIs, []string{testRedirect}) || got.Scope != "openid email" {
			t.Errorf("redirect URIs %q, scope %q", got.RedirectURIs, got.Scope)
		}
	})
	t.Run("R2: metadata of 5 KB", func(t *testing.T) {
		t.Parallel()
		got := register(t, map[string]any{"redirect_uris": []string{testRedirect}, "client_uri": strings.Repeat("x", 4900)})
		if len(got.ClientURI) != 4900 {
			t.Errorf("client_uri has %d bytes", len(got.ClientURI))
		}
	})
	t.Run("a custom scheme that the configuration allows", func(t *testing.T) {
		t.Parallel()
		const redirect = "cursor://anysphere.cursor-mcp/oauth/callback"
		got := register(t, map[string]any{"redirect_uris": []string{redirect}, "token_endpoint_auth_method": "none"})
		parameters := with(authorizeParameters(), "client_id", got.ClientID, "redirect_uri", redirect)
		if login(t, idp, parameters).Get("code") == "" {
			t.Error("no code")
		}
	})
}

func TestRegistrationsAreBounded(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	metadata := map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none"}
	oldest, _ := postJSON(t, idp, "/register", metadata).json(t)["client_id"].(string)
	kept, _ := postJSON(t, idp, "/register", metadata).json(t)["client_id"].(string)
	for i := range 1000 {
		if i == 500 { // a client in use is not the one that makes room
			get(t, idp, authorizeURL(idp, with(authorizeParameters(), "client_id", kept)))
		}
		if answer := postJSON(t, idp, "/register", metadata); answer.status != http.StatusCreated {
			t.Fatalf("registration %d: status %d", i, answer.status)
		}
	}
	postForm(t, idp, "/token", with(codeForm("x"), "client_id", oldest)).wantError(t, 401, oauth.CodeInvalidClient)
	postForm(t, idp, "/token", with(codeForm("x"), "client_id", kept)).wantError(t, 400, oauth.CodeInvalidGrant)
	postForm(t, idp, "/token", codeForm("x")).wantError(t, 400, oauth.CodeInvalidGrant) // a configured client stays
}

// With one registered confidential client it plays the upstream of proxy mode.
func TestPreregisteredClientsOnly(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, devidp.Preregistered(devidp.Client{
		ID: "upstream", Secret: "test-secret-of-upstream", RedirectURIs: []string{testRedirect},
	}))
	if got := get(t, idp, idp.URL("/.well-known/oauth-authorization-server")).json(t); got["registration_endpoint"] != nil {
		t.Error("a registration endpoint is announced")
	}
	if answer := postJSON(t, idp, "/register", map[string]any{"redirect_uris": []string{testRedirect}}); answer.status != http.StatusNotFound {
		t.Errorf("registration: status %d", answer.status)
	}
	code := login(t, idp, with(authorizeParameters(), "client_id", "upstream")).Get("code")
	form := with(codeForm(code), "client_id", "upstream")
	postForm(t, idp, "/token", form).wantError(t, 401, oauth.CodeInvalidClient)
	readTokens(t, postForm(t, idp, "/token", with(form, "client_secret", "test-secret-of-upstream")))
}
