package e2e

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/oidcprovider"
)

// startOIDCProvider starts a server for one resource.
func startOIDCProvider(ctx context.Context, t *testing.T, resource string) harness.Server {
	t.Helper()
	return newOIDCProvider(ctx, t, oidcprovider.Config{Resources: []string{resource}})
}

func newOIDCProvider(ctx context.Context, t *testing.T, config oidcprovider.Config) *oidcprovider.Server {
	t.Helper()
	config.Root, config.Node, config.LogDir, config.Port = suite.root, suite.node22, logDir(t), port(ctx, t)
	server, err := oidcprovider.Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// behindOIDCProvider starts a server and a resource server that trusts it. The server knows another
// resource too.
func behindOIDCProvider(ctx context.Context, t *testing.T, config oidcprovider.Config) *harness.ResourceServer {
	t.Helper()
	resource := &harness.ResourceServer{Binary: suite.custom, LogDir: logDir(t), Port: port(ctx, t)}
	config.Resources = []string{resource.MCPURL(), otherResource}
	resource.Server = newOIDCProvider(ctx, t, config)
	startResource(ctx, t, resource)
	return resource
}

// TestOIDCProviderTokens shows that the custom provider with a key set verifier tells one server's
// tokens apart.
// covers: T-TOK-11, T-TOK-13, RS-5
func TestOIDCProviderTokens(t *testing.T) {
	for name, config := range map[string]oidcprovider.Config{
		"RS256": {Algorithm: "RS256"}, "PS256": {Algorithm: "PS256"}, "ES256": {Algorithm: "ES256"}, "EdDSA": {Algorithm: "EdDSA"},
		// RFC 9864: the new name of EdDSA with Ed25519. A key that names no algorithm serves both
		// names.
		"Ed25519": {Algorithm: "Ed25519"}, "Ed25519, not named by the key": {Algorithm: "Ed25519", KeyNamesNoAlgorithm: true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			resource := behindOIDCProvider(ctx, t, config)
			tokens := tokensFor(ctx, t, resource)
			ours := tokens[resource.MCPURL()]
			if got := header(t, ours.AccessToken); got["alg"] != config.Algorithm || got["typ"] != "at+jwt" {
				t.Errorf("oidc-provider issues alg %v and typ %v, want %s and at+jwt", got["alg"], got["typ"], config.Algorithm)
			}
			t.Run("accepts an access token for this resource", func(t *testing.T) {
				wantCaller(t, resource, ours.AccessToken)
			})
			t.Run("refuses an ID token", func(t *testing.T) {
				wantRefused(t, resource, ours.IDToken, "reason=audience")
			})
			t.Run("refuses a token for another resource", func(t *testing.T) {
				wantRefused(t, resource, tokens[otherResource].AccessToken, "reason=audience")
			})
			t.Run("refuses an opaque token", func(t *testing.T) {
				wantRefused(t, resource, tokens[""].AccessToken, "reason=not_a_jwt", "not a signed JWT")
			})
			checkTampered(t, resource, ours.AccessToken, tokens[otherResource].AccessToken)
		})
	}
}

// tokensFor logs in for the resource, for another one, and for none.
func tokensFor(ctx context.Context, t *testing.T, resource *harness.ResourceServer) map[string]*harness.Tokens {
	t.Helper()
	client, err := harness.NewOAuthClient(ctx, resource.Server)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]*harness.Tokens{resource.MCPURL(): nil, otherResource: nil, "": nil}
	for target := range tokens {
		if tokens[target], err = client.Login(ctx, "openid email", target); err != nil {
			t.Fatal(err)
		}
	}
	return tokens
}

// TestOIDCProviderOpaqueTokens shows that the custom provider with introspection tells opaque
// tokens apart by asking.
// covers: T-TOK-19, RS-5
func TestOIDCProviderOpaqueTokens(t *testing.T) {
	ctx := testContext(t)
	resource := behindOIDCProvider(ctx, t, oidcprovider.Config{Opaque: true})
	tokens := tokensFor(ctx, t, resource)
	ours := tokens[resource.MCPURL()]
	if strings.Contains(ours.AccessToken, ".") {
		t.Fatal("the access token is not opaque")
	}
	t.Run("accepts an access token for this resource", func(t *testing.T) {
		wantCaller(t, resource, ours.AccessToken)
	})
	t.Run("refuses a token for another resource", func(t *testing.T) {
		wantRefused(t, resource, tokens[otherResource].AccessToken, "reason=audience")
	})
	t.Run("refuses a token for no resource", func(t *testing.T) {
		wantRefused(t, resource, tokens[""].AccessToken, "reason=audience")
	})
	t.Run("refuses an ID token", func(t *testing.T) {
		wantRefused(t, resource, ours.IDToken, "reason=inactive")
	})
	t.Run("refuses a made-up token", func(t *testing.T) {
		wantRefused(t, resource, "abcdefghijklmnopqrstuvwxyz", "reason=inactive")
	})
	t.Run("answers 503 while the server is down, and serves on who was known", func(t *testing.T) {
		resource.Server.Stop()
		answer, err := resource.Ping(ctx, "another-made-up-token")
		if err != nil || answer.Status != http.StatusServiceUnavailable {
			t.Errorf("an unknown token: %v, %v", answer, err)
		}
		wantCaller(t, resource, ours.AccessToken)
	})
}

// TestOIDCProviderDPoP shows that a token that is bound to a key is of no use without it, and that
// the log says why.
func TestOIDCProviderDPoP(t *testing.T) {
	for name, config := range map[string]oidcprovider.Config{"in a JWT": {}, "in an introspection answer": {Opaque: true}} {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			resource := behindOIDCProvider(ctx, t, config)
			client, err := harness.NewOAuthClient(ctx, resource.Server)
			if err != nil {
				t.Fatal(err)
			}
			bound, err := client.LoginWithDPoP(ctx, "openid email", resource.MCPURL())
			if err != nil {
				t.Fatal(err)
			}
			if bound.Type != "DPoP" {
				t.Fatalf("the token's type is %q, want DPoP", bound.Type)
			}
			wantRefused(t, resource, bound.AccessToken, "reason=sender_constrained", "bound to a client's key", "DPoP")

			// With its own scheme it is not understood either: that is no bearer token.
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, resource.MCPURL(), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "DPoP "+bound.AccessToken)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if challenge := response.Header.Get("WWW-Authenticate"); response.StatusCode/100 != 4 || !strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("the scheme DPoP gets %d, %q", response.StatusCode, challenge)
			}
		})
	}
}

// TestOIDCProviderClientDocument logs in a client that never registered: its id is the address of
// its metadata document.
// covers: AS-4
func TestOIDCProviderClientDocument(t *testing.T) {
	ctx := testContext(t)
	var clientID string
	var fetches atomic.Int32
	documents := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(harness.ClientDocument(clientID))
	}))
	t.Cleanup(documents.Close)
	clientID = documents.URL + "/client.json"
	authority := filepath.Join(logDir(t), "documents.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: documents.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	resource := behindOIDCProvider(ctx, t, oidcprovider.Config{Authority: authority})
	client, err := harness.NewDocumentClient(ctx, resource.Server, clientID)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := client.Login(ctx, "openid email", resource.MCPURL())
	if err != nil {
		t.Fatal(err)
	}
	if caller := wantCaller(t, resource, tokens.AccessToken); caller.ClientID != clientID {
		t.Errorf("the caller's client is %q, want %q", caller.ClientID, clientID)
	}
	if fetches.Load() == 0 {
		t.Error("nobody asked for the document")
	}
}
