package verify_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// covers: T-OPS-03
func TestPrintingAVerifierOfOpaqueTokensShowsNoSecret(t *testing.T) {
	t.Parallel()
	v, err := verify.NewIntrospection(verify.IntrospectionConfig{
		OpaqueConfig: verify.OpaqueConfig{
			Provider: "test", Issuers: []string{"https://idp.example.com"}, Binding: facts.Binding{ClientIDs: []string{"client-1"}},
		},
		URL: "https://idp.example.com/introspect",
		Introspection: facts.Introspection{
			Credentials: facts.Credentials{ClientID: "client-1", ClientSecret: "test-client-secret"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, v); strings.Contains(text, "test-client-secret") || !strings.Contains(text, "idp.example.com") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
