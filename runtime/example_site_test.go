package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/custom"
	"github.com/latchkey-auth/latchkey/runtime"
)

// exampleProvider takes a token for the name of its user.
func exampleProvider() (oauth.Provider, error) {
	return custom.New(custom.Config{
		Issuer: "https://idp.example.com", AuthEndpoint: "https://idp.example.com/authorize", TokenEndpoint: "https://idp.example.com/token",
		VerifyToken: oauth.TokenVerifierFunc(func(_ context.Context, presented oauth.Presented) (oauth.Claims, error) {
			return oauth.NewClaims(map[string]any{"sub": presented.Token.Reveal()})
		}),
	})
}

// exampleGuard protects a resource with a provider.
func exampleGuard(provider oauth.Provider, resource string) *runtime.Guard {
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: resource, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err) // an example has nobody else to tell
	}
	return guard
}

func exampleGet(h http.Handler, path, token string) int {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func ExampleSite() {
	provider, err := exampleProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	reports := exampleGuard(provider, "https://api.example.com/reports")
	tools := exampleGuard(provider, "https://api.example.com/mcp")
	site, err := runtime.NewSite(reports, tools)
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux := http.NewServeMux()
	mux.Handle("/", site.Handler())
	mux.Handle("/reports", reports.Protect(answer))
	mux.Handle("/mcp", tools.Protect(answer))

	fmt.Println(exampleGet(mux, "/reports", "alice"), exampleGet(mux, "/mcp", ""))
	fmt.Println(exampleGet(mux, "/.well-known/oauth-protected-resource/mcp", ""))
	// Output:
	// 200 401
	// 200
}

// members lets only members in, whatever the provider says. Unwrap keeps all that the provider can
// do.
type members struct{ oauth.Provider }

func (m members) Unwrap() oauth.Provider { return m.Provider }

func (m members) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	caller, err := m.Provider.Verify(ctx, presented)
	if err == nil && caller.Subject != "alice" {
		return nil, oauth.InvalidToken(oauth.ReasonRefusedByVerifier, errors.New("not a member"))
	}
	return caller, err
}

func ExampleNewGuard_wrappedProvider() {
	provider, err := exampleProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	guard := exampleGuard(members{provider}, "https://api.example.com/reports")
	reports := guard.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))

	fmt.Println(exampleGet(reports, "/reports", "alice"), exampleGet(reports, "/reports", "mallory"))
	// Output:
	// 200 401
}

func ExampleGuard_RequireFunc() {
	provider, err := exampleProvider()
	if err != nil {
		fmt.Println(err)
		return
	}
	guard := exampleGuard(provider, "https://api.example.com/reports")
	employees := guard.RequireFunc("employees", func(caller *oauth.AuthInfo) error {
		if caller.Subject != "alice" {
			return errors.New("not employed") // for the log alone
		}
		return nil
	})
	reports := guard.Protect(employees(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))

	fmt.Println(exampleGet(reports, "/reports", "alice"), exampleGet(reports, "/reports", "bob"))
	// Output:
	// 200 403
}
