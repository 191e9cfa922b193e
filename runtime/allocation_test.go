//go:build !race

package runtime_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// TestACachedTokenCostsNoAllocation holds the guard's part of a request with a cached token to no
// allocation, whatever scopes and hierarchy it has, and the whole middleware for net/http to two:
// the context and the request that carries it. The race detector adds allocations of its own.
func TestACachedTokenCostsNoAllocation(t *testing.T) {
	i := newIDP(t)
	for name, change := range map[string]func(*runtime.GuardConfig){
		"plainly":            nil,
		"with subpaths":      func(c *runtime.GuardConfig) { c.Subpaths = []string{"/sse", "/a/long/path/below/the/resource"} },
		"with needed scopes": func(c *runtime.GuardConfig) { c.Scopes = []string{"admin"} },
		"with needed scopes and a hierarchy": func(c *runtime.GuardConfig) {
			c.Scopes, c.Hierarchy = []string{"read"}, oauth.ScopeHierarchy{"admin": {"write"}, "write": {"read"}}
		},
	} {
		g := newGuard(t, i.provider(t), change)
		requests := make([]*http.Request, 4)
		for n := range requests {
			requests[n] = httptest.NewRequest(http.MethodPost, "/mcp?session=1", nil)
			requests[n].Header.Set("Authorization", "Bearer "+i.token(t, map[string]any{"jti": fmt.Sprint(n)}))
		}
		next := 0
		if allocations := testing.AllocsPerRun(100, func() {
			next++
			if _, err := g.Authenticate(requests[next%len(requests)]); err != nil {
				t.Error(err)
			}
		}); allocations != 0 {
			t.Errorf("%s: %.0f allocations to authenticate", name, allocations)
		}
		h := g.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		w := httptest.NewRecorder()
		if allocations := testing.AllocsPerRun(100, func() {
			next++
			h.ServeHTTP(w, requests[next%len(requests)])
		}); allocations > 2 {
			t.Errorf("%s: %.0f allocations for the middleware, want at most 2", name, allocations)
		}
	}
}
