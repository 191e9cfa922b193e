package devidp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

func TestCodeIsRefused(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient, confidentialClient)
	if err := idp.AddClient(devidp.Client{ID: "second", RedirectURIs: []string{testRedirect}}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change []string
		status int
		code   oauth.Code
	}{
		"with a wrong verifier":        {[]string{"code_verifier", strings.Repeat("x", 43)}, 400, oauth.CodeInvalidGrant},
		"without a verifier":           {[]string{"code_verifier", ""}, 400, oauth.CodeInvalidGrant},
		"with a short verifier":        {[]string{"code_verifier", testVerifier[:20]}, 400, oauth.CodeInvalidGrant},
		"with the challenge itself":    {[]string{"code_verifier", authorizeParameters().Get("code_challenge")}, 400, oauth.CodeInvalidGrant},
		"with another redirect URI":    {[]string{"redirect_uri", testRedirect + "/"}, 400, oauth.CodeInvalidGrant},
		"without its redirect URI":     {[]string{"redirect_uri", ""}, 400, oauth.CodeInvalidGrant},
		"of another client":            {[]string{"client_id", "second"}, 400, oauth.CodeInvalidGrant},
		"of an unknown client (AS-15)": {[]string{"client_id", "gone"}, 401, oauth.CodeInvalidClient},
		"without a client":             {[]string{"client_id", ""}, 401, oauth.CodeInvalidClient},
		"when it is missing":           {[]string{"code", ""}, 400, oauth.CodeInvalidRequest},
		"when it is made up":           {[]string{"code", "made-up"}, 400, oauth.CodeInvalidGrant},
		"for another resource (AS-12)": {[]string{"resource", "https://other.example.com/"}, 400, oauth.CodeInvalidTarget},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := codeForm(login(t, idp, authorizeParameters()).Get("code"))
			postForm(t, idp, "/token", with(form, test.change...)).wantError(t, test.status, test.code)
			if answer := postForm(t, idp, "/token", form); answer.status != http.StatusOK {
				t.Errorf("the failed try burnt the code: status %d", answer.status)
			}
		})
	}
	t.Run("with a verifier that fits and is too short", func(t *testing.T) { // RFC 7636 section 4.1
		t.Parallel()
		digest := sha256.Sum256([]byte("short"))
		challenge := base64.RawURLEncoding.EncodeToString(digest[:])
		code := login(t, idp, with(authorizeParameters(), "code_challenge", challenge)).Get("code")
		postForm(t, idp, "/token", with(codeForm(code), "code_verifier", "short")).wantError(t, 400, oauth.CodeInvalidGrant)
	})
	t.Run("after a minute", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		idp := devidp.Start(t, publicClient, withClock(clock.Now))
		code := login(t, idp, authorizeParameters()).Get("code")
		clock.advance(60 * time.Second)
		postForm(t, idp, "/token", codeForm(code)).wantError(t, 400, oauth.CodeInvalidGrant)
	})
}

func TestCodeThatIsReplayed(t *testing.T) {
	t.Parallel()
	t.Run("is refused, and the tokens of the first use end", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t, publicClient)
		form := codeForm(login(t, idp, authorizeParameters()).Get("code"))
		first := readTokens(t, postForm(t, idp, "/token", form))
		if answer := userInfo(t, idp, first.AccessToken); answer.status != http.StatusOK {
			t.Fatalf("userinfo before: status %d", answer.status)
		}
		postForm(t, idp, "/token", form).wantError(t, 400, oauth.CodeInvalidGrant)
		userInfo(t, idp, first.AccessToken).wantError(t, 401, oauth.CodeInvalidToken)
		postForm(t, idp, "/token", refreshForm(first.RefreshToken)).wantError(t, 400, oauth.CodeInvalidGrant)
	})
	t.Run("works once when several try at the same time", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t, publicClient)
		form := codeForm(login(t, idp, authorizeParameters()).Get("code"))
		var good atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if postForm(t, idp, "/token", form).status == http.StatusOK {
					good.Add(1)
				}
			})
		}
		all.Wait()
		if good.Load() != 1 {
			t.Errorf("the code worked %d times", good.Load())
		}
	})
}

