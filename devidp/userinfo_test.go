package devidp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

func TestUserInfo(t *testing.T) {
	t.Parallel()
	clock := newClock()
	idp := devidp.Start(t, publicClient, withClock(clock.Now))
	t.Run("gives what the scopes allow", func(t *testing.T) {
		t.Parallel()
		got := userInfo(t, idp, idp.Token(devidp.TokenRequest{User: "alice", Scope: "openid email"})).json(t)
		if got["sub"] != "user-alice" || got["email"] != "alice@example.com" || got["email_verified"] != true || got["name"] != nil {
			t.Errorf("claims %v", got)
		}
	})
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		expired := devidp.Start(t, withClock(clock.Now))
		for name, test := range map[string]struct {
			header    []string
			status    int
			challenge oauth.Challenge
		}{
			"no token":        {nil, 401, oauth.Challenge{Scheme: "Bearer", Realm: "devidp"}},
			"another scheme":  {[]string{"Basic eDp5"}, 401, oauth.Challenge{Scheme: "Bearer", Realm: "devidp"}},
			"an unknown one":  {[]string{"Bearer made-up"}, 401, oauth.Challenge{Scheme: "Bearer", Realm: "devidp", Error: "invalid_token", ErrorDescription: "Invalid token"}},
			"of another idp":  {[]string{"Bearer " + expired.Token(devidp.TokenRequest{User: "alice", Scope: "openid"})}, 401, oauth.Challenge{Scheme: "Bearer", Realm: "devidp", Error: "invalid_token", ErrorDescription: "Invalid token"}},
			"two headers":     {[]string{"Bearer a", "Bearer b"}, 400, oauth.Challenge{Scheme: "Bearer", Realm: "devidp", Error: "invalid_request", ErrorDescription: "There is more than one Authorization header"}},
			"no scope openid": {[]string{"Bearer " + idp.Token(devidp.TokenRequest{User: "alice", Scope: "email"})}, 403, oauth.Challenge{Scheme: "Bearer", Realm: "devidp", Error: "insufficient_scope", ErrorDescription: "Missing required scope(s): openid", Scope: "openid"}},
		} {
			request := newRequest(t, http.MethodGet, idp.URL("/userinfo"), "", "")
			request.Header["Authorization"] = test.header
			answer := do(t, idp.Client(), request)
			challenges := oauth.ParseChallenges(answer.header.Values("WWW-Authenticate"))
			if answer.status != test.status || len(challenges) != 1 || challenges[0] != test.challenge {
				t.Errorf("%s: status %d, challenges %v", name, answer.status, challenges)
			}
		}
	})
	t.Run("refuses an expired token", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		idp := devidp.Start(t, withClock(clock.Now))
		token := idp.Token(devidp.TokenRequest{User: "alice", Scope: "openid", ExpiresIn: time.Minute})
		clock.advance(time.Minute)
		userInfo(t, idp, token).wantError(t, 401, oauth.CodeInvalidToken)
	})
	t.Run("refuses an ID token", func(t *testing.T) {
		t.Parallel()
		userInfo(t, idp, tokens(t, idp, authorizeParameters()).IDToken).wantError(t, 401, oauth.CodeInvalidToken)
	})
	t.Run("refuses a token with one letter changed", func(t *testing.T) {
		t.Parallel()
		token := idp.Token(devidp.TokenRequest{User: "alice", Scope: "openid"})
		head, signature := token[:len(token)-10], token[len(token)-10:]
		userInfo(t, idp, head+strings.Map(func(c rune) rune { return c ^ 1 }, signature[:1])+signature[1:]).
			wantError(t, 401, oauth.CodeInvalidToken)
	})
}

func TestRevocation(t *testing.T) { // RFC 7009
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	if err := idp.AddClient(devidp.Client{ID: "second", RedirectURIs: []string{testRedirect}}); err != nil {
		t.Fatal(err)
	}
	revoke := func(t *testing.T, token, client string) result {
		t.Helper()
		return postForm(t, idp, "/revoke", with(nil, "token", token, "client_id", client))
	}
	t.Run("of an access token ends it alone", func(t *testing.T) {
		t.Parallel()
		response := tokens(t, idp, authorizeParameters())
		if answer := revoke(t, response.AccessToken, "public"); answer.status != http.StatusOK {
			t.Fatalf("status %d", answer.status)
		}
		userInfo(t, idp, response.AccessToken).wantError(t, 401, oauth.CodeInvalidToken)
		readTokens(t, postForm(t, idp, "/token", refreshForm(response.RefreshToken)))
	})
	t.Run("of a refresh token ends everything of its grant", func(t *testing.T) {
		t.Parallel()
		response := tokens(t, idp, authorizeParameters())
		if answer := revoke(t, response.RefreshToken, "public"); answer.status != http.StatusOK {
			t.Fatalf("status %d", answer.status)
		}
		userInfo(t, idp, response.AccessToken).wantError(t, 401, oauth.CodeInvalidToken)
		postForm(t, idp, "/token", refreshForm(response.RefreshToken)).wantError(t, 400, oauth.CodeInvalidGrant)
	})
	t.Run("by another client does nothing", func(t *testing.T) {
		t.Parallel()
		response := tokens(t, idp, authorizeParameters())
		revoke(t, response.AccessToken, "second").wantError(t, 400, oauth.CodeInvalidGrant)
		revoke(t, response.RefreshToken, "second").wantError(t, 400, oauth.CodeInvalidGrant)
		if answer := userInfo(t, idp, response.AccessToken); answer.status != http.StatusOK {
			t.Errorf("status %d", answer.status)
		}
	})
	t.Run("of an unknown token is fine", func(t *testing.T) {
		t.Parallel()
		if answer := revoke(t, "made-up", "public"); answer.status != http.StatusOK {
			t.Errorf("status %d", answer.status)
		}
	})
	t.Run("needs a client", func(t *testing.T) {
		t.Parallel()
		revoke(t, "made-up", "nobody").wantError(t, 401, oauth.CodeInvalidClient)
	})
}
