package runtime_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/latchkey-auth/latchkey/providers_gen/keycloak"
	"github.com/latchkey-auth/latchkey/runtime"
)

// A handler for operators, which must be as well protected as the server's log, tells why a token
// is refused.
func ExampleGuard_Explain() {
	provider, err := keycloak.New(keycloak.Config{ServerURL: "https://id.example.com", Realm: "staff"})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://api.example.com/reports"})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/reports", nil)
	r.Header.Set("Authorization", "Basic dXNlcjpwYXNz")
	report := guard.Explain(r)
	fmt.Println(report.Accepted, report.Reason)
	fmt.Println(report.FirstFailed().Fix)
	// Output:
	// false malformed_header
	// Invalid Authorization header format, expected "Bearer TOKEN"
}
