package echoadapter_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// newUpstream is an MCP server and its authorization server, on loopback.
func newUpstream(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	document := func(value any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value)
		}
	}
	mux.HandleFunc("/.well-known/oauth-protected-resource/mcp", document(map[string]any{
		"resource": server.URL + "/mcp", "authorization_servers": []string{server.URL},
	}))
	mux.HandleFunc("/.well-known/oauth-authorization-server", document(map[string]any{
		"issuer": server.URL, "token_endpoint": server.URL + "/token",
	}))
	mux.HandleFunc("POST /token", document(map[string]any{"token_type": "Bearer"}))
	return server
}

func TestMountRelay(t *testing.T) {
	t.Parallel()
	upstream := newUpstream(t)
	e := echo.New()
	r, err := echoadapter.MountRelay(e, echoadapter.RelayConfig{
		PublicURL: "https://app.example.com", BasePath: "/inspector/oauth", AllowedOrigins: []string{"https://second.example.com"},
		InsecureAllowLoopback: true, Observer: observe.Slog(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	query := url.Values{"serverUrl": {upstream.URL + "/mcp"}, "url": {upstream.URL + "/.well-known/oauth-authorization-server"}}
	order, err := json.Marshal(map[string]any{
		"serverUrl": upstream.URL + "/mcp", "url": upstream.URL + "/token", "body": "grant_type=authorization_code&code=test-code",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, method, target, origin, body string
		want                               int
		contains                           string
	}{
		{"serves metadata", "GET", "/inspector/oauth/metadata?" + query.Encode(), "https://app.example.com", "", 200, "token_endpoint"},
		{"forwards", "POST", "/inspector/oauth/proxy", "https://second.example.com", string(order), 200, `"status":200`},
		{"answers preflights", "OPTIONS", "/inspector/oauth/proxy", "https://second.example.com", "", 204, ""},
		{"refuses foreign origins", "POST", "/inspector/oauth/proxy", "https://evil.example.com", string(order), 403, "error"},
		{"refuses other methods", "PUT", "/inspector/oauth/proxy", "https://app.example.com", string(order), 405, "error"},
		{"is nowhere else", "POST", "/oauth/proxy", "https://app.example.com", string(order), 404, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequest(test.method, test.target, strings.NewReader(test.body))
			req.Header.Set("Origin", test.origin)
			req.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			e.ServeHTTP(w, req)
			if w.Code != test.want || !strings.Contains(w.Body.String(), test.contains) {
				t.Errorf("status %d with %s, want %d with %q", w.Code, w.Body, test.want, test.contains)
			}
		})
	}
}

func TestMountRelayReportsMistakes(t *testing.T) {
	t.Parallel()
	e := echo.New()
	if _, err := echoadapter.MountRelay(e, echoadapter.RelayConfig{}); err == nil || !strings.Contains(err.Error(), "PublicURL") {
		t.Errorf("the error is %v, want one about PublicURL", err)
	}
	config := echoadapter.RelayConfig{PublicURL: "https://app.example.com", Observer: observe.Slog(slog.New(slog.DiscardHandler))}
	if _, err := echoadapter.MountRelay(e, config); err != nil {
		t.Fatal(err)
	}
	if _, err := echoadapter.MountRelay(e, config); err == nil || !strings.Contains(err.Error(), "BasePath") {
		t.Errorf("the error of the second relay is %v, want one about BasePath", err)
	}
}
