package broker

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Threats, proxy mode: upstream answers 200 with an error, HTML, a 10 MB body, a redirect; hangs.
// covers: T-PRX-15
func TestStrangeAnswersOfTheProvider(t *testing.T) {
	t.Parallel()
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	const jsonType, formType = "application/json", "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
		code   oauth.Code
	}{
		"200 with an error of its own":      {answer(200, jsonType, `{"error":"bad_verification_code"}`), 400, oauth.CodeInvalidGrant},
		"200 with an error in a form":       {answer(200, formType, `error=bad_verification_code&error_description=x`), 400, oauth.CodeInvalidGrant},
		"200 with another error":            {answer(200, jsonType, `{"error":"incorrect_client_credentials"}`), 500, oauth.CodeServerError},
		"400 invalid_grant":                 {answer(400, jsonType, `{"error":"invalid_grant"}`), 400, oauth.CodeInvalidGrant},
		"401 invalid_client":                {answer(401, jsonType, `{"error":"invalid_client"}`), 500, oauth.CodeServerError},
		"an error with a token beside":      {answer(200, jsonType, `{"error":"x","access_token":"upstream-access-0"}`), 500, oauth.CodeServerError},
		"HTML":                              {answer(200, "text/html", `<html>upstream-access-0</html>`), 500, oauth.CodeServerError},
		"an error page":                     {answer(500, "text/html", `<html>`), 503, oauth.CodeTemporarilyUnavailable},
		"429 with an error of a grant":      {answer(429, jsonType, `{"error":"invalid_grant"}`), 503, oauth.CodeTemporarilyUnavailable},
		"too many requests":                 {answer(429, jsonType, `{}`), 503, oauth.CodeTemporarilyUnavailable},
		"a body of 10 MB":                   {answer(200, jsonType, `{"x":"`+strings.Repeat("x", 10<<20)+`"}`), 500, oauth.CodeServerError},
		"a redirect":                        {redirectAnswer(http.StatusFound), 500, oauth.CodeServerError},
		"a redirect that keeps the body":    {redirectAnswer(http.StatusTemporaryRedirect), 500, oauth.CodeServerError},
		"a connection that breaks":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503, oauth.CodeTemporarilyUnavailable},
		"nothing":                           {answer(200, jsonType, ``), 500, oauth.CodeServerError},
		"no token":                          {answer(200, jsonType, `{"token_type":"bearer"}`), 500, oauth.CodeServerError},
		"a token that is no string":         {answer(200, jsonType, `{"access_token":{}}`), 500, oauth.CodeServerError},
		"another token type":                {answer(200, jsonType, `{"access_token":"upstream-access-0","token_type":"DPoP"}`), 500, oauth.CodeServerError},
		"a member twice":                    {answer(200, jsonType, `{"access_token":"a","access_token":"b"}`), 500, oauth.CodeServerError},
		"a form member twice":               {answer(200, formType, `access_token=a&access_token=b`), 500, oauth.CodeServerError},
		"a token that the verifier refuses": {answer(200, jsonType, `{"access_token":"upstream-access-of-another-app"}`), 400, oauth.CodeInvalidGrant},
		"a line break in an error":          {answer(400, jsonType, `{"error":"x\r\ny"}`), 500, oauth.CodeServerError},
		"deeply nested":                     {answer(200, jsonType, strings.Repeat("[", 100000)), 500, oauth.CodeServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) {
				cfg.Upstream.ErrorCodes = map[string]oauth.Code{"bad_verification_code": oauth.CodeInvalidGrant}
			})
			w.provider.answer = c.answer
			clientID := w.newClient(webRedirect)
			rec := w.post("/token", redeemForm(clientID, webRedirect, w.newBrowser().code(clientID, webRedirect)))
			wantError(t, rec, c.status, c.code)
			for _, secret := range []string{testSecret, "upstream-access", w.provider.server.URL} {
				if strings.Contains(rec.Body.String(), secret) {
					t.Errorf("the answer leaks %q: %s", secret, rec.Body)
				}
			}
		})
	}
}

