package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/devidp/devidptest"
)

func TestExampleGreetsItsCallerAndProtectsItsRoutes(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	e, err := newServer(idp.Provider())
	if err != nil {
		t.Fatal(err)
	}
	here := []string{"https://mcp.example.com/mcp"}
	alice := idp.Token(devidp.TokenRequest{User: "alice", Audience: here, Scope: "profile admin"})
	bob := idp.Token(devidp.TokenRequest{User: "bob", Audience: here, Scope: "profile"})
	elsewhere := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{"https://other.example.com"}, Scope: "admin"})
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{}}}`
	for name, c := range map[string]struct {
		method, path, body, token string
		status                    int
		contains                  string
	}{
		"the tool greets alice":               {http.MethodPost, "/mcp", call, alice, 200, "Hello Alice Archer!"},
		"nobody is not greeted":               {http.MethodPost, "/mcp", call, "", 401, "Missing Authorization header"},
		"a token for elsewhere is refused":    {http.MethodPost, "/mcp", call, elsewhere, 401, "Invalid token"},
		"alice may purge":                     {http.MethodDelete, "/admin", "", alice, 200, "purged by user-alice"},
		"bob may not purge, he lacks a scope": {http.MethodDelete, "/admin", "", bob, 403, "Missing required scope(s): admin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json, text/event-stream")
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

// The example listens on loopback, behind a reverse proxy that passes the public Host on: the SDK's
// own protection of local servers must not refuse that.
func TestExampleAnswersBehindAReverseProxy(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	e, err := newServer(idp.Provider())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/mcp",
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "mcp.example.com"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Authorization", "Bearer "+idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{"https://mcp.example.com/mcp"}}))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("got %s", response.Status)
	}
}
