package runtime_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

func guardOf(t *testing.T, provider oauth.Provider, resource string, subpaths ...string) *runtime.Guard {
	t.Helper()
	g, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: resource, Subpaths: subpaths})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const host = "https://mcp.example.com"

func TestSeveralGuardsShareAHost(t *testing.T) {
	t.Parallel()
	t.Run("D5: on one ServeMux", func(t *testing.T) {
		t.Parallel()
		first, second := guardOf(t, newGoogle(t), host+"/one"), guardOf(t, alice(), host+"/two")
		site, err := runtime.NewSite(first, second)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle("/", site.Handler())
		mux.Handle("/one", first.Protect(whoever))
		mux.Handle("/two", second.Protect(whoever))
		for path, want := range map[string]struct {
			status int
			holds  string
		}{
			"/one": {401, ""}, "/two": {401, ""}, "/three": {404, ""},
			"/.well-known/oauth-protected-resource":       {200, host + "/one"}, // the root is the first's
			"/.well-known/oauth-protected-resource/one":   {200, host + "/one"},
			"/.well-known/oauth-protected-resource/two":   {200, host + "/two"},
			"/.well-known/oauth-authorization-server":     {200, `"issuer":"` + host + `/one"`},
			"/.well-known/oauth-authorization-server/two": {200, `"issuer":"https://idp.example.com/tenant"`},
			"/one/register": {405, ""}, "/two/register": {404, ""},
		} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, host+path, nil))
			if w.Code != want.status || !strings.Contains(w.Body.String(), want.holds) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
	t.Run("D5: by their routes", func(t *testing.T) {
		t.Parallel()
		site, err := runtime.NewSite(guardOf(t, alice(), host+"/one"), guardOf(t, alice(), host+"/two"), guardOf(t, newGoogle(t), host+"/three"))
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		for _, route := range site.Routes() {
			mux.Handle(route.Path, route.Handler) // panics where two have one path
		}
	})
}

func TestACollisionNamesBothGuards(t *testing.T) {
	t.Parallel()
	for name, guards := range map[string][]*runtime.Guard{
		"one resource twice":             {guardOf(t, alice(), host+"/one"), guardOf(t, alice(), host+"/one")},
		"one without a path comes later": {guardOf(t, alice(), host+"/one"), guardOf(t, alice(), host)},
		"a subpath and a resource":       {guardOf(t, alice(), host+"/one", "/sse"), guardOf(t, alice(), host+"/one/sse")},
		"an endpoint of mode proxy":      {guardOf(t, newGoogle(t), host+"/one"), guardOf(t, alice(), host+"/one/token")},
		"the same the other way around":  {guardOf(t, alice(), host+"/one/token"), guardOf(t, newGoogle(t), host+"/one")},
		"another host":                   {guardOf(t, alice(), host+"/one"), guardOf(t, alice(), "https://other.example.com/one")},
	} {
		site, err := runtime.NewSite(guards...)
		if site != nil || err == nil || !strings.Contains(err.Error(), guards[0].Resource()) || !strings.Contains(err.Error(), guards[1].Resource()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := runtime.NewSite(guardOf(t, alice(), host), guardOf(t, alice(), host+"/one")); err != nil {
		t.Errorf("one without a path comes first: %v", err)
	}
	if _, err := runtime.NewSite(nil); err == nil {
		t.Error("a nil guard was accepted")
	}
}

func TestASiteLeavesReservedPathsAlone(t *testing.T) {
	t.Parallel()
	site, err := runtime.NewSite()
	if err != nil {
		t.Fatal(err)
	}
	site.Reserve("/.well-known/oauth-protected-resource", "the front page")
	site.Reserve("/one", "the protected handler")
	routes, err := site.Add(guardOf(t, alice(), host+"/one"))
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range routes {
		if route.Path == "/.well-known/oauth-protected-resource" {
			t.Error("a reserved path was taken")
		}
	}
	site.Reserve("/.well-known/oauth-protected-resource/two", "the front page")
	before := len(site.Routes())
	if _, err := site.Add(guardOf(t, alice(), host+"/two")); err == nil || !strings.Contains(err.Error(), "the front page") {
		t.Errorf("a guard's own path was taken from it: %v", err)
	}
	if len(site.Routes()) != before || len(site.Guards()) != 1 {
		t.Error("a guard that does not fit was added in part")
	}
}

// A path of mode proxy that is also a protected endpoint could only be one of them.
func TestASubpathThatModeProxyNeedsIsAnErrorAtTheStart(t *testing.T) {
	t.Parallel()
	_, err := runtime.NewGuard(newGoogle(t), runtime.GuardConfig{Resource: host + "/mcp", Subpaths: []string{"/token"}})
	if err == nil || !strings.Contains(err.Error(), "/mcp/token") {
		t.Errorf("got %v", err)
	}
}
