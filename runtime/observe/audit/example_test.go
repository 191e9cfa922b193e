package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"

	"github.com/latchkey-auth/latchkey/providers_gen/auth0"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe/audit"
)

// A server that answers nothing that it cannot record. In a real one the file stays where it is.
func ExampleOpen() {
	folder, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file := folder + "/audit.log"
	log, err := audit.Open(file, audit.Config{FailClosed: true, Sync: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := auth0.New(auth0.Config{Domain: "acme.eu.auth0.com", Audience: "https://mcp.example.com/mcp"},
		runtime.WithObserver(log), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://mcp.example.com/mcp"})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard.Protect(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/mcp", nil))

	// at the end of the program
	if err := log.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.TrimSpace(regexp.MustCompile(`"(time|id)":"[^"]*"`).ReplaceAllString(string(text), `"$1":"…"`)))
	// Output:
	// {"time":"…","id":"…","event":"request_refused","outcome":"denied","reason":"missing_credentials","resource":"https://mcp.example.com/mcp","provider":"auth0","status":401}
}
