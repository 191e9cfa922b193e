package devidp_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

// The whole way of an MCP client: discover, register, authorize, redeem, call, refresh.
func TestClientThatRegistersItselfGetsTokens(t *testing.T) {
	t.Parallel()
	clock := newClock()
	for _, algorithm := range []devidp.Algorithm{devidp.ES256, devidp.RS256, devidp.EdDSA} {
		t.Run("signed with "+string(algorithm), func(t *testing.T) {
			t.Parallel()
			idp := devidp.Start(t, withClock(clock.Now), func(c *devidp.Config) { c.Algorithm = algorithm })
			registration := postJSON(t, idp, "/register", map[string]any{ // AS-5
				"client_name": "Inspector", "redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none",
				"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
			})
			if registration.status != http.StatusCreated {
				t.Fatalf("registration: status %d", registration.status)
			}
			id, _ := registration.json(t)["client_id"].(string)

			parameters := with(authorizeParameters(), "client_id", id, "nonce", "nonce-1", "scope", "openid profile email tools:read")
			response := login(t, idp, parameters)
			if got := response.Get("state"); got != "state-1" {
				t.Errorf("state is %q", got)
			}
			if got := response.Get("iss"); got != idp.Issuer() { // AS-3
				t.Errorf("iss is %q, want %q", got, idp.Issuer())
			}
			answer := postForm(t, idp, "/token", with(codeForm(response.Get("code")), "client_id", id, "resource", testResource))
			if answer.header.Get("Cache-Control") != "no-store" || answer.header.Get("Content-Type") != "application/json" { // AS-13
				t.Errorf("token response headers: %v", answer.header)
			}
			first := readTokens(t, answer)
			if first.TokenType != "Bearer" || first.ExpiresIn != 3600 || first.Scope != "openid profile email tools:read" {
				t.Errorf("token response: type %q, expires_in %d, scope %q", first.TokenType, first.ExpiresIn, first.Scope)
			}
			checkAccessToken(t, idp, first.AccessToken, id, clock.Now())
			checkIDToken(t, idp, first, id, algorithm)

			second := readTokens(t, postForm(t, idp, "/token", with(refreshForm(first.RefreshToken), "client_id", id)))
			if second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken || second.RefreshToken == "" { // AS-11
				t.Error("refreshing did not rotate the tokens")
			}
			checkAccessToken(t, idp, second.AccessToken, id, clock.Now())
		})
	}
}

// RFC 9068 section 2.2.
func checkAccessToken(t *testing.T, idp *devidp.TestServer, token, clientID string, now time.Time) {
	t.Helper()
	kind, claims := verified(t, idp, token)
	if kind != "at+jwt" {
		t.Errorf("access token has typ %q", kind)
	}
	for name, want := range map[string]string{
		"iss": idp.Issuer(), "sub": "user-alice", "aud": testResource, "client_id": clientID,
		"scope": "openid profile email tools:read", "email": "alice@example.com", "name": "Alice Archer",
		"preferred_username": "alice",
	} {
		if got := claims.String(name); got != want {
			t.Errorf("claim %s is %q, want %q", name, got, want)
		}
	}
	issued, _ := claims.Time("iat")
	expires, _ := claims.Time("exp")
	if !issued.Equal(now) || !expires.Equal(now.Add(time.Hour)) {
		t.Errorf("iat %v, exp %v at %v", issued, expires, now)
	}
	if roles := claims.Strings("roles"); !slices.Equal(roles, []string{"admin", "user"}) {
		t.Errorf("roles are %v", roles)
	}
	if len(claims.String("jti")) < 22 {
		t.Error("jti is missing or short")
	}
}

