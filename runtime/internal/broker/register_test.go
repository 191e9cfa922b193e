package broker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

// AS-5: with or without application_type, what is asked for beyond our abilities is replaced, and
// the answer says so.
// covers: AS-5
func TestRegistration(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	for name, c := range map[string]struct {
		metadata string
		want     oauth.ClientMetadata
	}{
		"the least that is needed": {`{"redirect_uris":["https://a.example/cb"]}`, oauth.ClientMetadata{}},
		"what the TypeScript SDK sends": {
			`{"client_name":"SDK","redirect_uris":["https://a.example/cb"],"grant_types":["authorization_code","refresh_token"],
			  "response_types":["code"],"token_endpoint_auth_method":"none","scope":"openid email"}`,
			oauth.ClientMetadata{ClientName: "SDK", Scope: "openid email"},
		},
		"application_type":               {`{"redirect_uris":["https://a.example/cb"],"application_type":"native"}`, oauth.ClientMetadata{ApplicationType: "native"}},
		"another application_type":       {`{"redirect_uris":["https://a.example/cb"],"application_type":"toaster"}`, oauth.ClientMetadata{}},
		"a client that wants a secret":   {`{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"client_secret_basic"}`, oauth.ClientMetadata{}},
		"members that mean nothing here": {`{"redirect_uris":["https://a.example/cb"],"logo_uri":"https://a.example/l","contacts":["x"],"jwks":{},"x":[1]}`, oauth.ClientMetadata{}},
		"null members":                   {`{"redirect_uris":["https://a.example/cb"],"client_name":null,"grant_types":null}`, oauth.ClientMetadata{}},
		"R5: unknown scopes": {
			`{"redirect_uris":["https://a.example/cb"],"scope":"openid made:up email"}`, oauth.ClientMetadata{Scope: "openid email"},
		},
		"R5: unknown scopes alone": {`{"redirect_uris":["https://a.example/cb"],"scope":"made:up x\"y"}`, oauth.ClientMetadata{}},
		"R3: redirect URIs that are not acceptable": {
			`{"redirect_uris":["cursor://x/cb","https://a.example/cb","http://a.example/cb","javascript:alert(1)",1,null]}`, oauth.ClientMetadata{},
		},
		"R3: elements of other types in lists": {
			`{"redirect_uris":[{},"https://a.example/cb"],"grant_types":[1,"authorization_code"],"response_types":[null,"code"]}`, oauth.ClientMetadata{},
		},
		"implicit beside code": {`{"redirect_uris":["https://a.example/cb"],"grant_types":["implicit","authorization_code"],"response_types":["token","code"]}`, oauth.ClientMetadata{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := w.register(c.metadata)
			got := decode[oauth.ClientInformation](t, rec)
			c.want.ClientID, c.want.RedirectURIs = got.ClientID, []string{"https://a.example/cb"}
			c.want.GrantTypes, c.want.ResponseTypes = []string{"authorization_code", "refresh_token"}, []string{"code"}
			c.want.TokenEndpointAuthMethod = "none"
			if rec.Code != http.StatusCreated || got.ClientSecret != "" || got.ClientIDIssuedAt != w.now().Unix() ||
				!reflect.DeepEqual(got.ClientMetadata, c.want) {
				t.Errorf("got %d %s", rec.Code, rec.Body)
			}
			if rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", rec.Header())
			}
			opened, _, err := w.boxes(testResource).Client.Open(got.ClientID)
			if err != nil || opened.Name != c.want.ClientName || !reflect.DeepEqual(opened.Redirects, c.want.RedirectURIs) {
				t.Errorf("the client_id reads as %+v, %v", opened, err)
			}
		})
	}
}

func TestAClientIDStaysShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	uri := func(i int) string {
		return fmt.Sprintf("https://client-%d.example.com/%s", i, strings.Repeat("x", 80-29))
	}
	if len(uri(1)) != 80 {
		t.Fatalf("%d characters", len(uri(1)))
	}
	id := w.newClient(uri(1), uri(2), uri(3))
	if len(id) >= 600 {
		t.Errorf("a client_id with three redirect URIs of 80 bytes has %d characters", len(id))
	}
}

