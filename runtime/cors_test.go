package runtime_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime"
)

// covers: R10
func TestPagesMaySendTheHeadersOfTheirClients(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, alice(), func(c *runtime.GuardConfig) {
		c.AllowedOrigins, c.AllowedHeaders = []string{"https://app.example.com"}, []string{"X-Api-Version"}
	})
	response := send(guard.Protect(whoever), http.MethodOptions, "/mcp", http.Header{
		"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"},
		"Access-Control-Request-Headers": {"authorization,mcp-param-region,traceparent,x-api-version"},
	})
	allowed := strings.ToLower(response.Header.Get("Access-Control-Allow-Headers"))
	for _, name := range []string{"authorization", "mcp-name", "mcp-param-region", "traceparent", "tracestate", "baggage", "x-api-version"} {
		if !strings.Contains(", "+allowed+",", ", "+name+",") {
			t.Errorf("R10: %s is not allowed: %s", name, allowed)
		}
	}
}