// The answer to a refresh decides about the grant: nil where it goes on, unharmed.
func TestWhatEndsAGrantAtARefresh(t *testing.T) {
	t.Parallel()
	const jsonType = "application/json"
	for name, c := range map[string]struct {
		status            int
		contentType, body string
		want              int
		ends              bool
	}{
		"R19: 400 as text/plain":                      {400, "text/plain", `{"error":"invalid_grant"}`, 400, true},
		"R19: 400 of no type, with a byte order mark": {400, "", "\ufeff" + `{"error":"invalid_grant"}`, 400, true},
		"R19: 400 invalid_request":                    {400, jsonType, `{"error":"invalid_request"}`, 400, true},
		"R19: 400 interaction_required":               {400, jsonType, `{"error":"interaction_required"}`, 400, true},
		"R19: 400 unauthorized_client":                {400, jsonType, `{"error":"unauthorized_client"}`, 400, true},
		"R19: 401 invalid_token":                      {401, jsonType, `{"error":"invalid_token"}`, 400, true},
		"R19: 400 of the provider's own":              {400, jsonType, `{"error":"Invalid refresh token"}`, 400, true},
		"R19: 200 with an error":                      {200, jsonType, `{"error":"bad_refresh_token"}`, 400, true},
		"R19: 400 as a form":                          {400, "application/x-www-form-urlencoded", "error=invalid_grant", 400, true},
		"R19: 400 invalid_client":                     {400, jsonType, `{"error":"invalid_client"}`, 500, false},
		"R19: 401 invalid_client":                     {401, "text/html", `{"error":"invalid_client"}`, 500, false},
		"R19: 200 with our own credentials' error":    {200, jsonType, `{"error":"incorrect_client_credentials"}`, 500, false},
		"R19: 400 HTML":                               {400, "text/html", "<html>", 503, false},
		"R19: 401 HTML":                               {401, "text/html", "<html>", 503, false},
		"R19: 403 HTML":                               {403, "text/html", "<html>", 503, false},
		"R19: 403 invalid_grant, as at Atlassian":     {403, jsonType, `{"error":"invalid_grant"}`, 400, true},
		"R19: 403 in JSON":                            {403, jsonType, `{"error":"access_denied"}`, 503, false},
		"R19: 404":                                    {404, jsonType, `{"error":"invalid_grant"}`, 503, false},
		"R19: 407":                                    {407, "text/html", "", 503, false},
		"R19: 400 without an error":                   {400, jsonType, `{"message":"no"}`, 503, false},
		"R19: 400 temporarily_unavailable":            {400, jsonType, `{"error":"temporarily_unavailable"}`, 503, false},
		"R19: 429 with an error of a grant":           {429, jsonType, `{"error":"invalid_grant"}`, 503, false},
		"R19: 502 with an error of a grant":           {502, jsonType, `{"error":"invalid_grant"}`, 503, false},
		"R19: HTML that is no answer":                 {200, "text/html", "<html>", 500, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) {
				cfg.Upstream.ErrorCodes = map[string]oauth.Code{"incorrect_client_credentials": oauth.CodeInvalidClient}
			})
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			w.provider.answer = func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header()["Content-Type"] = []string{c.contentType}
				rw.WriteHeader(c.status)
				_, _ = rw.Write([]byte(c.body))
			}
			code := map[int]oauth.Code{400: oauth.CodeInvalidGrant, 500: oauth.CodeServerError, 503: oauth.CodeTemporarilyUnavailable}[c.want]
			wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), c.want, code)
			w.provider.answer = nil
			if rec := w.post("/token", refreshForm(clientID, tokens.RefreshToken)); (rec.Code != http.StatusOK) != c.ends {
				t.Errorf("the next try: %d %s", rec.Code, rec.Body)
			}
		})
	}
}

