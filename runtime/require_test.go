package runtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// requiring is a guard with its log, whose one caller has the scope read and the role editor.
func requiring(t *testing.T) (*runtime.Guard, *lines) {
	t.Helper()
	log := &lines{}
	p := alice()
	p.callers = map[string]*oauth.AuthInfo{"good": {
		Subject: "alice", Scopes: []string{"read"}, User: oauth.UserInfo{ID: "alice", Roles: []string{"editor"}},
	}}
	return newGuard(t, p, func(c *runtime.GuardConfig) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) }), log
}

func withGood(h http.Handler) *http.Response {
	return send(h, http.MethodGet, "/mcp", http.Header{"Authorization": {"Bearer good"}})
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	g, log := requiring(t)
	for name, c := range map[string]struct {
		middleware func(http.Handler) http.Handler
		status     int
		challenge  string
	}{
		"all scopes":           {g.RequireScope("read"), 200, ""},
		"no scopes":            {g.RequireScope(), 200, ""},
		"a missing scope":      {g.RequireScope("read", "write"), 403, `error="insufficient_scope"`},
		"one of the scopes":    {g.RequireAnyScope("write", "read"), 200, ""},
		"none of the scopes":   {g.RequireAnyScope("write"), 403, `error="insufficient_scope"`},
		"a role":               {g.RequireRole("editor"), 200, ""},
		"a missing role":       {g.RequireRole("editor", "admin"), 403, ""},
		"one of the roles":     {g.RequireAnyRole("admin", "editor"), 200, ""},
		"none of the roles":    {g.RequireAnyRole("admin"), 403, ""},
		"any role of none":     {g.RequireAnyRole(), 403, ""},
		"a function that lets": {g.RequireFunc("office hours", func(*oauth.AuthInfo) error { return nil }), 200, ""},
		"a function that refuses": {g.RequireFunc("office hours", func(*oauth.AuthInfo) error {
			return errors.New("it is Sunday")
		}), 403, ""},
		"a function that asks for a scope": {g.RequireFunc("office hours", func(*oauth.AuthInfo) error {
			return fmt.Errorf("on a Sunday: %w", oauth.MissingScopes("sunday"))
		}), 403, `scope="read sunday"`},
		"a function that cannot ask": {g.RequireFunc("office hours", func(*oauth.AuthInfo) error {
			return oauth.Unavailable(time.Second, errors.New("no calendar"))
		}), 503, ""},
	} {
		response := withGood(g.Protect(c.middleware(whoever)))
		challenge := response.Header.Get("WWW-Authenticate")
		if response.StatusCode != c.status || !strings.Contains(challenge, c.challenge) || c.challenge == "" && challenge != "" {
			t.Errorf("%s: got %s with challenge %s", name, response.Status, challenge)
		}
	}
	for _, want := range []string{"office hours: it is Sunday", `lacks the role`, "reason=forbidden", "subject=alice"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// The reason of a refusal is for the log alone.
func TestARefusalByAFunctionTellsTheClientNothing(t *testing.T) {
	t.Parallel()
	g, _ := requiring(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/mcp", nil)
	r.Header.Set("Authorization", "Bearer good")
	g.Protect(g.RequireFunc("secret rule", func(*oauth.AuthInfo) error { return errors.New("secret reason") })(whoever)).ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the client reads %s", w.Body)
	}
}

// covers: D1
func TestARequirementWithoutAGuardSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]func(*runtime.Guard) http.Handler{
		"without Protect": func(g *runtime.Guard) http.Handler { return g.RequireScope("read")(whoever) },
		"before Protect":  func(g *runtime.Guard) http.Handler { return g.RequireScope("read")(g.Protect(whoever)) },
		"a role":          func(g *runtime.Guard) http.Handler { return g.RequireAnyRole("editor")(whoever) },
		"a function": func(g *runtime.Guard) http.Handler {
			return g.RequireFunc("mine", func(*oauth.AuthInfo) error { return nil })(whoever)
		},
	} {
		g, log := requiring(t)
		response := withGood(wrong(g))
		if response.StatusCode != 500 || response.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: got %s", name, response.Status)
		}
		if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "guard.Protect") {
			t.Errorf("%s: the log says %s", name, got)
		}
	}
}

// covers: D2
func TestAHandlersMissingScopesNameWhatTheCallerHas(t *testing.T) {
	t.Parallel()
	g, _ := requiring(t)
	response := withGood(g.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Refuse(w, r, oauth.MissingScopes("write"))
	})))
	var body runtime.RefusalBody
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("WWW-Authenticate"); !strings.Contains(got, `scope="read write"`) || len(body.GrantedScopes) != 1 {
		t.Errorf("got challenge %s and body %+v", got, body)
	}
}
