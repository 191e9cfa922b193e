// Command nethttp protects a plain net/http handler with Keycloak: the same works with chi, gin or
// any other router.
//
// Set MCP_USE_OAUTH_KEYCLOAK_SERVER_URL and MCP_USE_OAUTH_KEYCLOAK_REALM, or fill in the
// configuration.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/keycloak"
	"github.com/latchkey-auth/latchkey/runtime"
)

func main() {
	provider, err := keycloak.New(keycloak.Config{})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newHandler(provider)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func newHandler(provider oauth.Provider) (http.Handler, error) {
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://api.example.com/reports"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", guard.Handler())
	mux.Handle("/reports", guard.Protect(http.HandlerFunc(reports)))
	mux.Handle("/reports/all", guard.Protect(guard.RequireScope("reports:all")(http.HandlerFunc(reports))))
	return mux, nil
}

func reports(w http.ResponseWriter, r *http.Request) {
	info, _ := oauth.FromContext(r.Context())
	_, _ = fmt.Fprintf(w, "reports of %s\n", info.Subject)
}
