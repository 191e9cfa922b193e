package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// covers: T-OPS-03, T-OPS-06
func TestAPanicIsOneSafeLine(t *testing.T) {
	t.Parallel()
	const secret = "secret-of-a-request"
	for name, c := range map[string]struct {
		handler echo.HandlerFunc
		logged  string
	}{
		"of a string":        {func(echo.Context) error { panic("line\n" + secret) }, "a value of type string"},
		"of an error":        {func(echo.Context) error { panic(errors.New(secret)) }, "a value of type *errors.errorString"},
		"of the runtime":     {func(echo.Context) error { noMap()[secret] = 1; return nil }, "assignment to entry in nil map"},
		"of an index, below": {func(echo.Context) error { return deeper(nil) }, "index out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			e := echo.New()
			e.Use(recovered(observe.Slog(slog.New(slog.NewTextHandler(&log, nil)))))
			e.GET("/broken", c.handler)
			e.GET("/fine", func(c echo.Context) error { return c.String(http.StatusOK, "fine") })

			answer := httptest.NewRecorder()
			e.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/broken?token="+secret, nil))
			if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), secret) {
				t.Errorf("the answer is %d %s", answer.Code, answer.Body)
			}
			line := log.String()
			if strings.Count(line, "\n") != 1 || strings.Contains(line, secret) {
				t.Errorf("want one line without what the request held:\n%s", line)
			}
			for _, want := range []string{"level=ERROR", c.logged, "path=/broken", "internal/server.TestAPanicIsOneSafeLine", "panics_test.go:"} {
				if !strings.Contains(line, want) {
					t.Errorf("the log does not say %q: %s", want, line)
				}
			}
			answer = httptest.NewRecorder()
			e.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/fine", nil))
			if answer.Code != http.StatusOK {
				t.Errorf("another request is answered %d", answer.Code)
			}
		})
	}
}

func noMap() map[string]int { return nil }

func deeper(list []error) error { return list[len(list)] }

// covers: T-OPS-06
func TestAPanicInTheMiddleOfAnAnswerEndsTheConnection(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	e := echo.New()
	e.Use(recovered(observe.Slog(slog.New(slog.NewTextHandler(&log, nil)))))
	e.GET("/", func(c echo.Context) error {
		_ = c.String(http.StatusOK, "half of an ans")
		panic("broken")
	})
	defer func() {
		if value := recover(); value != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so, too
			t.Errorf("net/http gets %v, want the order to end the connection", value)
		}
		if strings.Count(log.String(), "a handler panicked") != 1 {
			t.Errorf("the panic is not logged once: %q", log.String())
		}
	}()
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}
