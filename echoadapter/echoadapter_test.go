package echoadapter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// fake accepts the token "good" as alice.
type fake struct{ issuer string }

func (f fake) Describe() oauth.Description {
	return oauth.Description{Name: "fake", Title: "Fake", Issuer: f.issuer, ScopesSupported: []string{"openid"}}
}

func (f fake) Verify(_ context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	switch presented.Token {
	case "good":
	case "unfinished":
		return nil, oauth.ErrInvalidToken
	case "broken":
		return nil, echo.ErrTeapot
	default:
		return nil, oauth.InvalidToken(oauth.ReasonBadSignature, nil)
	}
	return &oauth.AuthInfo{Subject: "alice", Scopes: []string{"read"}, Resource: presented.Resource}, nil
}

const resource = "https://mcp.example.com/mcp"

func mount(t *testing.T, e *echo.Echo, config echoadapter.Config) *echoadapter.Guard {
	t.Helper()
	if config.Resource == "" {
		config.Resource = resource
	}
	config.Logger = slog.New(slog.DiscardHandler)
	guard, err := echoadapter.Mount(e, fake{"https://idp.example.com/tenant"}, config)
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

func call(e *echo.Echo, method, target string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result()
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func whoever(c echo.Context) error {
	info, _ := echoadapter.AuthInfo(c)
	return c.String(http.StatusOK, info.Subject+" at "+info.Resource)
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRequireLetsVerifiedCallersThrough(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{Subpaths: []string{"/sse"}})
	e.Any("/mcp", whoever, guard.Require())
	e.Any("/mcp/sse", echo.WrapHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, _ := oauth.FromContext(r.Context())
		_, _ = io.WriteString(w, info.Subject+" at "+info.Resource)
	})), guard.Require())
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodDelete, http.MethodOptions, http.MethodPut} {
		if got := call(e, method, "/mcp", nil); got.StatusCode != 401 || got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s without token: %s %v", method, got.Status, got.Header)
		}
		if got := call(e, method, "/mcp", bearer("good")); got.StatusCode != 200 {
			t.Errorf("%s with token: %s", method, got.Status)
		}
	}
	if got := text(t, call(e, http.MethodGet, "/mcp", bearer("good"))); got != "alice at "+resource {
		t.Errorf("got %q", got)
	}
	if got := text(t, call(e, http.MethodGet, "/mcp/sse", bearer("good"))); got != "alice at "+resource+"/sse" {
		t.Errorf("the context does not survive echo.WrapHandler: %q", got)
	}
}

