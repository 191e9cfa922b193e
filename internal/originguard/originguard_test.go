package originguard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/originguard"
)

// covers: T-OPS-01
func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		public, listen string
		listed         []string
		host           string
		origins        []string
		want           bool
	}{
		"the public host":                            {"https://mcp.example.com", "0.0.0.0:8080", nil, "mcp.example.com", nil, true},
		"the public host in upper case":              {"https://mcp.example.com", "0.0.0.0:8080", nil, "MCP.example.com", nil, true},
		"its own origin":                             {"https://mcp.example.com", "0.0.0.0:8080", nil, "mcp.example.com", []string{"https://mcp.example.com"}, true},
		"its own host by another scheme":             {"https://mcp.example.com", "0.0.0.0:8080", nil, "mcp.example.com", []string{"http://mcp.example.com"}, false},
		"a public host with the default port":        {"https://mcp.example.com:443", "0.0.0.0:8080", nil, "mcp.example.com", []string{"https://mcp.example.com"}, true},
		"a request with the default port":            {"https://mcp.example.com", "0.0.0.0:8080", nil, "mcp.example.com:443", nil, true},
		"a request with the other scheme's port":     {"https://mcp.example.com", "0.0.0.0:8080", nil, "mcp.example.com:80", nil, false},
		"loopback on the default port":               {"http://localhost:80", "127.0.0.1:80", nil, "localhost", []string{"http://localhost"}, true},
		"loopback by IPv6 on the default port":       {"http://localhost:80", "127.0.0.1:80", nil, "[::1]", nil, true},
		"a listed origin with the default port":      {"https://mcp.example.com", "0.0.0.0:8080", []string{"https://app.example.com:443"}, "mcp.example.com", []string{"https://app.example.com"}, true},
		"a foreign host":                             {"https://mcp.example.com", "0.0.0.0:8080", nil, "evil.example.com", nil, false},
		"a rebound name":                             {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "evil.example.com:8080", nil, false},
		"loopback by another name":                   {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "localhost:8080", nil, true},
		"loopback by IPv6":                           {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "[::1]:8080", nil, true},
		"loopback with another port":                 {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "localhost:9090", nil, false},
		"loopback where the server is not on it":     {"https://mcp.example.com", "0.0.0.0:8080", nil, "localhost:8080", nil, false},
		"no host":                                    {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "", nil, false},
		"a foreign origin":                           {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "127.0.0.1:8080", []string{"https://evil.example.com"}, false},
		"the null origin":                            {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "127.0.0.1:8080", []string{"null"}, false},
		"an empty origin":                            {"http://127.0.0.1:8080", "127.0.0.1:8080", nil, "127.0.0.1:8080", []string{""}, false},
		"two origins":                                {"http://127.0.0.1:8080", "127.0.0.1:8080", []string{"*"}, "127.0.0.1:8080", []string{"http://a", "http://b"}, false},
		"a listed origin":                            {"http://127.0.0.1:8080", "127.0.0.1:8080", []string{"https://app.example.com"}, "127.0.0.1:8080", []string{"https://app.example.com"}, true},
		"every origin with a star":                   {"http://127.0.0.1:8080", "127.0.0.1:8080", []string{"*"}, "127.0.0.1:8080", []string{"https://evil.example.com"}, true},
		"a foreign host even with a star for origin": {"http://127.0.0.1:8080", "127.0.0.1:8080", []string{"*"}, "evil.example.com", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard, err := originguard.New(c.public, c.listen, c.listed)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = c.host
			for _, o := range c.origins {
				r.Header.Add("Origin", o)
			}
			if got := guard.Allows(r); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestPublicURLMustBeAbsolute(t *testing.T) {
	t.Parallel()
	if _, err := originguard.New("mcp.example.com", "127.0.0.1:8080", nil); err == nil {
		t.Error("a URL without scheme was accepted")
	}
}
