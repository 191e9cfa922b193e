package echoadapter_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/providers_gen/google"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// TestForwardedHeadersNameNoClientByDefault registers clients until a limit is met. Every request
// brings other forwarded addresses, which an operator has to believe by name: Echo's extractors fit
// ClientAddress as they are.
// covers: T-OPS-02
func TestForwardedHeadersNameNoClientByDefault(t *testing.T) {
	t.Parallel()
	const burst, many = 5, 20
	for name, c := range map[string]struct {
		clientAddress func(*http.Request) string
		limited       bool
	}{
		"headers that nobody vouches for leave all requests to one client": {limited: true},
		"Echo's extractor for the connection does the same":                {echo.ExtractIPDirect(), true},
		"an extractor that trusts the proxy tells its clients apart":       {echo.ExtractIPFromXFFHeader(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logger := slog.New(slog.DiscardHandler)
			provider, err := google.New(google.Config{
				ClientID: "test.apps.googleusercontent.com", ClientSecret: "test-secret-of-no-client-at-google-0123456789",
			}, runtime.WithLogger(logger))
			if err != nil {
				t.Fatal(err)
			}
			var proxied proxy.Options
			proxied.Limits.Register.PerSecond, proxied.Limits.Register.Burst = 0.001, burst
			e := echo.New()
			if _, err := echoadapter.Mount(e, provider, echoadapter.Config{
				Resource: "https://mcp.example.com/mcp", Logger: logger, ClientAddress: c.clientAddress, Proxy: proxied,
			}); err != nil {
				t.Fatal(err)
			}
			limited := false
			for n := range many {
				r := httptest.NewRequest(http.MethodPost, "/mcp/register", strings.NewReader(`{"redirect_uris":["http://localhost/callback"]}`))
				r.RemoteAddr = "10.0.0.2:1000"
				r.Header.Set("Content-Type", "application/json")
				address := fmt.Sprintf("192.0.2.%d", n)
				for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"} {
					r.Header.Set(header, address)
				}
				r.Header.Set("Forwarded", "for="+address)
				w := httptest.NewRecorder()
				e.ServeHTTP(w, r)
				limited = limited || w.Code == http.StatusTooManyRequests
				if w.Code != http.StatusTooManyRequests && w.Code != http.StatusCreated {
					t.Fatalf("request %d: %d %s", n, w.Code, w.Body)
				}
			}
			if limited != c.limited {
				t.Errorf("limited: %t, want %t", limited, c.limited)
			}
		})
	}
}