func TestRefusalBodyAndChallenge(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	e.GET("/mcp", whoever, guard.Require())
	e.DELETE("/admin", whoever, guard.Require(), echoadapter.RequireScope("admin"))
	e.POST("/any", whoever, guard.Require(), echoadapter.RequireAnyScope("write", "read"))
	e.POST("/none", whoever, guard.Require(), echoadapter.RequireAnyScope("write", "admin"))
	for name, c := range map[string]struct {
		method, path  string
		header        http.Header
		status        int
		body, header2 string
	}{
		"no token":      {http.MethodGet, "/mcp", nil, 401, `{"error":"Missing Authorization header"}`, `Bearer scope="openid", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"`},
		"a bad token":   {http.MethodGet, "/mcp", bearer("bad"), 401, `{"error":"Invalid token"}`, `Bearer error="invalid_token", error_description="Invalid token", scope="openid", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"`},
		"missing scope": {http.MethodDelete, "/admin", bearer("good"), 403, `{"error":"insufficient_scope","required":["admin"],"granted_scopes":["read"],"granted_permissions":[],"message":"Missing required scope(s): admin"}`, `Bearer error="insufficient_scope", error_description="Missing required scope(s): admin", scope="read admin", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"`},
		"one is enough": {http.MethodPost, "/any", bearer("good"), 200, "", ""},
		"none of two":   {http.MethodPost, "/none", bearer("good"), 403, `{"error":"insufficient_scope","required_any":["write","admin"],"granted_scopes":["read"],"granted_permissions":[],"message":"Missing at least one required scope from: write, admin"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := call(e, c.method, c.path, c.header)
			if response.StatusCode != c.status {
				t.Fatalf("got %s", response.Status)
			}
			if body := strings.TrimSpace(text(t, response)); c.body != "" && body != c.body {
				t.Errorf("got body %s", body)
			}
			if got := response.Header.Get("WWW-Authenticate"); c.header2 != "" && got != c.header2 {
				t.Errorf("got challenge %s", got)
			}
		})
	}
}

func TestHandlersMayReturnOAuthErrors(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	e.GET("/mcp", func(c echo.Context) error {
		info, _ := echoadapter.AuthInfo(c)
		return oauth.MissingScopes("tool:run").For(info)
	}, guard.Require())
	e.GET("/other", func(echo.Context) error { return echo.ErrTeapot }, guard.Require())
	response := call(e, http.MethodGet, "/mcp", bearer("good"))
	if response.StatusCode != 403 || !strings.Contains(response.Header.Get("WWW-Authenticate"), `scope="read tool:run"`) {
		t.Errorf("got %s %v", response.Status, response.Header)
	}
	if response := call(e, http.MethodGet, "/other", bearer("good")); response.StatusCode != http.StatusTeapot {
		t.Errorf("another error became %s", response.Status)
	}
}

// An answer that was sent cannot be taken back: a second answer would be written behind the first.
func TestAnErrorBehindAnAnswerChangesNothing(t *testing.T) {
	t.Parallel()
	e := echo.New()
	var seen error
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		seen = err
		e.DefaultHTTPErrorHandler(err, c)
	}
	guard := mount(t, e, echoadapter.Config{})
	late := oauth.MissingScopes("tool:run")
	e.GET("/mcp", func(c echo.Context) error {
		if err := c.String(http.StatusOK, "done"); err != nil {
			return err
		}
		return late
	}, guard.Require())
	r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
	maps.Copy(r.Header, bearer("good"))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != "done" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("got %d %q with the headers %v", w.Code, w.Body, w.Header())
	}
	if refused, ok := errors.AsType[*echo.HTTPError](seen); ok || !errors.Is(seen, late) {
		t.Errorf("the error handler saw %v, %v: want the handler's own error", seen, refused)
	}
}

// RS-6: the sentinels of package oauth carry a code alone.
// covers: RS-6
func TestSentinelsBecomeAnswers(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	e.GET("/mcp", func(echo.Context) error { return oauth.ErrInsufficientScope }, guard.Require())
	response := call(e, http.MethodGet, "/mcp", bearer("good"))
	if response.StatusCode != 403 || !strings.Contains(response.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("a handler's: got %s %v", response.Status, response.Header)
	}
	response = call(e, http.MethodGet, "/mcp", bearer("unfinished"))
	if response.StatusCode != 401 || !strings.Contains(response.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("the provider's: got %s %v", response.Status, response.Header)
	}
}

func TestHandlersOwnStatusStands(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	upstream := oauth.InvalidToken(oauth.ReasonExpired, nil) // of another service's token
	e.GET("/mcp", func(echo.Context) error {
		return echo.NewHTTPError(http.StatusBadGateway, "upstream").SetInternal(upstream)
	}, guard.Require())
	response := call(e, http.MethodGet, "/mcp", bearer("good"))
	if response.StatusCode != http.StatusBadGateway || response.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("got %s %v", response.Status, response.Header)
	}
}

func TestErrorHandlersSeeTheReason(t *testing.T) {
	t.Parallel()
	e := echo.New()
	var seen error
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		seen = err
		e.DefaultHTTPErrorHandler(err, c)
	}
	guard := mount(t, e, echoadapter.Config{})
	e.GET("/mcp", whoever, guard.Require())
	for token, reason := range map[string]oauth.Reason{"bad": oauth.ReasonBadSignature, "broken": oauth.ReasonVerifierFailed} {
		call(e, http.MethodGet, "/mcp", bearer(token))
		var refused *oauth.Error
		if !errors.As(seen, &refused) || refused.Reason != reason {
			t.Errorf("%s: the error handler saw %v", token, seen)
		}
	}
}

func TestPreflightAlsoForRoutesOfOneMethod(t *testing.T) {
	t.Parallel()
	preflight := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"}}
	for name, add := range map[string]func(e *echo.Echo, g *echoadapter.Guard){
		"e.Any":  func(e *echo.Echo, g *echoadapter.Guard) { e.Any("/mcp", whoever, g.Require()) },
		"e.POST": func(e *echo.Echo, g *echoadapter.Guard) { e.POST("/mcp", whoever, g.Require()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := echo.New()
			add(e, mount(t, e, echoadapter.Config{AllowedOrigins: []string{"https://app.example.com"}}))
			response := call(e, http.MethodOptions, "/mcp", preflight)
			if response.StatusCode != 204 || response.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
				t.Errorf("got %s %v", response.Status, response.Header)
			}
			if response := call(e, http.MethodOptions, "/mcp", nil); response.StatusCode != 401 {
				t.Errorf("OPTIONS that is no preflight: %s", response.Status)
			}
		})
	}
}

// A guard on the whole of an Echo knows its own routes from those that the application put at the
// same paths.
func TestAGuardOfAllRoutesProtectsOthersAtItsOwnPaths(t *testing.T) {
	t.Parallel()
	const path = "/.well-known/oauth-protected-resource"
	for name, add := range map[string]func(e *echo.Echo){
		"A5: for a method": func(e *echo.Echo) { e.POST(path, whoever) },
		"A5: for a host":   func(e *echo.Echo) { e.Host("example.com").POST(path, whoever) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := echo.New()
			e.Use(mount(t, e, echoadapter.Config{}).Require())
			add(e)
			if response := call(e, http.MethodPost, path, nil); response.StatusCode != 401 {
				t.Errorf("the application's own handler answers without a token: %s", response.Status)
			}
			if response := call(e, http.MethodPost, path, bearer("good")); response.StatusCode != 200 {
				t.Errorf("with a token: %s", response.Status)
			}
			if name == "A5: for a host" {
				return
			}
			if response := call(e, http.MethodGet, path, nil); response.StatusCode != 200 {
				t.Errorf("the guard's own route: %s", response.Status)
			}
		})
	}
}

// A guard on the whole of an Echo must not lock the routes by which clients come to a token.
func TestAGuardOfAllRoutesLeavesItsOwnOpen(t *testing.T) {
	t.Parallel()
	preflight := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"DELETE"}}
	for name, add := range map[string]func(e *echo.Echo, g *echoadapter.Guard){
		"e.Use": func(e *echo.Echo, g *echoadapter.Guard) {
			e.Use(g.Require())
			e.DELETE("/admin/:id", whoever)
		},
		"e.Group": func(e *echo.Echo, g *echoadapter.Guard) { e.Group("/admin", g.Require()).DELETE("/:id", whoever) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := echo.New()
			add(e, mount(t, e, echoadapter.Config{AllowedOrigins: []string{"https://app.example.com"}}))
			for path, want := range map[string]int{
				"/.well-known/oauth-protected-resource/mcp": 200, "/.well-known/oauth-protected-resource": 200,
			} {
				if response := call(e, http.MethodGet, path, nil); response.StatusCode != want {
					t.Errorf("%s: %s", path, response.Status)
				}
			}
			if response := call(e, http.MethodDelete, "/admin/1", nil); response.StatusCode != 401 {
				t.Errorf("without a token: %s", response.Status)
			}
			if response := call(e, http.MethodDelete, "/admin/1", bearer("good")); response.StatusCode != 200 {
				t.Errorf("with a token: %s", response.Status)
			}
			response := call(e, http.MethodOptions, "/admin/1", preflight)
			if response.StatusCode != 204 || response.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
				t.Errorf("preflight: %s %v", response.Status, response.Header)
			}
		})
	}
}

func TestLandingPageIsForBrowsersWithoutToken(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "welcome") })
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{LandingPage: page})
	e.Any("/mcp", whoever, guard.Require())
	browser := http.Header{"Accept": {"text/html"}}
	if got := call(e, http.MethodGet, "/mcp", browser); got.StatusCode != 200 || text(t, got) != "welcome" {
		t.Errorf("a browser: %s", got.Status)
	}
	if got := call(e, http.MethodPost, "/mcp", browser); got.StatusCode != 401 {
		t.Errorf("POST: %s", got.Status)
	}
	browser.Set("Authorization", "Bearer bad")
	if got := call(e, http.MethodGet, "/mcp", browser); got.StatusCode != 401 {
		t.Errorf("a bad token: %s", got.Status)
	}
}

func TestSeveralResourcesOnOneServer(t *testing.T) {
	t.Parallel()
	e := echo.New()
	mount(t, e, echoadapter.Config{Resource: "https://mcp.example.com/one"})
	mount(t, e, echoadapter.Config{Resource: "https://mcp.example.com/two"})
	for path, want := range map[string]string{
		"/.well-known/oauth-protected-resource":     "https://mcp.example.com/one",
		"/.well-known/oauth-protected-resource/one": "https://mcp.example.com/one",
		"/.well-known/oauth-protected-resource/two": "https://mcp.example.com/two",
	} {
		var document oauth.ProtectedResourceMetadata
		if err := json.NewDecoder(call(e, http.MethodGet, path, nil).Body).Decode(&document); err != nil || document.Resource != want {
			t.Errorf("%s: got %q, %v", path, document.Resource, err)
		}
	}
	if _, err := echoadapter.Mount(e, fake{"https://idp.example.com/tenant"}, echoadapter.Config{Resource: "https://mcp.example.com/two"}); err == nil {
		t.Error("the same resource was mounted twice")
	}
	if _, err := echoadapter.Mount(e, fake{}, echoadapter.Config{}); err == nil {
		t.Error("a missing resource was accepted")
	}
	if _, err := echoadapter.Mount(e, fake{"https://idp.example.com/tenant"}, echoadapter.Config{Resource: "https://mcp.example.com"}); err == nil {
		t.Error("a resource without path was mounted where the root document is another one's")
	}
}

// A colon and a star in a path are text, not Echo's parameters.
func TestPathsAreNoPatterns(t *testing.T) {
	t.Parallel()
	e := echo.New()
	mount(t, e, echoadapter.Config{Resource: "https://mcp.example.com/servers:one"})
	for path, status := range map[string]int{"/servers:one": 200, "/servers:two": 404, "/serversX": 404} {
		if got := call(e, http.MethodGet, "/.well-known/oauth-protected-resource"+path, nil); got.StatusCode != status {
			t.Errorf("%s: got %s", path, got.Status)
		}
	}
	if _, err := echoadapter.Mount(echo.New(), fake{"https://idp.example.com"}, echoadapter.Config{Resource: "https://mcp.example.com/*"}); err == nil {
		t.Error("a path with a star was mounted, which Echo reads as everything")
	}
}

// covers: T-OPS-03
func TestGuardsPrintNoSecret(t *testing.T) {
	t.Parallel()
	const hidden = "test-key-that-nobody-may-read"
	config := echoadapter.Config{Proxy: proxy.Options{SealingKeys: []oauth.Secret{hidden}}}
	if printed := fmt.Sprintf("%[1]v %+[1]v %#[1]v %[1]s", mount(t, echo.New(), config)); strings.Contains(printed, hidden) {
		t.Errorf("the guard prints %s", printed)
	}
}

func TestSkipper(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	skip := func(c echo.Context) bool { return c.Path() == "/open" }
	group := e.Group("", guard.RequireWithConfig(echoadapter.RequireConfig{Skipper: skip}))
	group.GET("/open", func(c echo.Context) error { return c.NoContent(204) })
	group.GET("/closed", func(c echo.Context) error { return c.NoContent(204) })
	if open, closed := call(e, http.MethodGet, "/open", nil), call(e, http.MethodGet, "/closed", nil); open.StatusCode != 204 || closed.StatusCode != 401 {
		t.Errorf("got %s and %s", open.Status, closed.Status)
	}
}
