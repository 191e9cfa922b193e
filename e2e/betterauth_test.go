package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/betterauth"
)

// startBetterAuth starts a server for one resource.
func startBetterAuth(ctx context.Context, t *testing.T, resource string) harness.Server {
	t.Helper()
	return newBetterAuth(ctx, t, "", resource)
}

func newBetterAuth(ctx context.Context, t *testing.T, algorithm string, resources ...string) *betterauth.Server {
	t.Helper()
	return startBetterAuthWith(ctx, t, betterauth.Config{Algorithm: algorithm, Resources: resources})
}

// startBetterAuthWith starts a server with what a test says, and this machine's programs and
// folders.
func startBetterAuthWith(ctx context.Context, t *testing.T, c betterauth.Config) *betterauth.Server {
	t.Helper()
	c.Root, c.Node, c.LogDir, c.Port = suite.root, suite.node, logDir(t), port(ctx, t)
	server, err := betterauth.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// startPair starts a Better Auth and a resource server in front of it. further resources are known
// to Better Auth too.
func startPair(ctx context.Context, t *testing.T, algorithm string, further ...string) *harness.ResourceServer {
	t.Helper()
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	resource.Server = newBetterAuth(ctx, t, algorithm, append(further, resource.MCPURL())...)
	if err := resource.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	return resource
}

// TestBetterAuthTokens shows which of one server's tokens open the resource (RS-4, RS-5, RS-6): it
// signs all of them with the same key and the same issuer.
// covers: T-TOK-08, T-TOK-13, RS-5
func TestBetterAuthTokens(t *testing.T) {
	const other = "https://other.example.com/mcp"
	ctx := testContext(t)
	resource := startPair(ctx, t, "", other)
	client, err := harness.NewOAuthClient(ctx, resource.Server)
	if err != nil {
		t.Fatal(err)
	}
	login := func(t *testing.T, scope, target string) *harness.Tokens {
		t.Helper()
		tokens, err := client.Login(ctx, scope, target)
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}

	t.Run("accepts an access token for this resource", func(t *testing.T) {
		for _, scope := range []string{"openid profile email", "profile email"} {
			// With openid the aud claim is an array, with the userinfo URL in it; without, a
			// string.
			token := login(t, scope, resource.MCPURL()).AccessToken
			caller := wantCaller(t, resource, token)
			if caller.ClientID != client.ClientID() {
				t.Errorf("client_id %q, want %q", caller.ClientID, client.ClientID())
			}
			if got := strings.Join(caller.Scopes, " "); got != scope {
				t.Errorf("scopes %q, want %q", got, scope)
			}
		}
	})
	t.Run("refuses an opaque token, which Better Auth issues without a resource, and says so in the log", func(t *testing.T) {
		token := login(t, "openid", "").AccessToken
		if strings.Count(token, ".") == 2 {
			t.Fatal("the token is not opaque")
		}
		wantRefused(t, resource, token, "reason=not_a_jwt", "not a signed JWT", "resource")
	})
	t.Run("refuses an ID token of the same server", func(t *testing.T) {
		wantRefused(t, resource, login(t, "openid email", resource.MCPURL()).IDToken, "reason=token_type") // Better Auth gives it no typ
	})
	t.Run("refuses a token for another resource of the same server", func(t *testing.T) {
		wantRefused(t, resource, login(t, "openid", other).AccessToken, "reason=audience")
	})
	t.Run("refuses a refresh token", func(t *testing.T) {
		wantRefused(t, resource, login(t, "openid offline_access", resource.MCPURL()).RefreshToken, "reason=not_a_jwt")
	})
	t.Run("refuses a token whose signature was changed", func(t *testing.T) {
		token := []byte(login(t, "openid", resource.MCPURL()).AccessToken)
		// The first character of the signature: all of its bits count.
		at := bytes.LastIndexByte(token, '.') + 1
		token[at] = map[bool]byte{true: 'B', false: 'A'}[token[at] == 'A']
		wantRefused(t, resource, string(token), "reason=bad_signature")
	})
}

// TestBetterAuthAlgorithms shows that every algorithm that Better Auth can be set to is verified.
func TestBetterAuthAlgorithms(t *testing.T) {
	for _, algorithm := range []string{"EdDSA", "ES256", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			ctx := testContext(t)
			resource := startPair(ctx, t, algorithm)
			client, err := harness.NewOAuthClient(ctx, resource.Server)
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := client.Login(ctx, "openid", resource.MCPURL())
			if err != nil {
				t.Fatal(err)
			}
			if got := header(t, tokens.AccessToken); got["alg"] != algorithm || got["typ"] != "at+jwt" {
				t.Errorf("Better Auth issues alg %v and typ %v, want %s and at+jwt", got["alg"], got["typ"], algorithm)
			}
			wantCaller(t, resource, tokens.AccessToken)
		})
	}
}

// wantCaller says that a token opens both the protected page and MCP, as the server's user.
func wantCaller(t *testing.T, resource *harness.ResourceServer, token string) harness.Caller {
	t.Helper()
	answer, err := resource.Whoami(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusOK {
		t.Fatalf("GET /whoami answers %d: %s", answer.Status, answer.Body)
	}
	var caller harness.Caller
	if err := json.Unmarshal(answer.Body, &caller); err != nil {
		t.Fatal(err)
	}
	checkCaller(t, "GET /whoami", resource.Server, &caller)
	if answer, err = resource.Ping(t.Context(), token); err != nil || answer.Status != http.StatusOK {
		t.Errorf("MCP ping: %v, %v", answer, err)
	}
	return caller
}

// wantRefused says that a token is refused everywhere, with a log entry that holds all of words.
func wantRefused(t *testing.T, resource *harness.ResourceServer, token string, words ...string) {
	t.Helper()
	if token == "" {
		t.Fatal("there is no token to refuse")
	}
	before := len(resource.Log())
	answer, err := resource.Ping(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	metadata := resource.Origin() + "/.well-known/oauth-protected-resource/mcp"
	// A12: while the key set may not be fetched again, nobody knows whether a signature is wrong or
	// that of a new key.
	pending := func(status int) bool {
		return status == http.StatusServiceUnavailable && slices.Contains(words, "reason=bad_signature")
	}
	if !pending(answer.Status) {
		checkChallenge(t, "MCP", answer.Status, answer.Challenge, "invalid_token", metadata)
	}
	answer, err = resource.Whoami(t.Context(), token)
	if err != nil || answer.Status != http.StatusUnauthorized && !pending(answer.Status) {
		t.Errorf("GET /whoami: %v, %v", answer, err)
	}
	log := resource.Log()[before:]
	for _, word := range words {
		if !strings.Contains(log, word) {
			t.Errorf("the log does not say %q:\n%s", word, log)
		}
	}
	if strings.Contains(log, token) {
		t.Error("the log holds the token")
	}
}

// header decodes a JWT's header without checking anything.
func header(t *testing.T, token string) map[string]any {
	t.Helper()
	h, err := tokenHeader(token)
	if err != nil {
		t.Fatal("the access token is not a JWT")
	}
	return h
}

func tokenHeader(token string) (map[string]any, error) {
	first, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return nil, err
	}
	var h map[string]any
	err = json.Unmarshal(decoded, &h)
	return h, err
}
