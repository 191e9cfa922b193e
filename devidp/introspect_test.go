package devidp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

func introspect(t *testing.T, idp *devidp.TestServer, token string) map[string]any {
	t.Helper()
	form := with(nil, "token", token, "client_id", "confidential", "client_secret", "test-secret-of-confidential")
	answer := postForm(t, idp, "/introspect", form)
	if answer.status != http.StatusOK || answer.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, headers %v", answer.status, answer.header)
	}
	return answer.json(t)
}

func TestAccessTokenFormats(t *testing.T) {
	t.Parallel()
	for format, isJWT := range map[devidp.Format]struct{ with, without bool }{
		devidp.JWT: {true, true}, devidp.Opaque: {false, false}, devidp.OpaqueWithoutResource: {true, false},
	} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			idp := devidp.Start(t, publicClient, confidentialClient, func(c *devidp.Config) { c.AccessTokens = format })
			for resource, want := range map[string]bool{testResource: isJWT.with, "": isJWT.without} {
				response := tokens(t, idp, with(authorizeParameters(), "resource", resource))
				if got := strings.Count(response.AccessToken, ".") == 2; got != want {
					t.Errorf("with resource %q: a JWT is %v", resource, got)
				}
				if answer := userInfo(t, idp, response.AccessToken); answer.status != http.StatusOK {
					t.Errorf("with resource %q: userinfo is %d", resource, answer.status)
				}
				if got := introspect(t, idp, response.AccessToken); got["active"] != true {
					t.Errorf("with resource %q: not active", resource)
				}
			}
		})
	}
	t.Run("of tokens without login", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t, confidentialClient, func(c *devidp.Config) { c.AccessTokens = devidp.Opaque })
		token := idp.Token(devidp.TokenRequest{User: "bob", Audience: []string{testResource}, Scope: "tools:read"})
		if got := introspect(t, idp, token); strings.Contains(token, ".") || got["active"] != true || got["aud"] != testResource {
			t.Errorf("introspection: %v", got)
		}
	})
}

func TestIntrospection(t *testing.T) { // RFC 7662
	t.Parallel()
	clock := newClock()
	idp := devidp.Start(t, publicClient, confidentialClient, withClock(clock.Now), func(c *devidp.Config) {
		c.AccessTokens = devidp.Opaque
	})
	t.Run("tells what the token says", func(t *testing.T) {
		t.Parallel()
		got := introspect(t, idp, tokens(t, idp, authorizeParameters()).AccessToken)
		for name, want := range map[string]any{
			"active": true, "scope": "openid profile email", "client_id": "public", "username": "alice", "token_type": "Bearer",
			"sub": "user-alice", "aud": testResource, "iss": idp.Issuer(), "email": "alice@example.com",
			"exp": float64(clock.Now().Add(time.Hour).Unix()), "iat": float64(clock.Now().Unix()),
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
	})
	response := tokens(t, idp, authorizeParameters())
	for name, token := range map[string]string{
		"a refresh token": response.RefreshToken, "an ID token": response.IDToken, "made up": "made-up",
		"expired": idp.Token(devidp.TokenRequest{User: "alice", ExpiresIn: -time.Second}),
	} {
		t.Run("says only that a token is not active when it is "+name, func(t *testing.T) {
			t.Parallel()
			if got := introspect(t, idp, token); got["active"] != false || len(got) != 1 {
				t.Errorf("introspection: %v", got)
			}
		})
	}
	t.Run("says that a revoked token is not active", func(t *testing.T) {
		t.Parallel()
		token := tokens(t, idp, authorizeParameters()).AccessToken
		postForm(t, idp, "/revoke", with(nil, "token", token, "client_id", "public"))
		if got := introspect(t, idp, token); got["active"] != false {
			t.Errorf("introspection: %v", got)
		}
	})
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		for name, test := range map[string]struct {
			fields []string
			status int
			code   oauth.Code
		}{
			"a public client":   {[]string{"client_id", "public"}, 401, oauth.CodeInvalidClient},
			"an unknown client": {[]string{"client_id", "nobody"}, 401, oauth.CodeInvalidClient},
			"a wrong secret":    {[]string{"client_id", "confidential", "client_secret", "wrong"}, 401, oauth.CodeInvalidClient},
			"nobody":            {nil, 401, oauth.CodeInvalidClient},
			"a request without a token": {
				[]string{"client_id", "confidential", "client_secret", "test-secret-of-confidential", "token", ""},
				400, oauth.CodeInvalidRequest,
			},
		} {
			form := with(with(nil, "token", response.AccessToken), test.fields...)
			t.Log(name)
			postForm(t, idp, "/introspect", form).wantError(t, test.status, test.code)
		}
	})
	t.Run("tells a client that registered itself about its own tokens only", func(t *testing.T) {
		t.Parallel()
		registered := postJSON(t, idp, "/register", map[string]any{
			"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "client_secret_post",
		}).json(t)
		id, _ := registered["client_id"].(string)
		secret, _ := registered["client_secret"].(string)
		form := with(nil, "client_id", id, "client_secret", secret)
		if got := postForm(t, idp, "/introspect", with(form, "token", response.AccessToken)).json(t); got["active"] != false {
			t.Errorf("another's token: %v", got)
		}
		own := idp.Token(devidp.TokenRequest{User: "alice", ClientID: id})
		if got := postForm(t, idp, "/introspect", with(form, "token", own)).json(t); got["active"] != true {
			t.Errorf("its own token: %v", got)
		}
	})
}
