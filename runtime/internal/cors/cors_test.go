package cors_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
)

func TestOriginsAreComparedAsBrowsersWriteThem(t *testing.T) {
	t.Parallel()
	origins, err := cors.ParseOrigins([]string{"HTTPS://App.Example.com:443", "http://localhost:3000"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://app.example.com": true, "http://localhost:3000": true,
		"https://app.example.com:8443": false, "http://app.example.com": false, "https://evil.example.com": false,
		"https://app.example.com.evil.com": false, "null": false, "": false,
	} {
		if got := origins.Allows(origin); got != want {
			t.Errorf("%q: got %v", origin, got)
		}
	}
}

func TestAStarAllowsEveryOriginThatIsOne(t *testing.T) {
	t.Parallel()
	origins, err := cors.ParseOrigins([]string{"https://app.example.com", "*"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{"https://anywhere.example.org": true, "null": true, "": false} {
		if got := origins.Allows(origin); got != want {
			t.Errorf("%q: got %v", origin, got)
		}
	}
}

func TestMistakesInOriginsAreRefused(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "app.example.com", "https://app.example.com/", "https://app.example.com/x", "https://*.example.com", "https://u@h", "https://h?q", "https://h#f"} {
		if _, err := cors.ParseOrigins([]string{entry}); err == nil {
			t.Errorf("%q was accepted", entry)
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	origins, err := cors.ParseOrigins([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	p := cors.Policy{Origins: origins, Methods: "POST", Headers: "Authorization", Expose: "Retry-After"}
	for name, c := range map[string]struct {
		method, origin string
		asks           bool
		answered       bool
		allow          string
	}{
		"of an allowed origin":         {http.MethodOptions, "https://app.example.com", true, true, "https://app.example.com"},
		"of a foreign origin":          {http.MethodOptions, "https://evil.example.com", true, true, ""},
		"OPTIONS that asks nothing":    {http.MethodOptions, "https://app.example.com", false, false, "https://app.example.com"},
		"OPTIONS without an origin":    {http.MethodOptions, "", true, false, ""},
		"a request of an allowed page": {http.MethodPost, "https://app.example.com", false, false, "https://app.example.com"},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(c.method, "/", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if c.asks {
			r.Header.Set("Access-Control-Request-Method", "POST")
		}
		if got := p.Preflight(w, r); got != c.answered || w.Header().Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s: answered %v, headers %v", name, got, w.Header())
		}
		if w.Header().Get("Vary") != "Origin" || w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: headers %v", name, w.Header())
		}
	}
}

// covers: R10
func TestHeadersOfAPreflight(t *testing.T) {
	t.Parallel()
	origins, err := cors.ParseOrigins([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	further, err := cors.ParseHeaders([]string{"X-Api-Version"})
	if err != nil {
		t.Fatal(err)
	}
	p := cors.Policy{Origins: origins, Methods: "POST", Headers: "Authorization, Mcp-Name", Further: further}
	const always = "Authorization, Mcp-Name, traceparent, tracestate, baggage, X-Api-Version"
	for name, c := range map[string]struct {
		origin string
		asked  []string
		want   string
	}{
		"R10: traces and the operator's headers": {"https://app.example.com", []string{"traceparent,x-api-version"}, always},
		"R10: parameters of tools": {"https://app.example.com", []string{"content-type,mcp-param-region, Mcp-Param-City", "mcp-param-x"},
			always + ", mcp-param-region, mcp-param-city, mcp-param-x"},
		"R10: nothing else":            {"https://app.example.com", []string{"x-mcp-param-a,cookie,mcp-param-\"a\",mcp-param-\r\nX: y, mcp-param- b"}, always},
		"R10: nothing for other pages": {"https://evil.example.com", []string{"mcp-param-region"}, ""},
		"R10: not without end":         {"https://app.example.com", []string{strings.Repeat("mcp-param-a,", 500)}, always + strings.Repeat(", mcp-param-a", 64)},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodOptions, "/", nil)
		r.Header = http.Header{"Origin": {c.origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": c.asked}
		p.Preflight(w, r)
		if got := w.Header().Get("Access-Control-Allow-Headers"); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	for _, name := range []string{"", "*", "X Y", "X:", "a,b", "x\r\ny", "é"} {
		if _, err := cors.ParseHeaders([]string{name}); err == nil {
			t.Errorf("%q can be allowed", name)
		}
	}
}

// covers: R10
func TestPublicDocumentsAreReadByInstrumentedClients(t *testing.T) {
	t.Parallel()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodOptions, "/", nil)
	cors.Public(func(http.ResponseWriter, *http.Request) {}).ServeHTTP(w, r)
	allowed := strings.Split(w.Header().Get("Access-Control-Allow-Headers"), ", ")
	for _, name := range []string{"Authorization", "MCP-Protocol-Version", "traceparent", "baggage", "*"} {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s is not allowed: %q", name, allowed)
		}
	}
}