func checkIDToken(t *testing.T, idp *devidp.TestServer, response oauth.TokenResponse, clientID string, algorithm devidp.Algorithm) {
	t.Helper()
	kind, claims := verified(t, idp, response.IDToken)
	digest := sha256.Sum256([]byte(response.AccessToken))
	half := digest[:16]
	if algorithm == devidp.EdDSA {
		long := sha512.Sum512([]byte(response.AccessToken))
		half = long[:32]
	}
	for name, want := range map[string]string{
		"iss": idp.Issuer(), "sub": "user-alice", "aud": clientID, "nonce": "nonce-1",
		"at_hash": base64.RawURLEncoding.EncodeToString(half),
	} {
		if got := claims.String(name); got != want {
			t.Errorf("ID token claim %s is %q, want %q", name, got, want)
		}
	}
	if kind != "JWT" {
		t.Errorf("ID token has typ %q", kind)
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)

	t.Run("works without scope and resource", func(t *testing.T) { // AS-14
		t.Parallel()
		response := tokens(t, idp, with(authorizeParameters(), "scope", "", "resource", ""))
		_, claims := verified(t, idp, response.AccessToken)
		if claims.String("aud") != idp.Issuer() || claims.String("scope") != "profile email" {
			t.Errorf("aud %q, scope %q", claims.String("aud"), claims.String("scope"))
		}
		if response.IDToken != "" {
			t.Error("an ID token without the scope openid")
		}
	})
	t.Run("names several resources as an array", func(t *testing.T) {
		t.Parallel()
		parameters := authorizeParameters()
		parameters.Add("resource", "https://other.example.com/mcp")
		_, claims := verified(t, idp, tokens(t, idp, parameters).AccessToken)
		if got := claims.Strings("aud"); !slices.Equal(got, []string{testResource, "https://other.example.com/mcp"}) {
			t.Errorf("aud is %v", got)
		}
	})
	t.Run("one resource of several can be chosen at the token endpoint", func(t *testing.T) {
		t.Parallel()
		parameters := authorizeParameters()
		parameters.Add("resource", "https://other.example.com/mcp")
		form := with(codeForm(login(t, idp, parameters).Get("code")), "resource", "https://other.example.com/mcp")
		_, claims := verified(t, idp, readTokens(t, postForm(t, idp, "/token", form)).AccessToken)
		if got := claims.String("aud"); got != "https://other.example.com/mcp" {
			t.Errorf("aud is %q", got)
		}
	})
	t.Run("takes its parameters by POST too", func(t *testing.T) {
		t.Parallel()
		request := newRequest(t, http.MethodPost, idp.URL("/authorize"), formType, authorizeParameters().Encode())
		answer := do(t, unfollowing(idp.Client()), request)
		if answer.status != http.StatusSeeOther || !strings.HasPrefix(answer.header.Get("Location"), "/login?") {
			t.Errorf("status %d, location %q", answer.status, answer.header.Get("Location"))
		}
	})
	t.Run("a user who denies sends access_denied with state and iss", func(t *testing.T) {
		t.Parallel()
		redirect, err := devidp.Deny(context.Background(), idp.Client(), authorizeURL(idp, authorizeParameters()), "bob")
		if err != nil {
			t.Fatal(err)
		}
		q := redirect.Query()
		if q.Get("error") != "access_denied" || q.Get("state") != "state-1" || q.Get("iss") != idp.Issuer() || q.Has("code") {
			t.Errorf("redirect has %v", q)
		}
	})
	t.Run("keeps the query of a redirect URI", func(t *testing.T) {
		t.Parallel()
		const redirect = testRedirect + "?tenant=1"
		if err := idp.AddClient(devidp.Client{ID: "with-query", RedirectURIs: []string{redirect}}); err != nil {
			t.Fatal(err)
		}
		q := login(t, idp, with(authorizeParameters(), "client_id", "with-query", "redirect_uri", redirect))
		if q.Get("tenant") != "1" || q.Get("code") == "" {
			t.Errorf("redirect has %v", q)
		}
	})
	t.Run("an unknown user is an error of the login, with the server's words", func(t *testing.T) {
		t.Parallel()
		_, err := devidp.Login(context.Background(), nil, authorizeURL(idp, authorizeParameters()), "mallory")
		if err == nil || !strings.Contains(err.Error(), "There is no such user") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("every user can log in", func(t *testing.T) {
		t.Parallel()
		for _, user := range devidp.DefaultUsers() {
			redirect, err := devidp.Login(context.Background(), nil, authorizeURL(idp, authorizeParameters()), user.Username)
			if err != nil {
				t.Fatal(err)
			}
			response := readTokens(t, postForm(t, idp, "/token", codeForm(redirect.Query().Get("code"))))
			if _, claims := verified(t, idp, response.AccessToken); claims.String("sub") != "user-"+user.Username {
				t.Errorf("sub of %s is %q", user.Username, claims.String("sub"))
			}
		}
	})
}

func TestIssuerWithAPath(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"with a path": "/realms/dev", "with a trailing slash": "/", "with both": "/t/"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := devidp.Start(t, publicClient, func(c *devidp.Config) { c.Issuer += suffix })
			if !strings.HasSuffix(idp.Issuer(), suffix) {
				t.Fatalf("issuer is %q", idp.Issuer())
			}
			response := tokens(t, idp, authorizeParameters())
			if _, claims := verified(t, idp, response.AccessToken); claims.String("iss") != idp.Issuer() {
				t.Errorf("iss is %q, want %q", claims.String("iss"), idp.Issuer())
			}
		})
	}
}
