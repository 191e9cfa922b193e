package devidp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

func TestTokenWithoutLogin(t *testing.T) {
	t.Parallel()
	clock := newClock()
	idp := devidp.Start(t, withClock(clock.Now), func(c *devidp.Config) {
		c.Users = append(devidp.DefaultUsers(), devidp.User{
			Username: "eve", ID: "eve-id", Claims: map[string]any{"tenant": "t1", "sub": "somebody-else", "iss": "https://other.example"},
		})
	})
	t.Run("has the claims that were asked for", func(t *testing.T) {
		t.Parallel()
		kind, claims := verified(t, idp, idp.Token(devidp.TokenRequest{
			User: "bob", Audience: []string{testResource}, Scope: "profile tools:read", ClientID: "cli", ExpiresIn: time.Minute,
		}))
		expires, _ := claims.Time("exp")
		if kind != "at+jwt" || claims.String("sub") != "user-bob" || claims.String("aud") != testResource ||
			claims.String("scope") != "profile tools:read" || claims.String("client_id") != "cli" ||
			!expires.Equal(clock.Now().Add(time.Minute)) || claims.Has("email") {
			t.Errorf("typ %q, claims %v", kind, claims)
		}
	})
	t.Run("has defaults", func(t *testing.T) {
		t.Parallel()
		_, claims := verified(t, idp, idp.Token(devidp.TokenRequest{User: "dave"}))
		if claims.String("aud") != idp.Issuer() || claims.Has("scope") || claims.Has("roles") || claims.String("client_id") == "" {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("can have claims and header replaced and left out", func(t *testing.T) {
		t.Parallel()
		token := idp.Token(devidp.TokenRequest{
			User: "alice", Claims: map[string]any{"aud": []string{"a", "b"}, "jti": nil, "extra": 1},
			Header: map[string]any{"typ": "JWT", "kid": nil},
		})
		var parsed jose.JWS
		if err := parsed.Parse(token); err != nil {
			t.Fatal(err)
		}
		if parsed.Type != "JWT" || parsed.KeyID != "" || !strings.Contains(parsed.Payload, `"aud":["a","b"]`) ||
			strings.Contains(parsed.Payload, "jti") || !strings.Contains(parsed.Payload, `"extra":1`) {
			t.Errorf("typ %q, kid %q, payload %s", parsed.Type, parsed.KeyID, parsed.Payload)
		}
	})
	t.Run("can have expired", func(t *testing.T) {
		t.Parallel()
		token := idp.Token(devidp.TokenRequest{User: "alice", Scope: "openid", ExpiresIn: -time.Minute})
		_, claims := verified(t, idp, token)
		if expires, _ := claims.Time("exp"); !expires.Equal(clock.Now().Add(-time.Minute)) {
			t.Errorf("exp is %v", expires)
		}
		userInfo(t, idp, token).wantError(t, 401, "invalid_token")
	})
	t.Run("has a user's own claims, which replace none of the server's", func(t *testing.T) {
		t.Parallel()
		_, claims := verified(t, idp, idp.Token(devidp.TokenRequest{User: "eve"}))
		if claims.String("tenant") != "t1" || claims.String("sub") != "eve-id" || claims.String("iss") != idp.Issuer() {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("needs a known user", func(t *testing.T) {
		t.Parallel()
		if _, err := idp.Mint(devidp.TokenRequest{User: "mallory"}); err == nil {
			t.Error("a token for nobody")
		}
	})
}

// recorder is a test that only notes what happens to it.
type recorder struct {
	failed   []string
	logged   []string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Logf(format string, args ...any) {
	r.logged = append(r.logged, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

func TestStart(t *testing.T) {
	t.Parallel()
	t.Run("warns, logs refusals and ends with its test", func(t *testing.T) {
		t.Parallel()
		var r recorder
		idp := devidp.Start(&r)
		postForm(t, idp, "/token", codeForm("x"))
		for _, cleanup := range slices.Backward(r.cleanups) {
			cleanup()
		}
		log := strings.Join(r.logged, "\n")
		if !strings.Contains(log, "development and tests only") || !strings.Contains(log, "client_unknown") {
			t.Errorf("log: %s", log)
		}
		if _, err := idp.Client().Get(idp.URL("/jwks")); err == nil {
			t.Error("it still serves")
		}
	})
	t.Run("fails the test when a token is for nobody", func(t *testing.T) {
		t.Parallel()
		var r recorder
		idp := devidp.Start(&r)
		_ = idp.Token(devidp.TokenRequest{User: "mallory"})
		if len(r.failed) != 1 || !strings.Contains(r.failed[0], "mallory") {
			t.Errorf("failures: %v", r.failed)
		}
		for _, cleanup := range slices.Backward(r.cleanups) {
			cleanup()
		}
	})
}

// Tokens, codes and secrets stay out of the log.
// covers: T-OPS-03
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	var r recorder
	idp := devidp.Start(&r, publicClient, confidentialClient)
	code := login(t, idp, authorizeParameters()).Get("code")
	first := readTokens(t, postForm(t, idp, "/token", codeForm(code)))
	postForm(t, idp, "/token", codeForm(code))
	postForm(t, idp, "/token", refreshForm(first.RefreshToken))
	userInfo(t, idp, first.AccessToken)
	form := with(codeForm(code), "client_id", "confidential", "client_secret", "test-wrong-secret")
	postForm(t, idp, "/token", form)
	postForm(t, idp, "/token", with(form, "grant_type", "test-wrong-secret"))
	get(t, idp, authorizeURL(idp, with(authorizeParameters(), "client_id", "nobody")))
	for _, cleanup := range slices.Backward(r.cleanups) {
		cleanup()
	}
	log := strings.Join(r.logged, "\n")
	if strings.Count(log, "request refused") < 5 {
		t.Fatalf("log: %s", log)
	}
	for name, secret := range map[string]string{
		"code": code, "access token": first.AccessToken, "refresh token": first.RefreshToken, "client secret": "test-wrong-secret",
		"verifier": testVerifier, "state": "state-1",
	} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has the %s", name)
		}
	}
}
