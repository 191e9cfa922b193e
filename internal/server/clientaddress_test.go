package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/providers_gen/google"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// newProxied is a server in proxy mode with a relay, behind reverse proxies in 10.0.0.0/8.
func newProxied(t *testing.T) http.Handler {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	resolver, err := clientaddr.New(clientaddr.Config{Trusted: []string{"10.0.0.0/8"}, Observer: observe.Slog(logger)})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := google.New(google.Config{
		ClientID: "test.apps.googleusercontent.com", ClientSecret: "test-secret-of-no-client-at-google-0123456789",
	}, runtime.WithLogger(logger))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := server.New(server.Config{
		Provider: provider, PublicURL: "https://mcp.example.com", Path: "/mcp", ListenAddr: "10.0.0.1:8080",
		CustomSchemes: []string{"cursor"}, ClientAddress: resolver.Client, Logger: logger,
		Relay: &echoadapter.RelayConfig{RequestsPerMinute: 60},
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// TestLimitsCountEachClientBehindAProxy looks at whether requests ever run into a limit, not when:
// the limits refill.
// covers: T-PRX-05, T-OPS-02
func TestLimitsCountEachClientBehindAProxy(t *testing.T) {
	t.Parallel()
	const many = 3000
	for kind, c := range map[string]struct{ method, path, body string }{
		"registrations":   {http.MethodPost, "/mcp/register", `{"redirect_uris":["cursor://callback"]}`},
		"relayed queries": {http.MethodGet, "/oauth/metadata", ""},
	} {
		for name, who := range map[string]struct {
			// peer and header are those of the n-th request.
			peer, header func(n int) string
			limited      bool
		}{
			"many clients of a proxy have a limit each": {
				peer: constant("10.0.0.2:1000"), header: func(n int) string { return address(n) },
			},
			"one client of a proxy has one": {
				peer: constant("10.0.0.2:1000"), header: constant("203.0.113.9"), limited: true,
			},
			"whatever addresses it writes itself": {
				peer: constant("10.0.0.2:1000"), header: func(n int) string { return address(n) + ", 203.0.113.9" }, limited: true,
			},
			"and through whichever proxies it comes": {
				peer:    func(n int) string { return fmt.Sprintf("10.0.1.%d:1000", n%250) },
				header:  func(n int) string { return fmt.Sprintf("203.0.113.9, 10.0.2.%d", n%250) },
				limited: true,
			},
			"a client that comes by itself is not believed": {
				peer: constant("198.51.100.7:1000"), header: func(n int) string { return address(n) }, limited: true,
			},
		} {
			t.Run(kind+": "+name, func(t *testing.T) {
				t.Parallel()
				handler := newProxied(t)
				limited := false
				for n := 0; n < many && !limited; n++ {
					r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
					r.Host, r.RemoteAddr = "mcp.example.com", who.peer(n)
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("X-Forwarded-For", who.header(n))
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					limited = w.Code == http.StatusTooManyRequests
					if !limited && w.Code != http.StatusCreated && w.Code != http.StatusBadRequest {
						t.Fatalf("request %d: %d %s", n, w.Code, w.Body)
					}
				}
				if limited != who.limited {
					t.Errorf("limited: %t, want %t", limited, who.limited)
				}
			})
		}
	}
}

func constant(s string) func(int) string { return func(int) string { return s } }

func address(n int) string { return fmt.Sprintf("192.0.%d.%d", n/250, n%250) }

// covers: T-OPS-02
func TestNoURLIsMadeOfAHeader(t *testing.T) {
	t.Parallel()
	handler := newProxied(t)
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server/mcp", "/mcp"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host, r.RemoteAddr = "mcp.example.com", "10.0.0.2:1000"
		for name, value := range map[string]string{
			"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "http",
			"X-Forwarded-Port": "81", "X-Forwarded-Prefix": "/evil", "Forwarded": "for=203.0.113.9;host=evil.example.com;proto=http",
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		text := w.Body.String() + w.Header().Get("WWW-Authenticate")
		if !strings.Contains(text, "https://mcp.example.com/") || strings.Contains(text, "evil") || strings.Contains(text, "http://") {
			t.Errorf("%s: %d %s", path, w.Code, text)
		}
	}
}
