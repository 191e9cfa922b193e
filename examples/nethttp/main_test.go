package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/devidp/devidptest"
)

func TestExampleProtectsPlainHandlers(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	handler, err := newHandler(idp.Provider())
	if err != nil {
		t.Fatal(err)
	}
	token := idp.Token(devidp.TokenRequest{User: "bob", Audience: []string{"https://api.example.com/reports"}, Scope: "openid"})
	for path, c := range map[string]struct {
		token    string
		status   int
		contains string
	}{
		"/reports":     {token, 200, "reports of user-bob"},
		"/reports?x":   {"", 401, "Missing Authorization header"},
		"/reports/all": {token, 403, "Missing required scope(s): reports:all"},
		"/.well-known/oauth-protected-resource/reports": {"", 200, `"resource":"https://api.example.com/reports"`},
		"/.well-known/oauth-authorization-server":       {"", 200, idp.Issuer()},
	} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
	}
}
