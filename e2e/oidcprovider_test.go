package e2e

import (
	"context"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/oidcprovider"
)

// startOIDCProvider starts a server for one resource.
func startOIDCProvider(ctx context.Context, t *testing.T, resource string) harness.Server {
	t.Helper()
	return newOIDCProvider(ctx, t, "", resource)
}

func newOIDCProvider(ctx context.Context, t *testing.T, algorithm string, resources ...string) *oidcprovider.Server {
	t.Helper()
	server, err := oidcprovider.Start(ctx, oidcprovider.Config{
		Root: suite.root, Node: suite.node22, LogDir: logDir(t), Port: port(ctx, t), Algorithm: algorithm, Resources: resources,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// TestOIDCProviderTokens shows that the custom provider with a key set verifier tells one server's tokens apart.
func TestOIDCProviderTokens(t *testing.T) {
	const other = "https://other.example.com/mcp"
	for _, algorithm := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			ctx := testContext(t)
			resource := &harness.ResourceServer{Binary: suite.custom, LogDir: logDir(t), Port: port(ctx, t)}
			resource.Server = newOIDCProvider(ctx, t, algorithm, resource.MCPURL(), other)
			if err := resource.Start(ctx); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(resource.Stop)
			client, err := harness.NewOAuthClient(ctx, resource.Server)
			if err != nil {
				t.Fatal(err)
			}
			tokens := map[string]*harness.Tokens{resource.MCPURL(): nil, other: nil, "": nil}
			for target := range tokens {
				if tokens[target], err = client.Login(ctx, "openid email", target); err != nil {
					t.Fatal(err)
				}
			}
			ours := tokens[resource.MCPURL()]
			if got := header(t, ours.AccessToken); got["alg"] != algorithm || got["typ"] != "at+jwt" {
				t.Errorf("oidc-provider issues alg %v and typ %v, want %s and at+jwt", got["alg"], got["typ"], algorithm)
			}
			t.Run("accepts an access token for this resource", func(t *testing.T) {
				wantCaller(t, resource, ours.AccessToken)
			})
			t.Run("refuses an ID token", func(t *testing.T) {
				wantRefused(t, resource, ours.IDToken, "reason=audience")
			})
			t.Run("refuses a token for another resource", func(t *testing.T) {
				wantRefused(t, resource, tokens[other].AccessToken, "reason=audience")
			})
			t.Run("refuses an opaque token", func(t *testing.T) {
				wantRefused(t, resource, tokens[""].AccessToken, "reason=not_a_jwt", "not a signed JWT")
			})
		})
	}
}
