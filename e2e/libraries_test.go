package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/fosite"
	"github.com/latchkey-auth/latchkey/e2e/servers/zitadel"
)

// libraryPeers are servers made of other people's Go libraries. They run in the test's own process.
func libraryPeers() []peer {
	custom := func() string { return suite.custom }
	return []peer{
		{name: "zitadel-oidc", start: startZitadel, binary: custom},
		{name: "fosite", start: startFosite, binary: custom},
	}
}

func startZitadel(ctx context.Context, t *testing.T, resource string) harness.Server {
	t.Helper()
	return newZitadel(ctx, t, 0, resource)
}

func newZitadel(ctx context.Context, t *testing.T, lifetime time.Duration, resources ...string) harness.Server {
	t.Helper()
	server, err := zitadel.Start(ctx, zitadel.Config{
		LogDir: logDir(t), Port: port(ctx, t), Resources: resources, Lifetime: lifetime,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

func startFosite(ctx context.Context, t *testing.T, resource string) harness.Server {
	t.Helper()
	return newFosite(ctx, t, 0, resource)
}

func newFosite(ctx context.Context, t *testing.T, lifetime time.Duration, resources ...string) harness.Server {
	t.Helper()
	server, err := fosite.Start(ctx, fosite.Config{
		LogDir: logDir(t), Port: port(ctx, t), Resources: resources, Lifetime: lifetime,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// otherResource is a protected resource that is not ours.
const otherResource = "https://other.example.com/mcp"

// TestLibraryTokens shows which of a library's tokens open a resource.
// covers: T-TOK-11, T-TOK-13, RS-5
func TestLibraryTokens(t *testing.T) {
	for _, c := range []struct {
		name string
		new  func(ctx context.Context, t *testing.T, lifetime time.Duration, resources ...string) harness.Server
		typ  string
		// idToken is what gives an ID token away.
		idToken []string
	}{
		{
			// Its ID token has the audience of the access token, and the same issuer, key and typ.
			// Only the hashes in it tell them apart.
			name: "zitadel-oidc", typ: "JWT", idToken: []string{"reason=token_type", "c_hash"},
			new: newZitadel,
		},
		{
			name: "fosite", typ: "at+jwt", idToken: []string{"reason=audience"},
			new: newFosite,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := testContext(t)
			resource := &harness.ResourceServer{Binary: suite.custom, LogDir: logDir(t), Port: port(ctx, t)}
			resource.Server = c.new(ctx, t, 0, resource.MCPURL(), otherResource)
			startResource(ctx, t, resource)
			client, err := harness.NewOAuthClient(ctx, resource.Server)
			if err != nil {
				t.Fatal(err)
			}
			tokens := map[string]*harness.Tokens{resource.MCPURL(): nil, otherResource: nil, "": nil}
			for target := range tokens {
				if tokens[target], err = client.Login(ctx, "openid email offline_access", target); err != nil {
					t.Fatal(err)
				}
			}
			ours := tokens[resource.MCPURL()]
			if got := header(t, ours.AccessToken); got["alg"] != "ES256" || got["typ"] != c.typ {
				t.Errorf("access tokens have alg %v and typ %v, want ES256 and %s", got["alg"], got["typ"], c.typ)
			}
			t.Run("accepts an access token for this resource", func(t *testing.T) {
				caller := wantCaller(t, resource, ours.AccessToken)
				if caller.ClientID != client.ClientID() || !slices.Contains(caller.Scopes, "email") {
					t.Errorf("got %+v, want client %s with the scope email", caller, client.ClientID())
				}
			})
			t.Run("refuses an ID token", func(t *testing.T) {
				wantRefused(t, resource, ours.IDToken, c.idToken...)
			})
			t.Run("refuses a refresh token", func(t *testing.T) {
				wantRefused(t, resource, ours.RefreshToken, "reason=not_a_jwt")
			})
			t.Run("refuses a token for another resource", func(t *testing.T) {
				wantRefused(t, resource, tokens[otherResource].AccessToken, "reason=audience")
			})
			t.Run("refuses a token for no resource", func(t *testing.T) {
				wantRefused(t, resource, tokens[""].AccessToken, "reason=audience")
			})
			checkTampered(t, resource, ours.AccessToken, tokens[otherResource].AccessToken)
			t.Run("refuses no PKCE", func(t *testing.T) {
				if _, err := client.LoginWithoutPKCE(ctx, "openid", resource.MCPURL()); err == nil {
					t.Error("the server gives out tokens without PKCE: it is no server for MCP clients")
				}
			})
			t.Run("refuses an expired token", func(t *testing.T) {
				late := &harness.ResourceServer{Binary: suite.custom, LogDir: logDir(t), Port: port(ctx, t)}
				late.Server = c.new(ctx, t, -time.Minute, late.MCPURL())
				startResource(ctx, t, late)
				wantRefused(t, late, login(ctx, t, late.Server, late.MCPURL()).AccessToken, "reason=expired")
			})
		})
	}
}

// TestFositeIntrospection asks about the same tokens. The server then has a say: a token that it
// revoked ends.
// covers: T-TOK-13, RS-5
func TestFositeIntrospection(t *testing.T) {
	ctx := testContext(t)
	resource := introspecting(ctx, t, false)
	client, err := harness.NewOAuthClient(ctx, resource.Server)
	if err != nil {
		t.Fatal(err)
	}
	login := func(t *testing.T, target string) *harness.Tokens {
		t.Helper()
		tokens, err := client.Login(ctx, "openid email", target)
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	ours := login(t, resource.MCPURL())
	t.Run("accepts an access token for this resource", func(t *testing.T) {
		wantCaller(t, resource, ours.AccessToken)
	})
	t.Run("refuses a token for another resource", func(t *testing.T) {
		wantRefused(t, resource, login(t, otherResource).AccessToken, "reason=audience")
	})
	t.Run("refuses a refresh token, which is active too", func(t *testing.T) {
		wantRefused(t, resource, ours.RefreshToken, "reason=token_type", "refresh_token")
	})
	t.Run("refuses an ID token", func(t *testing.T) {
		wantRefused(t, resource, ours.IDToken, "reason=inactive")
	})
	t.Run("refuses a revoked token", func(t *testing.T) {
		revoked := login(t, resource.MCPURL()).AccessToken
		if err := client.Revoke(ctx, revoked); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, resource, revoked, "reason=inactive")
	})
}

// TestFositeUntypedIntrospection asks a server that describes access and refresh tokens alike, and
// accepts neither.
func TestFositeUntypedIntrospection(t *testing.T) {
	ctx := testContext(t)
	resource := introspecting(ctx, t, true)
	ours := login(ctx, t, resource.Server, resource.MCPURL())
	for name, token := range map[string]string{"an access token": ours.AccessToken, "a refresh token": ours.RefreshToken} {
		t.Run("refuses "+name, func(t *testing.T) {
			wantRefused(t, resource, token, "reason=token_type", "does not say what kind of token")
		})
	}
}

// introspecting is a resource server that asks a server about tokens.
func introspecting(ctx context.Context, t *testing.T, untyped bool) *harness.ResourceServer {
	t.Helper()
	resource := &harness.ResourceServer{Binary: suite.custom, LogDir: logDir(t), Port: port(ctx, t)}
	server, err := fosite.Start(ctx, fosite.Config{
		LogDir: logDir(t), Port: port(ctx, t), Resources: []string{resource.MCPURL(), otherResource}, Introspected: true, Untyped: untyped,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	resource.Server = server
	startResource(ctx, t, resource)
	return resource
}

func startResource(ctx context.Context, t *testing.T, resource *harness.ResourceServer, args ...string) {
	t.Helper()
	if err := resource.Start(ctx, args...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
}

// login gets tokens for a new client.
func login(ctx context.Context, t *testing.T, server harness.Server, target string) *harness.Tokens {
	t.Helper()
	client, err := harness.NewOAuthClient(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := client.Login(ctx, "openid email", target)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// checkTampered changes a good token in the ways that an attacker would try first.
func checkTampered(t *testing.T, resource *harness.ResourceServer, good, another string) {
	t.Helper()
	parts := strings.Split(good, ".")
	var claims map[string]any
	decoded, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(decoded, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	claims["sub"] = "somebody-else"
	changed, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	for name, c := range map[string]struct{ token, reason string }{
		"refuses a changed subject": {parts[0] + "." + encode(changed) + "." + parts[2], "reason=bad_signature"},
		"refuses another token's signature": {
			parts[0] + "." + parts[1] + another[strings.LastIndexByte(another, '.'):], "reason=bad_signature",
		},
		"refuses alg none": {encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + ".AA", "reason=algorithm_not_allowed"},
	} {
		t.Run(name, func(t *testing.T) { wantRefused(t, resource, c.token, c.reason) })
	}
}
