package e2e

import (
	"context"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/emulate"
	"github.com/latchkey-auth/latchkey/e2e/servers/oidcprovider"
)

// brokeredPeers know one application and no dynamic clients: latchkey stands in front of them in
// proxy mode.
func brokeredPeers() []peer {
	return []peer{
		{name: "emulate-google", start: startEmulate(emulate.Google())},
		{name: "emulate-github", start: startEmulate(emulate.GitHub())},
		{name: "emulate-okta", start: startEmulate(emulate.Okta()), binary: customServer},
		{name: "emulate-microsoft", start: startEmulate(emulate.Microsoft()), binary: customServer},
		{name: "oidc-provider-proxied", start: startUpstream(false), binary: customServer},
		{name: "oidc-provider-passthrough", start: startUpstream(true), binary: customServer},
		{name: "hydra", start: startHydra(false), warm: waitsForItsBuild},
		{name: "hydra-jwt", start: startHydra(true), warm: waitsForItsBuild},
	}
}

// startUpstream starts an oidc-provider that registers nobody.
func startUpstream(passthrough bool) func(context.Context, *testing.T, string) harness.Server {
	return func(ctx context.Context, t *testing.T, resource string) harness.Server {
		t.Helper()
		return newUpstream(ctx, t, resource, passthrough)
	}
}

func newUpstream(ctx context.Context, t *testing.T, resource string, passthrough bool) *oidcprovider.Upstream {
	t.Helper()
	server, err := oidcprovider.StartUpstream(ctx, oidcprovider.Config{
		Root: suite.root, Node: suite.node22, LogDir: logDir(t), Port: port(ctx, t),
	}, resource+"/oauth/callback", passthrough)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

func customServer() string { return suite.custom }

func startEmulate(service emulate.Service) func(context.Context, *testing.T, string) harness.Server {
	return func(ctx context.Context, t *testing.T, resource string) harness.Server {
		t.Helper()
		return newEmulate(ctx, t, service, resource)
	}
}

// newEmulate starts an emulator whose application is the server in proxy mode at resource.
func newEmulate(ctx context.Context, t *testing.T, service emulate.Service, resource string) *emulate.Server {
	t.Helper()
	server, err := emulate.Start(ctx, emulate.Config{
		Root: suite.root, Node: suite.node22, LogDir: logDir(t), Port: port(ctx, t),
		Service: service, RedirectURI: resource + "/oauth/callback",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}
