package runtime_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/latchkey-auth/latchkey/providers_gen/oidc"
)

// A provider is made from its issuer alone: its own document says the rest.
func Example_anyProvider() {
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"issuer":"http://%[1]s","authorization_endpoint":"http://%[1]s/authorize","token_endpoint":"http://%[1]s/token",
			"jwks_uri":"http://%[1]s/keys","registration_endpoint":"http://%[1]s/register"}`, r.Host)
	}))
	defer idp.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // how long an outage is waited for
	defer cancel()
	provider, err := oidc.NewContext(ctx, oidc.Config{Issuer: idp.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := provider.Describe()
	fmt.Println(d.Mode, d.Endpoints.JWKS == idp.URL+"/keys")
	// Output: direct true
}
