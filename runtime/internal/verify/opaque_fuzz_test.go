package verify_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// checkVerdict holds whatever a provider may answer to what must be true of every verdict.
func checkVerdict(t *testing.T, info *oauth.AuthInfo, err error, body string) {
	t.Helper()
	if err != nil {
		var e *oauth.Error
		if info != nil || !errors.As(err, &e) || e.Status != http.StatusUnauthorized && e.Status != http.StatusServiceUnavailable {
			t.Fatalf("%v, %v", info, err)
		}
		if strings.Contains(err.Error(), opaqueToken) && !strings.Contains(body, opaqueToken) {
			t.Fatalf("the error holds the token: %v", err)
		}
		return
	}
	if !json.Valid([]byte(body)) {
		t.Fatalf("an answer was accepted that is no JSON: %q", body)
	}
	if info.Subject == "" || info.User.ID == "" || info.Issuer != opaqueIssuer || info.ClientID == "" {
		t.Fatalf("a caller without identity: %+v", info)
	}
	if !info.ExpiresAt.IsZero() && !info.ExpiresAt.Add(verifyLeeway).After(opaqueNow) {
		t.Fatalf("a token was accepted that ended at %s", info.ExpiresAt)
	}
}

const verifyLeeway = 30e9

func FuzzIntrospectionAnswer(f *testing.F) {
	good := active(f, nil)
	for _, seed := range []string{
		good, active(f, map[string]any{"active": false}), active(f, map[string]any{"active": "true"}), `{"active":true,"active":false}`,
		`{"error":"invalid_token"}`, `[]`, ``, `{"active":true,"client_id":["our-client"],"sub":{},"exp":1e99}`, "{\"active\":true,\"sub\":\"\xff\"}",
	} {
		f.Add(200, "application/json", seed)
		f.Add(400, "application/json", seed)
	}
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		if status < 100 || status > 599 {
			return
		}
		p := says(status, body, "Content-Type", contentType)
		o := introspection(t, p, byAudience)
		info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
		if err == nil && info.ClientID == "" {
			info.ClientID = "-" // bound by audience
		}
		checkVerdict(t, info, err, body)
		if err == nil && (status != http.StatusOK || !strings.Contains(body, `active`)) {
			t.Fatalf("status %d with %q was accepted", status, body)
		}
	})
}

func FuzzTokenInfoAnswer(f *testing.F) {
	for _, seed := range []string{
		google(f, nil), google(f, map[string]any{"aud": "other"}), google(f, map[string]any{"exp": "1e5"}), github(f, nil),
		`{"aud":"our-client","sub":"a","expires_in":"60"}`, `{"aud":["x","our-client"],"sub":7,"expires_in":60.5}`,
	} {
		f.Add(200, seed)
		f.Add(404, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 100 || status > 599 {
			return
		}
		o := googleShaped(t, says(status, body))
		info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
		checkVerdict(t, info, err, body)
		info, err = githubShaped(t, says(status, body)).Verify(t.Context(), presented(opaqueToken, opaqueResource))
		checkVerdict(t, info, err, body)
		if err == nil {
			text, marshalErr := info.Claims.MarshalJSON()
			if marshalErr != nil || strings.Contains(string(text), opaqueToken) || info.Claims.Has("token") {
				t.Fatalf("the claims hold the token: %s, %v", text, marshalErr)
			}
		}
	})
}

func FuzzProfileAnswer(f *testing.F) {
	f.Add(`{"sub":"alice","name":"Alice"}`, `[{"email":"a@example.com","primary":true,"verified":true}]`)
	f.Add(`{"sub":"bob"}`, `[`)
	f.Add(`{"sub":"alice","email":null,"scope":"admin"}`, `[null,1,{}]`)
	f.Add(`{"sub":"alice","client_id":"x","exp":1}`, `{}`)
	f.Fuzz(func(t *testing.T, user, emails string) {
		p := profiles(t, reply(200, user), reply(200, emails))
		o := withProfile(t, p, func(c *verify.ProfileConfig) { c.EmailsURL = emailsURL })
		info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
		checkVerdict(t, info, err, user)
		if err == nil && (info.Subject != "alice" || info.ClientID != opaqueClient || strings.Join(info.Scopes, " ") != "openid notes:read") {
			t.Fatalf("the profile changed the caller: %+v", info)
		}
	})
}
