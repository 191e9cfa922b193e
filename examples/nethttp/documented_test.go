package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/devidp/devidptest"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

func whoami(w http.ResponseWriter, r *http.Request) {
	info, _ := oauth.FromContext(r.Context())
	_, _ = fmt.Fprint(w, info.Subject)
}

func newAPI(provider oauth.Provider) (http.Handler, error) {
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://api.example.com/orders"})
	if err != nil {
		return nil, err
	}
	ofBlue := guard.RequireFunc("tenant", func(caller *oauth.AuthInfo) error {
		if caller.Claims.String("tenant") != "blue" {
			return errors.New("the caller is of another tenant")
		}
		return nil
	})
	orders := http.NewServeMux()
	orders.HandleFunc("GET /orders", whoami)
	orders.Handle("POST /orders", guard.RequireScope("orders:write")(http.HandlerFunc(whoami)))
	orders.Handle("GET /orders/all", guard.RequireRole("auditor")(http.HandlerFunc(whoami)))
	orders.Handle("GET /orders/blue", ofBlue(http.HandlerFunc(whoami)))

	mux := http.NewServeMux()
	mux.Handle("/", guard.Handler()) // metadata, which clients read before they have a token
	mux.Handle("/orders", guard.Protect(orders))
	mux.Handle("/orders/", guard.Protect(orders))
	return mux, nil
}

func TestThePageAboutAPIsIsRun(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "protect-an-api.md"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile("documented_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```go\n")
	snippet, _, found := strings.Cut(rest, "```")
	if !found || !strings.Contains(string(here), snippet) {
		t.Errorf("the page says something else than this test:\n%s", snippet)
	}
}

func TestDocumentedAPI(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t, func(c *devidp.Config) {
		c.Users = []devidp.User{
			{Username: "ada", Roles: []string{"auditor"}, Claims: map[string]any{"tenant": "blue"}},
			{Username: "ben", Claims: map[string]any{"tenant": "green"}},
		}
	})
	api, err := newAPI(idp.Provider())
	if err != nil {
		t.Fatal(err)
	}
	here := []string{"https://api.example.com/orders"}
	ada := idp.Token(devidp.TokenRequest{User: "ada", Audience: here, Scope: "orders:write"})
	ben := idp.Token(devidp.TokenRequest{User: "ben", Audience: here})
	machine := idp.Token(devidp.TokenRequest{ClientID: "nightly", Audience: here, Scope: "orders:write"})
	for name, c := range map[string]struct {
		method, path, token string
		status              int
		challenge, answer   string
	}{
		"nobody":                     {"GET", "/orders", "", 401, "resource_metadata=", "Missing"},
		"somebody":                   {"GET", "/orders", ben, 200, "", "user-ben"},
		"a machine":                  {"GET", "/orders", machine, 200, "", "nightly"},
		"a scope":                    {"POST", "/orders", machine, 200, "", "nightly"},
		"a missing scope":            {"POST", "/orders", ben, 403, `scope="orders:write"`, "orders:write"},
		"a role":                     {"GET", "/orders/all", ada, 200, "", "user-ada"},
		"a missing role":             {"GET", "/orders/all", ben, 403, "", "error"},
		"a function that lets":       {"GET", "/orders/blue", ada, 200, "", "user-ada"},
		"a function that refuses":    {"GET", "/orders/blue", ben, 403, "", "error"},
		"metadata without any token": {"GET", "/.well-known/oauth-protected-resource/orders", "", 200, "", here[0]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(c.method, c.path, nil)
			if c.token != "" {
				request.Header.Set("Authorization", "Bearer "+c.token)
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, request)
			challenge, body := w.Header().Get("WWW-Authenticate"), w.Body.String()
			if w.Code != c.status || !strings.Contains(body, c.answer) || !strings.Contains(challenge, c.challenge) ||
				c.challenge == "" && challenge != "" || strings.Contains(body, "tenant") {
				t.Errorf("got %d %q, challenge %q", w.Code, body, challenge)
			}
		})
	}
}
