package devidp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

// A request whose client or redirect URI is in doubt gets a page, never a redirect (threats: open
// redirect through an error).
func TestAuthorizeNeverRedirectsToAStranger(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient, func(c *devidp.Config) {
		c.Clients = append(c.Clients, devidp.Client{ID: "web", RedirectURIs: []string{"https://app.example.com/callback"}})
	})
	web := with(authorizeParameters(), "client_id", "web", "redirect_uri", "https://app.example.com/callback")
	twice := authorizeParameters()
	twice.Add("redirect_uri", "https://evil.example/")
	twoClients := authorizeParameters()
	twoClients.Add("client_id", "web")
	for name, parameters := range map[string]url.Values{
		"unknown client":                   with(authorizeParameters(), "client_id", "nobody"),
		"no client":                        with(authorizeParameters(), "client_id", ""),
		"no redirect URI":                  with(authorizeParameters(), "redirect_uri", ""),
		"another host":                     with(web, "redirect_uri", "https://evil.example/callback"),
		"another path":                     with(web, "redirect_uri", "https://app.example.com/callback/"),
		"a path below":                     with(web, "redirect_uri", "https://app.example.com/callback/more"),
		"another query":                    with(web, "redirect_uri", "https://app.example.com/callback?x=1"),
		"another scheme":                   with(web, "redirect_uri", "http://app.example.com/callback"),
		"another port of a non-loopback":   with(web, "redirect_uri", "https://app.example.com:8443/callback"),
		"other case of the host":           with(web, "redirect_uri", "https://APP.example.com/callback"),
		"credentials":                      with(web, "redirect_uri", "https://app.example.com@evil.example/callback"),
		"fragment":                         with(web, "redirect_uri", "https://app.example.com/callback#x"),
		"dot segments":                     with(web, "redirect_uri", "https://app.example.com/x/../callback"),
		"encoded host":                     with(web, "redirect_uri", "https://app%2eexample.com/callback"),
		"script":                           with(web, "redirect_uri", "javascript:alert(1)"),
		"data":                             with(web, "redirect_uri", "data:text/html,x"),
		"loopback with another path":       with(authorizeParameters(), "redirect_uri", "http://127.0.0.1:7000/other"),
		"loopback under another name":      with(authorizeParameters(), "redirect_uri", "http://localhost:7000/callback"),
		"loopback port with a host behind": with(authorizeParameters(), "redirect_uri", "http://127.0.0.1:7000@evil.example/callback"),
		"loopback with an empty port":      with(authorizeParameters(), "redirect_uri", "http://127.0.0.1:/callback"),
		"loopback over https":              with(authorizeParameters(), "redirect_uri", "https://127.0.0.1:7000/callback"),
		"redirect URI twice":               twice,
		"client twice":                     twoClients,
		"line break in the state":          with(authorizeParameters(), "state", "x\r\nLocation: https://evil.example"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := get(t, idp, authorizeURL(idp, parameters))
			if answer.status != http.StatusBadRequest {
				t.Errorf("status is %d", answer.status)
			}
			if l, r := answer.header.Get("Location"), answer.header.Get("Refresh"); l != "" || r != "" {
				t.Errorf("redirects to %q%q", l, r)
			}
			if !strings.HasPrefix(answer.header.Get("Content-Type"), "text/html") {
				t.Error("the answer is not a page")
			}
		})
	}
}

func TestAuthorizeAcceptsAnyPortOfALoopbackRedirect(t *testing.T) { // AS-6, RFC 8252 section 7.3
	t.Parallel()
	idp := devidp.Start(t, func(c *devidp.Config) {
		c.Clients = []devidp.Client{{
			ID: "native", RedirectURIs: []string{"http://127.0.0.1/callback", "http://[::1]:1/callback", "http://localhost:5/"},
		}}
	})
	for _, redirect := range []string{
		"http://127.0.0.1/callback", "http://127.0.0.1:49152/callback", "http://[::1]/callback", "http://[::1]:49152/callback",
		"http://localhost:49152/",
	} {
		t.Run(redirect, func(t *testing.T) {
			t.Parallel()
			q := login(t, idp, with(authorizeParameters(), "client_id", "native", "redirect_uri", redirect))
			if q.Get("code") == "" {
				t.Errorf("redirect has %v", q)
			}
		})
	}
}