func TestRefreshTokenIsRefused(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	if err := idp.AddClient(devidp.Client{ID: "second", RedirectURIs: []string{testRedirect}}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change []string
		code   oauth.Code
	}{
		"by another client":                {[]string{"client_id", "second"}, oauth.CodeInvalidGrant},
		"for more scopes than granted":     {[]string{"scope", "openid admin"}, oauth.CodeInvalidScope},
		"for another resource (AS-12)":     {[]string{"resource", "https://other.example.com/"}, oauth.CodeInvalidTarget},
		"when it is missing":               {[]string{"refresh_token", ""}, oauth.CodeInvalidRequest},
		"when it is really something else": {[]string{"refresh_token", "made-up"}, oauth.CodeInvalidGrant},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := refreshForm(tokens(t, idp, authorizeParameters()).RefreshToken)
			postForm(t, idp, "/token", with(form, test.change...)).wantError(t, 400, test.code)
			if answer := postForm(t, idp, "/token", form); answer.status != http.StatusOK {
				t.Errorf("the failed try burnt the token: status %d", answer.status)
			}
		})
	}
	t.Run("after its lifetime", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		idp := devidp.Start(t, publicClient, withClock(clock.Now), func(c *devidp.Config) { c.RefreshTokenLifetime = time.Minute })
		response := tokens(t, idp, authorizeParameters())
		clock.advance(time.Minute)
		postForm(t, idp, "/token", refreshForm(response.RefreshToken)).wantError(t, 400, oauth.CodeInvalidGrant)
	})
	t.Run("as an access token, and an access token as a refresh token", func(t *testing.T) {
		t.Parallel()
		response := tokens(t, idp, authorizeParameters())
		userInfo(t, idp, response.RefreshToken).wantError(t, 401, oauth.CodeInvalidToken)
		postForm(t, idp, "/token", refreshForm(response.AccessToken)).wantError(t, 400, oauth.CodeInvalidGrant)
	})
}

func TestRefreshNarrowsOneTokenOnly(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	first := tokens(t, idp, authorizeParameters())
	second := readTokens(t, postForm(t, idp, "/token", with(refreshForm(first.RefreshToken), "scope", "email", "resource", testResource)))
	if _, claims := verified(t, idp, second.AccessToken); claims.String("scope") != "email" || claims.Has("name") || second.IDToken != "" {
		t.Errorf("narrowed token has scope %q", claims.String("scope"))
	}
	third := readTokens(t, postForm(t, idp, "/token", refreshForm(second.RefreshToken)))
	if third.Scope != "openid profile email" {
		t.Errorf("the grant shrank to %q", third.Scope)
	}
}

func TestClientGetsARefreshTokenOnlyWhenRegisteredForIt(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, func(c *devidp.Config) {
		c.Clients = []devidp.Client{{
			ID: "public", RedirectURIs: []string{testRedirect}, GrantTypes: []string{"authorization_code"},
		}}
	})
	if response := tokens(t, idp, authorizeParameters()); response.RefreshToken != "" {
		t.Error("got a refresh token")
	}
	postForm(t, idp, "/token", refreshForm("x")).wantError(t, 400, oauth.CodeUnauthorizedClient)
}