func TestTokensAreReadWhateverTheAnswerIsCalled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status      int
		contentType string
	}{
		"R19: 200 as HTML": {200, "text/html; charset=utf-8"}, "R19: 200 as text": {200, "text/plain"}, "R19: 200 as nothing": {200, ""},
		"R19: 201": {201, "application/json"}, "R19: 201 as text": {201, "text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			clientID := w.newClient(webRedirect)
			code := w.newBrowser().code(clientID, webRedirect)
			w.provider.access["upstream-access-1000"] = providerToken{user: w.provider.user}
			w.provider.answer = func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header()["Content-Type"] = []string{c.contentType}
				rw.WriteHeader(c.status)
				_, _ = rw.Write([]byte(" \n" + `{"access_token":"upstream-access-1000","token_type":"bearer"}`))
			}
			if rec := w.post("/token", redeemForm(clientID, webRedirect, code)); rec.Code != http.StatusOK {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}

// A provider may repeat what it was sent, and what it gives, anywhere: neither log nor event has
// it, which every world checks at its end.
// covers: A13
func TestWhatAProviderRepeatsIsInNoLog(t *testing.T) {
	t.Parallel()
	const given = `"access_token":"upstream-access-77","refresh_token":"upstream-refresh-77"`
	for name, body := range map[string]func(sent url.Values) string{
		"A13: the description": func(sent url.Values) string {
			return `{"error":"invalid_scope","error_description":"` + sent.Get("code") + sent.Get("code_verifier") + sent.Get("refresh_token") + `"}`
		},
		"A13: the error": func(sent url.Values) string {
			return `{"error":"` + sent.Get("code") + sent.Get("refresh_token") + `"}`
		},
		"A13: the type": func(url.Values) string { return `{` + given + `,"token_type":"upstream-access-77"}` },
		"A13: an error beside tokens": func(url.Values) string {
			return `{` + given + `,"error":"x","error_description":"gave upstream-access-77 and upstream-refresh-77"}`
		},
		"A13: our secret": func(url.Values) string { return `{"error":"x","error_description":"not ` + testSecret + `"}` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			code := w.newBrowser().code(clientID, webRedirect)
			w.provider.answer = func(rw http.ResponseWriter, r *http.Request) { _, _ = rw.Write([]byte(body(r.PostForm))) }
			for _, form := range []url.Values{redeemForm(clientID, webRedirect, code), refreshForm(clientID, tokens.RefreshToken)} {
				if rec := w.post("/token", form); rec.Code == http.StatusOK || strings.Contains(rec.Body.String(), "upstream-") {
					t.Errorf("%d %s", rec.Code, rec.Body)
				}
			}
		})
	}
	t.Run("A13: a status line that is none", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		clientID := w.newClient(webRedirect)
		tokens := w.login(clientID)
		w.provider.answer = func(rw http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(rw).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte("HTTP/1.1 " + r.PostForm.Get("refresh_token") + "\r\n\r\n"))
				_ = conn.Close()
			}
		}
		wantError(t, w.post("/token", refreshForm(clientID, tokens.RefreshToken)), http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
	})
}

// redirectAnswer redirects to an address that must never be asked.
func redirectAnswer(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("elsewhere") {
			panic("the redirect was followed")
		}
		http.Redirect(w, r, "/token?elsewhere=1", status)
	}
}

// covers: T-PRX-15
func TestAProviderThatHangs(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	w := newWorld(t, 1, func(c *Config) {
		client := *c.UpstreamClient
		client.Timeout = 50 * time.Millisecond
		c.UpstreamClient = &client
	})
	w.provider.answer = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-released:
		}
	}
	defer close(released)
	clientID := w.newClient(webRedirect)
	rec := w.post("/token", redeemForm(clientID, webRedirect, w.newBrowser().code(clientID, webRedirect)))
	wantError(t, rec, http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable)
}

func TestHowTheProviderIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change        func(*facts.Upstream)
		authorize     url.Values
		token         url.Values
		wantNot       []string
		tokenAuthInto string
	}{
		"by default": {
			func(*facts.Upstream) {},
			url.Values{
				"scope": {"openid email"}, "redirect_uri": {testResource + "/oauth/callback"}, "code_challenge_method": {"S256"},
				"response_type": {"code"}, "client_id": {testClientID},
			},
			url.Values{"redirect_uri": {testResource + "/oauth/callback"}},
			[]string{"resource", "nonce", "access_type"}, "header",
		},
		"secret in the body": {func(u *facts.Upstream) { u.AuthMethod = facts.AuthPost }, nil, url.Values{"client_id": {testClientID}}, nil, "body"},
		"resource forwarded": {
			func(u *facts.Upstream) { u.Resource = facts.ResourceForward },
			url.Values{"resource": {testResource}}, url.Values{"resource": {testResource}}, nil, "",
		},
		"resource as scope": {
			func(u *facts.Upstream) { u.Resource, u.ResourceScope = facts.ResourceAsScope, "{resource}/.default" },
			url.Values{"scope": {"openid email " + testResource + "/.default"}}, nil, []string{"resource"}, "",
		},
		"extra parameters (Google)": {
			func(u *facts.Upstream) {
				u.AuthorizeParams = map[string]string{"access_type": "offline", "prompt": "consent"}
				u.TokenParams = map[string]string{"tenant": "x"}
			},
			url.Values{"access_type": {"offline"}, "prompt": {"consent"}}, url.Values{"tenant": {"x"}}, nil, "",
		},
		"scopes with commas": {func(u *facts.Upstream) { u.ScopeSeparator = "," }, url.Values{"scope": {"openid,email"}}, nil, nil, ""},
		"required scopes and names of the provider's own (Entra ID)": {
			func(u *facts.Upstream) {
				u.RequiredScopes = []string{"offline_access"}
				u.ScopeNames = map[string]string{"email": "api://app/email"}
				u.ScopeAtToken = true
			},
			url.Values{"scope": {"offline_access openid api://app/email"}},
			url.Values{"scope": {"offline_access openid api://app/email"}}, nil, "",
		},
		"an endpoint with a query": {
			func(u *facts.Upstream) { u.Authorization += "?policy=x" }, url.Values{"policy": {"x"}, "client_id": {testClientID}}, nil, nil, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) { c.change(&cfg.Upstream) })
			w.provider.scope = ""
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			asked, form := w.provider.lastURL, w.provider.forms[0]
			for name, want := range c.authorize {
				if !slices.Equal(asked[name], want) {
					t.Errorf("authorization request: %s is %v, want %v", name, asked[name], want)
				}
			}
			for name, want := range c.token {
				if !slices.Equal(form[name], want) {
					t.Errorf("token request: %s is %v, want %v", name, form[name], want)
				}
			}
			for _, name := range c.wantNot {
				if asked.Has(name) || form.Has(name) {
					t.Errorf("%s was sent", name)
				}
			}
			if c.tokenAuthInto != "" && form.Has("client_secret") != (c.tokenAuthInto == "body") {
				t.Errorf("the secret was not sent in the %s", c.tokenAuthInto)
			}
			if len(asked.Get("state")) != 22 || asked.Get("state") == "client-state" {
				t.Errorf("upstream state %q", asked.Get("state"))
			}
			if asked.Get("code_challenge") == challengeOf(clientVerifier) || form.Get("code_verifier") == clientVerifier {
				t.Error("the client's own challenge went to the provider")
			}
			if tokens.Scope != "openid email" {
				t.Errorf("scope %q", tokens.Scope)
			}
			w.refreshed(clientID, tokens.RefreshToken)
		})
	}
}

// Where the provider has no PKCE, OpenID Connect's nonce binds the code to the login.
func TestNonce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*provider)
		want   bool
	}{
		"the nonce of the login":     {func(*provider) {}, true},
		"the nonce of another login": {func(p *provider) { p.nonceOverride = challengeOf("another") }, false},
		"no ID token":                {func(p *provider) { p.noIDToken = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) {
				cfg.Upstream.CodeProtection, cfg.Upstream.RequiredScopes = facts.ProtectNonce, []string{"openid"}
			})
			c.change(w.provider)
			clientID := w.newClient(webRedirect)
			rec := w.post("/token", redeemForm(clientID, webRedirect, w.newBrowser().code(clientID, webRedirect)))
			if c.want != (rec.Code == http.StatusOK) {
				t.Errorf("got %d %s", rec.Code, rec.Body)
			}
			if !c.want {
				wantError(t, rec, http.StatusBadRequest, oauth.CodeInvalidGrant)
			}
			if w.provider.lastURL.Has("code_challenge") || len(w.provider.lastURL.Get("nonce")) != 43 {
				t.Errorf("asked with %v", w.provider.lastURL)
			}
		})
	}
}