func TestAuthorizeSendsErrorsToTheClient(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient, func(c *devidp.Config) {
		c.Scopes = []string{"openid", "profile", "email", "tools:read"}
		c.Resources = []string{testResource}
	})
	challenge := authorizeParameters().Get("code_challenge")
	for name, test := range map[string]struct {
		parameters url.Values
		code       oauth.Code
	}{
		"no response type":          {with(authorizeParameters(), "response_type", ""), oauth.CodeInvalidRequest},
		"token response type":       {with(authorizeParameters(), "response_type", "token"), oauth.CodeUnsupportedResponseType},
		"fragment response mode":    {with(authorizeParameters(), "response_mode", "fragment"), oauth.CodeInvalidRequest},
		"no challenge (AS-2)":       {with(authorizeParameters(), "code_challenge", ""), oauth.CodeInvalidRequest},
		"plain challenge (AS-2)":    {with(authorizeParameters(), "code_challenge_method", "plain"), oauth.CodeInvalidRequest},
		"no method, that is plain":  {with(authorizeParameters(), "code_challenge_method", ""), oauth.CodeInvalidRequest},
		"short challenge":           {with(authorizeParameters(), "code_challenge", challenge[:42]), oauth.CodeInvalidRequest},
		"long challenge":            {with(authorizeParameters(), "code_challenge", challenge+"A"), oauth.CodeInvalidRequest},
		"challenge with padding":    {with(authorizeParameters(), "code_challenge", challenge[:42]+"="), oauth.CodeInvalidRequest},
		"unknown scope":             {with(authorizeParameters(), "scope", "openid admin"), oauth.CodeInvalidScope},
		"scope of odd characters":   {with(authorizeParameters(), "scope", `a"b`), oauth.CodeInvalidScope},
		"resource of another":       {with(authorizeParameters(), "resource", "https://other.example.com/"), oauth.CodeInvalidTarget},
		"resource with a slash":     {with(authorizeParameters(), "resource", testResource+"/"), oauth.CodeInvalidTarget},
		"resource with a fragment":  {with(authorizeParameters(), "resource", testResource+"#x"), oauth.CodeInvalidTarget},
		"relative resource":         {with(authorizeParameters(), "resource", "/mcp"), oauth.CodeInvalidTarget},
		"prompt none":               {with(authorizeParameters(), "prompt", "none"), "login_required"},
		"request object":            {with(authorizeParameters(), "request", "x"), "request_not_supported"},
		"request object by address": {with(authorizeParameters(), "request_uri", "https://x.example"), "request_not_supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := get(t, idp, authorizeURL(idp, test.parameters))
			location, err := url.Parse(answer.header.Get("Location"))
			if err != nil || answer.status != http.StatusFound || !strings.HasPrefix(location.String(), testRedirect+"?") {
				t.Fatalf("status %d, location %q", answer.status, location)
			}
			q := location.Query()
			if q.Get("error") != string(test.code) {
				t.Errorf("error is %q, want %q", q.Get("error"), test.code)
			}
			if q.Get("state") != "state-1" || q.Get("iss") != idp.Issuer() || q.Has("code") { // AS-3
				t.Errorf("redirect has %v", q)
			}
		})
	}
}

func TestAuthorizeRefusesAnEndlessQuery(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	answer := get(t, idp, authorizeURL(idp, with(authorizeParameters(), "state", strings.Repeat("s", 70_000))))
	// net/http stops at the length of a header first.
	if answer.status != http.StatusRequestHeaderFieldsTooLarge || answer.header.Get("Location") != "" {
		t.Errorf("status %d, location %q", answer.status, answer.header.Get("Location"))
	}
}
