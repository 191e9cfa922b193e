package echoadapter_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/oauth"
)

func TestRequirements(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	for path, c := range map[string]struct {
		middleware echo.MiddlewareFunc
		status     int
		challenge  string
	}{
		"/role":     {echoadapter.RequireRole("admin"), 403, ""},
		"/anyrole":  {echoadapter.RequireAnyRole("admin", "editor"), 403, ""},
		"/function": {echoadapter.RequireFunc("mine", func(*oauth.AuthInfo) error { return errors.New("no") }), 403, ""},
		"/lets":     {echoadapter.RequireFunc("mine", func(*oauth.AuthInfo) error { return nil }), 200, ""},
		"/scope":    {echoadapter.RequireFunc("mine", func(*oauth.AuthInfo) error { return oauth.MissingScopes("w") }), 403, `scope="read w"`},
	} {
		e.GET(path, whoever, guard.Require(), c.middleware)
		response := call(e, http.MethodGet, path, bearer("good"))
		challenge := response.Header.Get("WWW-Authenticate")
		if response.StatusCode != c.status || !strings.Contains(challenge, c.challenge) || c.challenge == "" && challenge != "" {
			t.Errorf("%s: got %s with challenge %s", path, response.Status, challenge)
		}
	}
}

// It replaces the default log: it must not run beside others.
// covers: D1
func TestARequirementWithoutAGuardSaysWhatToDo(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	e.GET("/without", whoever, echoadapter.RequireScope("a"))
	e.GET("/before", whoever, echoadapter.RequireScope("read"), guard.Require())
	for _, path := range []string{"/without", "/before"} {
		log.Reset()
		if response := call(e, http.MethodGet, path, bearer("good")); response.StatusCode != 500 {
			t.Errorf("%s: got %s", path, response.Status)
		}
		if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "guard.Require()") {
			t.Errorf("%s: the log says %s", path, got)
		}
	}
}

// covers: D2
func TestAHandlersMissingScopesNameWhatTheCallerHas(t *testing.T) {
	t.Parallel()
	e := echo.New()
	guard := mount(t, e, echoadapter.Config{})
	e.GET("/x", func(echo.Context) error { return oauth.MissingScopes("write") }, guard.Require())
	response := call(e, http.MethodGet, "/x", bearer("good"))
	if got := response.Header.Get("WWW-Authenticate"); response.StatusCode != 403 || !strings.Contains(got, `scope="read write"`) {
		t.Errorf("got %s with challenge %s", response.Status, got)
	}
}