func TestAProviderWithoutPKCEAndNonce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, func(c *Config) {
		c.Upstream.CodeProtection, c.Upstream.UnprotectedReason = facts.ProtectNothing, "the provider supports neither"
	})
	w.login(w.newClient(webRedirect))
	if w.provider.lastURL.Has("code_challenge") || w.provider.lastURL.Has("nonce") || !strings.Contains(w.log.String(), "supports neither") {
		t.Error("something was sent, or nothing was logged")
	}
}

// GitHub: form-encoded answers, scopes with commas, more scopes than were asked for.
func TestTokenAnswersInOtherShapes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*provider)
		scope   string
		expires int64
	}{
		"form-encoded":                 {func(p *provider) { p.formEncoded = true }, "openid email", 3600},
		"scopes with commas":           {func(p *provider) { p.scope = `"email,openid,repo"` }, "openid email", 3600},
		"scopes as an array":           {func(p *provider) { p.scope = `["email","openid"]` }, "openid email", 3600},
		"fewer scopes than asked for":  {func(p *provider) { p.scope = `"email"` }, "email", 3600},
		"more scopes than asked for":   {func(p *provider) { p.scope = `"openid email profile admin"` }, "openid email", 3600},
		"scopes under other names":     {func(p *provider) { p.scope = `"openid https://example.com/auth/userinfo.email"` }, "openid email", 3600},
		"no scopes granted":            {func(p *provider) { p.scope = `""` }, "", 3600},
		"no scope in the answer":       {func(p *provider) { p.scope = "" }, "openid email", 3600},
		"expires_in as a string":       {func(p *provider) { p.expiresIn = `"600"` }, "openid email", 600},
		"a short-lived token":          {func(p *provider) { p.expiresIn = "60" }, "openid email", 60},
		"a token that lives for a day": {func(p *provider) { p.expiresIn = "86400" }, "openid email", 3600},
		"no expires_in":                {func(p *provider) { p.expiresIn = "" }, "openid email", 3600},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, func(cfg *Config) {
				cfg.Upstream.ScopeAliases = map[string]string{"https://example.com/auth/userinfo.email": "email"}
			})
			c.change(w.provider)
			tokens := w.login(w.newClient(webRedirect))
			if tokens.Scope != c.scope || tokens.ExpiresIn != c.expires {
				t.Errorf("scope %q, expires in %d", tokens.Scope, tokens.ExpiresIn)
			}
			info, err := w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
			if err != nil || strings.Join(info.Scopes, " ") != c.scope {
				t.Errorf("%v", err)
			}
		})
	}
}

// The generic proxy passes through what its verifier accepts, as the seed does.
func TestPassthrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, func(c *Config) { c.Tokens = proxy.Passthrough })
	w.provider.jwt = true
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	if _, ok := w.provider.access[tokens.AccessToken]; !ok || tokens.ExpiresIn != 3600 {
		t.Errorf("not the provider's own token, or expires in %d", tokens.ExpiresIn)
	}
	if strings.HasPrefix(tokens.RefreshToken, "upstream") {
		t.Error("the provider's refresh token was handed out")
	}
	next := w.refreshed(clientID, tokens.RefreshToken)
	if _, ok := w.provider.access[next.AccessToken]; !ok || next.RefreshToken == tokens.RefreshToken {
		t.Error("not refreshed")
	}
	info, err := w.provider.verify(t.Context(), tokens.AccessToken, testResource)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.broker().UpstreamToken(oauth.NewContext(t.Context(), info)); !errors.Is(err, ErrNoUpstreamToken) {
		t.Errorf("upstream token: %v", err)
	}
	rec := w.post("/revoke", url.Values{"token": {next.AccessToken}, "client_id": {clientID}})
	if rec.Code != http.StatusOK || len(w.provider.revoked) != 1 || w.provider.revoked[0] != next.AccessToken {
		t.Errorf("revocation: %d, %d at the provider", rec.Code, len(w.provider.revoked))
	}
}

