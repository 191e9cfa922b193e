package chi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	chiadapter "github.com/latchkey-auth/latchkey/examples/chi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/custom"
	"github.com/latchkey-auth/latchkey/runtime"
)

// alice is whom the provider of the example sees in every token.
func alice(context.Context, oauth.Presented) (oauth.Claims, error) {
	return oauth.NewClaims(map[string]any{"sub": "alice", "scope": "read"})
}

func newSite() (*runtime.Site, error) {
	provider, err := custom.New(custom.Config{
		Issuer: "https://idp.example.com", AuthEndpoint: "https://idp.example.com/authorize",
		TokenEndpoint: "https://idp.example.com/token", VerifyToken: oauth.TokenVerifierFunc(alice),
	})
	if err != nil {
		return nil, err
	}
	reports, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://api.example.com/reports"})
	if err != nil {
		return nil, err
	}
	mcp, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://api.example.com/mcp"})
	if err != nil {
		return nil, err
	}
	return runtime.NewSite(reports, mcp)
}

func whoami(w http.ResponseWriter, r *http.Request) {
	info, _ := oauth.FromContext(r.Context())
	_, _ = fmt.Fprintln(w, info.Subject)
}

func newRouter() (chi.Router, error) {
	site, err := newSite()
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	if err := chiadapter.Mount(r, site); err != nil {
		return nil, err
	}
	guards := site.Guards()
	r.With(guards[0].Protect).Get("/reports", whoami)
	r.With(guards[1].Protect, guards[1].RequireScope("admin")).Get("/mcp", whoami)
	return r, nil
}

func get(h http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func ExampleMount() {
	r, err := newRouter()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(get(r, "/reports", "").Code)
	fmt.Print(get(r, "/reports", "a-token").Body)
	fmt.Println(get(r, "/mcp", "a-token").Code)
	fmt.Println(get(r, "/.well-known/oauth-protected-resource/mcp", "").Code)
	// Output:
	// 401
	// alice
	// 403
	// 200
}

func TestMountRefusesWhatIsThereAlready(t *testing.T) {
	t.Parallel()
	site, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	r := chi.NewRouter()
	r.Get("/.well-known/oauth-protected-resource/mcp", whoami)
	if err := chiadapter.Mount(r, site); err == nil || !strings.Contains(err.Error(), "mounted already") {
		t.Errorf("got %v", err)
	}
	if get(r, "/.well-known/oauth-protected-resource/reports", "").Code != http.StatusNotFound {
		t.Error("a part of the site was mounted")
	}
}
