package devidptest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/devidp/devidptest"
	"github.com/latchkey-auth/latchkey/runtime"
)

func TestDocumentedTokens(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	guard := newGuard(t, idp.Provider(), runtime.GuardConfig{Resource: resource})

	alice := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{resource}, Scope: "openid email reports:read"})
	machine := idp.Token(devidp.TokenRequest{ClientID: "nightly", Audience: []string{resource}, Scope: "reports:read"})

	for _, token := range []string{alice, machine} {
		if status, _ := call(guard, "/reports", token); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
}

func TestDocumentedRefusals(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	guard := newGuard(t, idp.Provider(), runtime.GuardConfig{})
	for name, request := range map[string]devidp.TokenRequest{
		"of another server":       {User: "alice", Audience: []string{"https://other.example.com"}},
		"that has expired":        {User: "alice", Audience: []string{resource}, ExpiresIn: -time.Hour},
		"of another issuer":       {User: "alice", Audience: []string{resource}, Claims: map[string]any{"iss": "https://evil.example.com"}},
		"that is no access token": {User: "alice", Audience: []string{resource}, Header: map[string]any{"typ": "JWT"}},
	} {
		t.Run("a token "+name, func(t *testing.T) {
			t.Parallel()
			if status, _ := call(guard, "/reports", idp.Token(request)); status != http.StatusUnauthorized {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestDocumentedLogin(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	guard := newGuard(t, idp.ProxyProvider(resource), runtime.GuardConfig{Resource: resource, Scopes: []string{"reports:read"}})

	tokens := idp.Login(t, guard, "bob", "reports:read", "offline_access")

	if status, _ := call(guard, "/reports", tokens.AccessToken); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

func TestDocumentedLoginAtAServer(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	guard := newGuard(t, idp.ProxyProvider(resource), runtime.GuardConfig{})
	server := http.NewServeMux()
	server.Handle("/", guard.Handler())

	tokens := idp.LoginAt(t, server, resource, "bob")

	if status, _ := call(guard, "/reports", tokens.AccessToken); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

func TestDocumentedFaults(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	guard := newGuard(t, idp.Provider(), runtime.GuardConfig{})
	faults, err := devidp.NamedFaults("down")
	if err != nil {
		t.Fatal(err)
	}
	idp.SetFaults(faults)
	token := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{resource}})
	if status, _ := call(guard, "/reports", token); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
}

func TestDocumentedMachine(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t, func(c *devidp.Config) {
		c.Clients = []devidp.Client{{ID: "nightly", Secret: "test-secret", GrantTypes: []string{"client_credentials"}}}
	})
	form := strings.NewReader("grant_type=client_credentials&client_id=nightly&client_secret=test-secret")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, idp.URL("/token"), form)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := idp.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("got %s", response.Status)
	}
}

// Every snippet of the page about tests stands in a test here, which runs it.
func TestThePageAboutTestsIsRun(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile("documented_test.go")
	if err != nil {
		t.Fatal(err)
	}
	spaces := regexp.MustCompile(`\s+`)
	plain := func(text string) string { return spaces.ReplaceAllString(text, " ") }
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(snippets) == 0 {
		t.Error("the page has no snippets")
	}
	for _, snippet := range snippets {
		if !strings.Contains(plain(string(here)), plain(snippet[1])) {
			t.Errorf("no test runs this:\n%s", snippet[1])
		}
	}
}
