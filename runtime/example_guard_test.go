package runtime_test

import (
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/keycloak"
	"github.com/latchkey-auth/latchkey/runtime"
)

// A handler of net/http lets in who logged in with Keycloak. A client that comes without a token is
// told where the document is that names the authorization server.
func ExampleNewGuard() {
	provider, err := keycloak.New(keycloak.Config{ServerURL: "https://id.example.com", Realm: "staff"})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{
		Resource: "https://api.example.com/reports",
		Logger:   slog.New(slog.DiscardHandler), // the default is slog.Default
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", guard.Handler())
	mux.Handle("/reports", guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := oauth.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "reports of %s\n", caller.Subject)
	})))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/reports", nil))
	challenge := oauth.ParseChallenges(answer.Header().Values("WWW-Authenticate"))[0]
	fmt.Println(answer.Code, challenge.ResourceMetadata)

	answer = httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, challenge.ResourceMetadata, nil))
	fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	// Output:
	// 401 https://api.example.com/.well-known/oauth-protected-resource/reports
	// 200 application/json
}
