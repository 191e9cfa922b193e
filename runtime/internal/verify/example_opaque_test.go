package verify_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

func ExampleNewTokenInfo() {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"aud": "our-client", "sub": "1046", "scope": "openid email", "expires_in": "3599"}`)
	}))
	defer provider.Close()

	tokens, err := verify.NewTokenInfo(verify.TokenInfoConfig{
		OpaqueConfig: verify.OpaqueConfig{
			Provider: "google",
			Issuers:  []string{"https://accounts.google.com"},
			Binding:  facts.Binding{ClientIDs: []string{"our-client"}, ClientClaims: []string{"aud", "azp"}},
			Client:   egress.NewClient(egress.Policy{OperatorHosts: []string{provider.URL}}),
		},
		URL: provider.URL,
		TokenInfo: facts.TokenInfo{
			InvalidStatus: []int{http.StatusBadRequest},
			Expiry:        []facts.Expiry{{Claim: "expires_in", Format: facts.ExpiryIn}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, err := tokens.Verify(context.Background(), oauth.Presented{Token: "a-test-token", Resource: "https://mcp.example.com/mcp"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(caller.Subject, caller.Scopes, caller.ClientID)
	// Output: 1046 [openid email] our-client
}
