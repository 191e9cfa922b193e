package e2e

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/keycloak"
)

// startRealm makes a realm for one resource, with an audience mapper.
func startRealm(ctx context.Context, t *testing.T, resource string) harness.Server {
	t.Helper()
	return newRealm(ctx, t, keycloak.RealmConfig{Audience: resource, OptionalScopes: []string{stepUpScope}})
}

func newRealm(ctx context.Context, t *testing.T, c keycloak.RealmConfig) *keycloak.Realm {
	t.Helper()
	realm, err := keycloakInstance(t).NewRealm(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return realm
}

// keycloakInstance is one server for all tests, since it takes long to start; each test has its own
// realm.
func keycloakInstance(t *testing.T) *keycloak.Instance {
	t.Helper()
	instance, err := startKeycloak(needed(t, "E2E_KEYCLOAK_HOME", "Keycloak needs Java 17 or newer and Maven"))
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

// warmKeycloak starts the server while other tests run.
func warmKeycloak() {
	if home := os.Getenv("E2E_KEYCLOAK_HOME"); home != "" {
		go func() { _, _ = startKeycloak(home) }() // the test that needs it gets the same answer
	}
}

func startKeycloak(home string) (*keycloak.Instance, error) {
	k := &suite.keycloak
	k.once.Do(func() {
		ctx := context.Background() // not a test's: the server outlives the first one, and TestMain stops it
		var port int
		if port, k.err = suite.ports.Next(ctx); k.err == nil {
			k.instance, k.err = keycloak.Start(ctx, keycloak.Config{Home: home, LogDir: suite.run, Port: port})
		}
	})
	return k.instance, k.err
}

// TestKeycloakTokens shows which of a realm's tokens open the resource, and what they say of the
// user.
// covers: T-TOK-13, RS-5
func TestKeycloakTokens(t *testing.T) {
	ctx := testContext(t)
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	resource.Server = newRealm(ctx, t, keycloak.RealmConfig{Audience: resource.MCPURL()})
	if err := resource.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	tokens := keycloakLogin(ctx, t, resource)

	t.Run("accepts an access token, with the roles of realm and client", func(t *testing.T) {
		caller := wantCaller(t, resource, tokens.AccessToken)
		if caller.User.Email != "ada@example.com" || caller.User.Name != "Ada Lovelace" || caller.User.Username != "ada" {
			t.Errorf("the user is %+v", caller.User)
		}
		if !slices.Contains(caller.User.Roles, "editor") {
			t.Errorf("roles %q lack the realm's editor", caller.User.Roles)
		}
		if !slices.Contains(caller.Permissions, "reports:read") {
			t.Errorf("permissions %q lack the client's reports:read", caller.Permissions)
		}
	})
	t.Run("warns of none of the realm's keys, of which one is for encryption", func(t *testing.T) {
		if log := resource.Log(); !strings.Contains(log, "key set is new") || strings.Contains(log, "is ignored") {
			t.Errorf("the log says\n%s", log)
		}
	})
	t.Run("refuses an ID token of the same realm", func(t *testing.T) {
		wantRefused(t, resource, tokens.IDToken, "request refused")
	})
	t.Run("refuses a refresh token of the same realm", func(t *testing.T) {
		wantRefused(t, resource, tokens.RefreshToken, "reason=algorithm_not_allowed", "probably a refresh token")
	})
	t.Run("refuses a token of another realm of the same server", func(t *testing.T) {
		other := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: resource.Port}
		other.Server = newRealm(ctx, t, keycloak.RealmConfig{Audience: resource.MCPURL()})
		wantRefused(t, resource, keycloakLogin(ctx, t, other).AccessToken, "request refused")
	})
}

// TestKeycloakWithoutMapper shows that tokens that name no audience are refused, and that the log
// says what to do.
func TestKeycloakWithoutMapper(t *testing.T) {
	ctx := testContext(t)
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	resource.Server = newRealm(ctx, t, keycloak.RealmConfig{})
	if err := resource.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	wantRefused(t, resource, keycloakLogin(ctx, t, resource).AccessToken,
		"reason=audience", "mapper of type Audience", "Included Custom Audience")
}

func keycloakLogin(ctx context.Context, t *testing.T, resource *harness.ResourceServer) *harness.Tokens {
	t.Helper()
	client, err := harness.NewOAuthClient(ctx, resource.Server)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := client.Login(ctx, "openid profile email offline_access mcp:tools", resource.MCPURL())
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}
