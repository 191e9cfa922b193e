package e2e

import (
	"context"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/glewlwyd"
)

func startGlewlwyd(ctx context.Context, t *testing.T, resource string) harness.Server {
	t.Helper()
	server, err := glewlwyd.Start(ctx, glewlwyd.Config{
		Home: needed(t, "E2E_GLEWLWYD_HOME", "Glewlwyd is a package of Debian"), LogDir: logDir(t), Port: port(ctx, t),
		Resources: []string{resource, otherResource}, Scopes: []string{stepUpScope},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// TestGlewlwydTokens shows which of the server's tokens open the resource. It follows RFC 9068 and
// RFC 8707, but for tokens without a resource, whose aud is their scopes.
// covers: T-TOK-11, T-TOK-13, RS-5
func TestGlewlwydTokens(t *testing.T) {
	ctx := testContext(t)
	resource := &harness.ResourceServer{Binary: suite.custom, LogDir: logDir(t), Port: port(ctx, t)}
	resource.Server = startGlewlwyd(ctx, t, resource.MCPURL())
	startResource(ctx, t, resource)
	client, err := harness.NewConfidentialClient(ctx, resource.Server)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]*harness.Tokens{resource.MCPURL(): nil, otherResource: nil, "": nil}
	for target := range tokens {
		if tokens[target], err = client.Login(ctx, glewlwyd.ResourceScope, target); err != nil {
			t.Fatal(err)
		}
	}
	ours := tokens[resource.MCPURL()]
	t.Run("accepts an access token for this resource, of RFC 9068's type", func(t *testing.T) {
		if typ := header(t, ours.AccessToken)["typ"]; typ != "at+jwt" {
			t.Errorf("access tokens have typ %v, want at+jwt", typ)
		}
		if caller := wantCaller(t, resource, ours.AccessToken); caller.ClientID != client.ClientID() {
			t.Errorf("the client is %q, want %q", caller.ClientID, client.ClientID())
		}
	})
	t.Run("refuses a refresh token", func(t *testing.T) {
		wantRefused(t, resource, ours.RefreshToken, "reason=not_a_jwt")
	})
	t.Run("refuses a token for another resource", func(t *testing.T) {
		wantRefused(t, resource, tokens[otherResource].AccessToken, "reason=audience")
	})
	t.Run("refuses a token for no resource, whose audience is its scope", func(t *testing.T) {
		wantRefused(t, resource, tokens[""].AccessToken, "reason=audience")
	})
	checkTampered(t, resource, ours.AccessToken, tokens[otherResource].AccessToken)
}
