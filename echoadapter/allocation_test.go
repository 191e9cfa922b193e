//go:build !race

package echoadapter_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/oauth"
)

// remembers gives the same caller every time, as a provider does for a token in its cache.
type remembers struct {
	fake
	caller *oauth.AuthInfo
}

func (r remembers) Verify(context.Context, oauth.Presented) (*oauth.AuthInfo, error) {
	return r.caller, nil
}

// TestTheMiddlewareAllocatesLittle holds what the middleware adds to a request of a known caller to
// three allocations: the context, the request that carries it, and the handler that Echo makes of a
// route's middleware for every request; a further middleware costs that last one alone. The race
// detector adds allocations of its own.
func TestTheMiddlewareAllocatesLittle(t *testing.T) {
	e := echo.New()
	guard, err := echoadapter.Mount(e, remembers{fake{"https://idp.example.com"}, &oauth.AuthInfo{Subject: "alice", Scopes: []string{"write"}}}, echoadapter.Config{
		Resource: resource, Scopes: []string{"read"}, Hierarchy: oauth.ScopeHierarchy{"write": {"read"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
	e.GET("/plain", answer)
	e.GET("/mcp", answer, guard.Require())
	e.POST("/mcp", answer, guard.Require(), echoadapter.RequireScope("read"))
	measure := func(method, path string) float64 {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Authorization", "Bearer good")
		w := httptest.NewRecorder()
		return testing.AllocsPerRun(200, func() {
			e.ServeHTTP(w, r)
			if w.Code != http.StatusNoContent {
				t.Errorf("%s: got %d", path, w.Code)
			}
		})
	}
	plain := measure(http.MethodGet, "/plain")
	if added := measure(http.MethodGet, "/mcp") - plain; added > 3 {
		t.Errorf("the middleware adds %.0f allocations, want at most 3", added)
	}
	if added := measure(http.MethodPost, "/mcp") - plain; added > 4 {
		t.Errorf("with needed scopes the middleware adds %.0f allocations, want at most 4", added)
	}
}