// Verify forgets what it keeps about a token when the token ends, whatever kind of token it is and
// whether the provider can revoke it.
func TestRevokedTokensAreForgotten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Config)
		jwt    bool
		want   func(tokens oauth.TokenResponse, w *world) string
	}{
		"a JWT that was passed through":           {func(c *Config) { c.Tokens = proxy.Passthrough }, true, passed},
		"where the provider has no endpoint":      {func(c *Config) { c.Tokens, c.Upstream.Revocation = proxy.Passthrough, "" }, true, passed},
		"an opaque token that was passed through": {func(c *Config) { c.Tokens, c.InsecureOpaquePassthrough = proxy.Passthrough, true }, false, passed},
		"the provider's token in a sealed one": {func(*Config) {}, false, func(_ oauth.TokenResponse, w *world) string {
			return w.provider.revoked[0]
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var forgotten []string
			w := newWorld(t, 1, c.change, func(c *Config) {
				c.Forget = func(token string) { forgotten = append(forgotten, token) }
			})
			w.provider.jwt = c.jwt
			clientID := w.newClient(webRedirect)
			tokens := w.login(clientID)
			rec := w.post("/revoke", url.Values{"token": {tokens.AccessToken}, "client_id": {clientID}})
			if rec.Code != http.StatusOK {
				t.Fatalf("revocation: %d", rec.Code)
			}
			if len(forgotten) != 1 || forgotten[0] != c.want(tokens, w) {
				t.Errorf("%d tokens are forgotten", len(forgotten))
			}
		})
	}
}

func passed(tokens oauth.TokenResponse, _ *world) string { return tokens.AccessToken }

func TestPassthroughRefuses(t *testing.T) {
	t.Parallel()
	redeem := func(w *world) *httptest.ResponseRecorder {
		clientID := w.newClient(webRedirect)
		return w.post("/token", redeemForm(clientID, webRedirect, w.newBrowser().code(clientID, webRedirect)))
	}
	t.Run("opaque tokens", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(c *Config) { c.Tokens = proxy.Passthrough })
		wantError(t, redeem(w), http.StatusInternalServerError, oauth.CodeServerError)
		if !w.logged(oauth.ReasonOpaqueToken) {
			t.Error("the log does not say why")
		}
	})
	t.Run("opaque tokens unless the operator insists", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(c *Config) { c.Tokens, c.InsecureOpaquePassthrough = proxy.Passthrough, true })
		if rec := redeem(w); rec.Code != http.StatusOK || !strings.Contains(w.log.String(), "InsecureOpaquePassthrough") {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
	t.Run("A4: tokens with more scopes than the user consented to", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(c *Config) { c.Tokens = proxy.Passthrough })
		w.provider.jwt, w.provider.also = true, []string{"admin"}
		wantError(t, redeem(w), http.StatusInternalServerError, oauth.CodeServerError)
		if !strings.Contains(w.log.String(), "admin") {
			t.Error("the log does not name the scope")
		}
	})
	t.Run("tokens that the verifier refuses", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(c *Config) { c.Tokens = proxy.Passthrough })
		w.provider.jwt = true
		var refused error = oauth.InvalidToken(oauth.ReasonAudience, errors.New("for another API"))
		w.provider.verifyErr.Store(&refused)
		wantError(t, redeem(w), http.StatusBadRequest, oauth.CodeInvalidGrant)
	})
}

func TestVerifiersThatMisbehave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		code   oauth.Code
	}{
		"the provider cannot be asked": {oauth.Unavailable(9*time.Second, nil), 503, oauth.CodeTemporarilyUnavailable},
		"an error of its own":          {errors.New("bug"), 500, oauth.CodeServerError},
	} {
		w := newWorld(t, 1)
		w.provider.verifyErr.Store(&c.err)
		clientID := w.newClient(webRedirect)
		rec := w.post("/token", redeemForm(clientID, webRedirect, w.newBrowser().code(clientID, webRedirect)))
		if wantError(t, rec, c.status, c.code); t.Failed() {
			t.Log(name)
		}
	}
}
