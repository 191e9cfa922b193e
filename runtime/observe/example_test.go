package observe_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/auth0"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// refusals counts refused requests by reason.
type refusals struct {
	mu    sync.Mutex
	count map[oauth.Reason]int
}

// Enabled leaves out all other events: they are not even made.
func (*refusals) Enabled(kind observe.Kind) bool { return kind == observe.RequestRefused }

// Observe implements [observe.Observer].
func (r *refusals) Observe(_ context.Context, e observe.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[e.Reason]++
}

// An observer counts refusals by reason, beside the log.
func ExampleObserver() {
	counter := &refusals{count: map[oauth.Reason]int{}}
	provider, err := auth0.New(auth0.Config{Domain: "acme.eu.auth0.com", Audience: "https://mcp.example.com/mcp"},
		runtime.WithObserver(counter), runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://mcp.example.com/mcp"})
	if err != nil {
		fmt.Println(err)
		return
	}
	protected := guard.Protect(http.NotFoundHandler())
	for _, authorization := range []string{"", "", "Basic dXNlcjpwYXNz", "Bearer not-a-jwt"} {
		request := httptest.NewRequest(http.MethodPost, "/mcp", nil)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		protected.ServeHTTP(httptest.NewRecorder(), request)
	}
	fmt.Println(counter.count)
	// Output: map[malformed_header:1 missing_credentials:2 not_a_jwt:1]
}

// An observer that may block, since it writes to a network or a disk, gets its events from a queue.
func ExampleAsync() {
	queue := observe.Async(observe.Slog(slog.New(slog.DiscardHandler)), 1000)
	// give it to runtime.WithObserver, and at the end of the program:
	if err := queue.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(queue.Dropped(), "events were dropped")
	// Output: 0 events were dropped
}
