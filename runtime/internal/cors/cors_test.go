package cors_test

import (
	"net/http"
	"net/http/httptest"
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
