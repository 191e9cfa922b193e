package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// recovered answers 500 to a request whose handler panics, and tells where. The text of a panic may
// hold what the request held, so it is told only where it comes from the runtime.
func recovered(log observe.Observer) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				value := recover()
				if value == nil {
					return
				}
				if reason, ok := value.(error); ok && errors.Is(reason, http.ErrAbortHandler) {
					panic(value) // net/http's own way to end a connection
				}
				log.Observe(c.Request().Context(), observe.Event{
					Kind: observe.RequestRefused, Time: time.Now(), Level: slog.LevelError, Reason: oauth.ReasonPanic,
					Status: http.StatusInternalServerError, Message: "a handler panicked", Method: c.Request().Method, Path: c.Path(),
					Details: []slog.Attr{slog.String("panic", panicText(value)), slog.String("at", origin())},
				})
				if c.Response().Committed {
					panic(http.ErrAbortHandler) // a half answer must not look like a whole one
				}
				err = echo.NewHTTPError(http.StatusInternalServerError, "Internal error")
			}()
			return next(c)
		}
	}
}

func panicText(value any) string {
	if failure, ok := value.(runtime.Error); ok {
		return failure.Error()
	}
	return fmt.Sprintf("a value of type %T", value)
}

// maxFrames bounds how much of a stack is logged.
const maxFrames = 12

// origin is the stack of the panic that is being recovered, innermost call first, in one line.
func origin() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	var calls []string
	for panicked := false; len(calls) < maxFrames; {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicked = true // what comes before is the recovery
		case panicked && !strings.HasPrefix(frame.Function, "runtime."):
			calls = append(calls, frame.Function+" "+filepath.Base(frame.File)+":"+strconv.Itoa(frame.Line))
		}
		if !more {
			break
		}
	}
	return strings.Join(calls, " < ")
}