// The operator who runs the server learns which scheme a client wanted, and how to allow it.
// covers: R3
func TestLeftOutRedirectURIsAreLogged(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]string{
		"beside a good one": `{"redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback","http://localhost:8787/callback"]}`,
		"alone":             `{"redirect_uris":["cursor://anysphere.cursor-mcp/oauth/callback"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.register(metadata)
			if log := w.log.String(); !strings.Contains(log, `scheme \"cursor\" is not allowed`) || !strings.Contains(log, "--custom-scheme cursor") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// Threats, proxy mode: 13 redirect URIs, 5 KB of metadata; redirect URIs that lead elsewhere than
// they look.
// covers: T-PRX-05, AS-6
func TestRegistrationRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	uris := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("https://a.example/%d", i)
		}
		return `["` + strings.Join(list, `","`) + `"]`
	}
	if rec := w.register(`{"redirect_uris":` + uris(12) + `}`); rec.Code != http.StatusCreated {
		t.Errorf("12 redirect URIs: %d %s", rec.Code, rec.Body)
	}
	const fits = `{"redirect_uris":["https://a.example/cb"],"pad":""}`
	padded := func(n int) string {
		return strings.Replace(fits, `"pad":""`, `"pad":"`+strings.Repeat("x", n-len(fits))+`"`, 1)
	}
	if rec := w.register(padded(5120)); rec.Code != http.StatusCreated { // R2
		t.Errorf("5 KB of metadata: %d %s", rec.Code, rec.Body)
	}
	for name, c := range map[string]struct {
		metadata string
		code     oauth.Code
	}{
		"13 redirect URIs":                   {`{"redirect_uris":` + uris(13) + `}`, oauth.CodeInvalidClientMetadata},
		"R2: one byte more than 5 KB":        {padded(5121), oauth.CodeInvalidClientMetadata},
		"nothing":                            {``, oauth.CodeInvalidClientMetadata},
		"an array":                           {`[]`, oauth.CodeInvalidClientMetadata},
		"not JSON":                           {`redirect_uris=https://a.example/cb`, oauth.CodeInvalidClientMetadata},
		"a member twice":                     {`{"redirect_uris":["https://a.example/cb"],"redirect_uris":["https://b.example/cb"]}`, oauth.CodeInvalidClientMetadata},
		"a string for redirect_uris":         {`{"redirect_uris":"https://a.example/cb"}`, oauth.CodeInvalidClientMetadata},
		"numbers for redirect_uris":          {`{"redirect_uris":[1]}`, oauth.CodeInvalidRedirectURI},
		"an object for client_name":          {`{"redirect_uris":["https://a.example/cb"],"client_name":{}}`, oauth.CodeInvalidClientMetadata},
		"grants without authorization_code":  {`{"redirect_uris":["https://a.example/cb"],"grant_types":["client_credentials"]}`, oauth.CodeInvalidClientMetadata},
		"response types without code":        {`{"redirect_uris":["https://a.example/cb"],"response_types":["token"]}`, oauth.CodeInvalidClientMetadata},
		"no redirect URI":                    {`{"client_name":"x"}`, oauth.CodeInvalidRedirectURI},
		"an empty list of redirect URIs":     {`{"redirect_uris":[]}`, oauth.CodeInvalidRedirectURI},
		"member names in another case":       {`{"Redirect_URIs":["https://a.example/cb"]}`, oauth.CodeInvalidRedirectURI},
		"javascript":                         {`{"redirect_uris":["javascript:alert(1)"]}`, oauth.CodeInvalidRedirectURI},
		"A11: a name that shows nothing":     {`{"redirect_uris":["https://a.example/cb"],"client_name":"\u3164\u2800\u200b\u0301"}`, oauth.CodeInvalidClientMetadata},
		"R3: no redirect URI that is good":   {`{"redirect_uris":["cursor://a.example/cb","http://a.example/cb"]}`, oauth.CodeInvalidRedirectURI},
		"a custom scheme that is not listed": {`{"redirect_uris":["cursor://x/cb"]}`, oauth.CodeInvalidRedirectURI},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantError(t, w.register(c.metadata), http.StatusBadRequest, c.code)
		})
	}
	t.Run("another method", func(t *testing.T) {
		t.Parallel()
		rec := w.do(httptest.NewRequest(http.MethodGet, testResource+"/register", nil))
		wantError(t, rec, http.StatusMethodNotAllowed, oauth.CodeInvalidRequest)
		if rec.Header().Get("Allow") != "POST, OPTIONS" {
			t.Errorf("Allow: %s", rec.Header().Get("Allow"))
		}
	})
}

// Browser clients register and get tokens by script; only those of the allowed origins may read the
// answer.
func TestScriptsOfAllowedOriginsOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		allowed []string
		origin  string
		want    string
	}{
		"none by default":           {nil, "https://app.example", ""},
		"an allowed one":            {[]string{"https://app.example"}, "https://app.example", "https://app.example"},
		"another one":               {[]string{"https://app.example"}, "https://evil.example", ""},
		"another port":              {[]string{"https://app.example"}, "https://app.example:444", ""},
		"one with its default port": {[]string{"HTTPS://App.example:443"}, "https://app.example", "https://app.example"},
		"all":                       {[]string{"*"}, "https://any.example", "https://any.example"},
		"a prefix of allowed":       {[]string{"https://app.example"}, "https://app.example.evil.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(c2 *Config) { c2.AllowedOrigins = c.allowed })
			for _, path := range []string{"/register", "/token", "/revoke"} {
				r := httptest.NewRequest(http.MethodOptions, testResource+path, nil)
				r.Header.Set("Origin", c.origin)
				r.Header.Set("Access-Control-Request-Method", "POST")
				rec := w.do(r)
				h := rec.Header()
				if rec.Code != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != c.want ||
					(h.Get("Access-Control-Allow-Methods") != "") != (c.want != "") || h.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s: preflight %d %v", path, rec.Code, h)
				}
				r = httptest.NewRequest(http.MethodPost, testResource+path, nil)
				r.Header.Set("Origin", c.origin)
				if got := w.do(r).Header().Get("Access-Control-Allow-Origin"); got != c.want {
					t.Errorf("%s: allowed %q", path, got)
				}
			}
			// The pages are for people, no script reads them.
			r := httptest.NewRequest(http.MethodGet, testResource+"/authorize", nil)
			r.Header.Set("Origin", c.origin)
			if got := w.do(r).Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("/authorize is readable for %s", got)
			}
		})
	}
}
