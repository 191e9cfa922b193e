package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/keycloak"
	"github.com/latchkey-auth/latchkey/e2e/servers/oidcprovider"
)

// byIssuer is a server of which latchkey is told the issuer, and in mode proxy the application.
type byIssuer struct {
	harness.Server

	further []string
}

// Command implements [harness.Server].
func (byIssuer) Command(addr string) []string { return harness.Serve("oidc", addr) }

// Environment implements [harness.Server].
func (s byIssuer) Environment() []string {
	return append([]string{"MCP_USE_OAUTH_OIDC_ISSUER=" + s.Issuer()}, s.further...)
}

// Email is that of the server's user, for [harness.EmailOf].
func (s byIssuer) Email() string { return harness.EmailOf(s.Server) }

// TestAnyServerByItsIssuer puts real servers behind the provider that knows their issuer alone.
// covers: RS-5
func TestAnyServerByItsIssuer(t *testing.T) {
	t.Parallel()
	t.Run("Keycloak, mode direct", func(t *testing.T) {
		t.Parallel()
		ctx := testContext(t)
		resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
		resource.Server = byIssuer{Server: newRealm(ctx, t, keycloak.RealmConfig{Audience: resource.MCPURL()})}
		startResource(ctx, t, resource)
		tokens := keycloakLogin(ctx, t, resource)
		if caller := wantCaller(t, resource, tokens.AccessToken); caller.User.Email != "ada@example.com" || caller.Issuer != resource.Server.Issuer() {
			t.Errorf("the caller is %+v", caller)
		}
		wantRefused(t, resource, tokens.IDToken, "request refused")
		wantRefused(t, resource, tokens.RefreshToken, "request refused")
	})
	t.Run("node-oidc-provider, mode direct", func(t *testing.T) {
		t.Parallel()
		ctx := testContext(t)
		resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
		resource.Server = byIssuer{Server: newOIDCProvider(ctx, t, oidcprovider.Config{
			Algorithm: "ES256", Resources: []string{resource.MCPURL(), otherResource},
		})}
		startResource(ctx, t, resource)
		tokens := tokensFor(ctx, t, resource)
		ours := tokens[resource.MCPURL()]
		wantCaller(t, resource, ours.AccessToken)
		wantRefused(t, resource, ours.IDToken, "reason=audience")
		wantRefused(t, resource, tokens[otherResource].AccessToken, "reason=audience")
	})
	t.Run("node-oidc-provider, mode proxy", func(t *testing.T) {
		t.Parallel()
		ctx := testContext(t)
		resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
		upstream := newUpstream(ctx, t, resource.MCPURL(), false)
		_, secret, _ := strings.Cut(upstream.Environment()[0], "=")
		resource.Server = byIssuer{Server: upstream, further: []string{
			"MCP_USE_OAUTH_OIDC_CLIENT_ID=mcp-server", "MCP_USE_OAUTH_OIDC_CLIENT_SECRET=" + secret,
			"MCP_USE_OAUTH_OIDC_AUDIENCE=urn:mcp-server", "MCP_USE_OAUTH_OIDC_SCOPES=openid email offline_access",
			"MCP_USE_OAUTH_OIDC_AUTHORIZE_PARAMS=prompt=consent", // without it there are no refresh tokens
		}}
		startResource(ctx, t, resource)
		loginThroughProxy(ctx, t, resource)
	})
}

// loginThroughProxy logs a client in that registers at latchkey, refreshes, and calls a tool.
func loginThroughProxy(ctx context.Context, t *testing.T, resource *harness.ResourceServer) {
	t.Helper()
	c := discover(ctx, t, http.DefaultTransport, resource.MCPURL())
	c.findServer(ctx)
	c.register(ctx, "By issuer", loginRedirect)
	attempt := c.request("", nil)
	redirect, err := resource.Server.Login(ctx, attempt.url)
	must(t, err)
	code, refused := c.code(attempt, redirect)
	if refused != "" {
		t.Fatalf("the login ends with %s", refused)
	}
	tokens := c.refresh(ctx, c.redeem(ctx, attempt, code).RefreshToken)
	status, _, body := c.ask(ctx, http.MethodPost, c.resource, tokens.AccessToken,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`)
	if status != http.StatusOK || !strings.Contains(body, resource.Server.UserID()) {
		t.Errorf("the tool answers %d %s", status, body)
	}
}