func TestTokenEndpointRefusesOtherRequests(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	for _, grant := range []string{
		"password", "urn:ietf:params:oauth:grant-type:token-exchange", "implicit",
	} {
		t.Run("grant "+grant, func(t *testing.T) {
			t.Parallel()
			form := url.Values{"grant_type": {grant}, "client_id": {"public"}}
			postForm(t, idp, "/token", form).wantError(t, 400, oauth.CodeUnsupportedGrantType)
		})
	}
	t.Run("no grant", func(t *testing.T) {
		t.Parallel()
		postForm(t, idp, "/token", url.Values{"client_id": {"public"}}).wantError(t, 400, oauth.CodeInvalidRequest)
	})
	t.Run("parameters in the query", func(t *testing.T) {
		t.Parallel()
		form := codeForm(login(t, idp, authorizeParameters()).Get("code"))
		postForm(t, idp, "/token?"+form.Encode(), nil).wantError(t, 400, oauth.CodeInvalidRequest)
	})
	t.Run("a parameter twice", func(t *testing.T) {
		t.Parallel()
		form := codeForm("x")
		form.Add("code", "y")
		postForm(t, idp, "/token", form).wantError(t, 400, oauth.CodeInvalidRequest)
	})
	t.Run("JSON", func(t *testing.T) {
		t.Parallel()
		postJSON(t, idp, "/token", map[string]string{"grant_type": "refresh_token"}).wantError(t, 400, oauth.CodeInvalidRequest)
	})
	t.Run("a huge body", func(t *testing.T) {
		t.Parallel()
		postForm(t, idp, "/token", url.Values{"x": {strings.Repeat("x", 100_000)}}).wantError(t, 400, oauth.CodeInvalidRequest)
	})
	t.Run("GET", func(t *testing.T) {
		t.Parallel()
		answer := get(t, idp, idp.URL("/token"))
		answer.wantError(t, 405, oauth.CodeInvalidRequest)
		if answer.header.Get("Allow") != "POST, OPTIONS" {
			t.Errorf("Allow is %q", answer.header.Get("Allow"))
		}
	})
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient, confidentialClient, func(c *devidp.Config) {
		c.Clients = append(c.Clients,
			devidp.Client{ID: "basic only", Secret: "test secret+%", AuthMethod: "client_secret_basic", RedirectURIs: []string{testRedirect}},
			devidp.Client{ID: "post-only", Secret: "test-secret-post", AuthMethod: "client_secret_post", RedirectURIs: []string{testRedirect}})
	})
	type credentials struct{ user, password, id, secret string }
	for name, test := range map[string]struct {
		client string
		with   credentials
		status int
	}{
		"basic":                             {"confidential", credentials{user: "confidential", password: "test-secret-of-confidential"}, 200},
		"post":                              {"confidential", credentials{id: "confidential", secret: "test-secret-of-confidential"}, 200},
		"basic with encoded characters":     {"basic only", credentials{user: "basic+only", password: "test+secret%2B%25"}, 200},
		"basic with the client_id beside":   {"confidential", credentials{user: "confidential", password: "test-secret-of-confidential", id: "confidential"}, 200},
		"wrong secret in the header":        {"confidential", credentials{user: "confidential", password: "wrong"}, 401},
		"wrong secret in the body":          {"confidential", credentials{id: "confidential", secret: "wrong"}, 401},
		"no secret":                         {"confidential", credentials{id: "confidential"}, 401},
		"empty secret in the header":        {"confidential", credentials{user: "confidential"}, 401},
		"post where basic is registered":    {"basic only", credentials{id: "basic only", secret: "test secret+%"}, 401},
		"basic where post is registered":    {"post-only", credentials{user: "post-only", password: "test-secret-post"}, 401},
		"a secret for a public client":      {"public", credentials{id: "public", secret: "x"}, 401},
		"both at once":                      {"confidential", credentials{user: "confidential", password: "test-secret-of-confidential", secret: "x"}, 400},
		"two different clients":             {"confidential", credentials{user: "confidential", password: "test-secret-of-confidential", id: "public"}, 400},
		"an unknown client in the header":   {"confidential", credentials{user: "nobody", password: "x"}, 401},
		"encoding that cannot be decoded":   {"confidential", credentials{user: "confidential%zz", password: "x"}, 400},
		"a public client without a secret":  {"public", credentials{id: "public"}, 200},
		"a public client by an empty basic": {"public", credentials{user: "public"}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := login(t, idp, with(authorizeParameters(), "client_id", test.client)).Get("code")
			form := with(codeForm(code), "client_id", test.with.id, "client_secret", test.with.secret)
			request := newRequest(t, http.MethodPost, idp.URL("/token"), formType, form.Encode())
			if test.with.user != "" {
				request.SetBasicAuth(test.with.user, test.with.password)
			}
			answer := do(t, idp.Client(), request)
			if answer.status != test.status {
				t.Errorf("status is %d, want %d", answer.status, test.status)
			}
			challenged := strings.HasPrefix(answer.header.Get("WWW-Authenticate"), "Basic ")
			if want := test.status == 401 && test.with.user != ""; challenged != want { // RFC 6749 section 5.2
				t.Errorf("challenged by Basic: %v, want %v", challenged, want)
			}
		})
	}
}
