package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/embedded"
)

// peer is an authorization server of the matrix.
type peer struct {
	name  string
	start func(ctx context.Context, t *testing.T, resource string) harness.Server
	// stepUp tells whether a registered client may ask for a scope that the resource did not announce when it registered.
	stepUp bool
	// binary is the program of the resource server in front of it; nil is the latchkey command line.
	binary func() string
}

// peers and clients span the matrix.
func peers() []peer {
	return slices.Concat(directPeers(), brokeredPeers())
}

// directPeers register clients themselves.
func directPeers() []peer {
	return []peer{
		{name: "betterauth", start: startBetterAuth, stepUp: true},
		// Clients register with the scopes that they are about to ask for, and Keycloak holds them to that: invalid_scope.
		{name: "keycloak", start: startRealm},
		// As Keycloak.
		{name: "oidc-provider", start: startOIDCProvider, binary: func() string { return suite.custom }},
		// It forgets its clients and keys when the process is restarted to raise what it asks for.
		{name: "embedded", start: startEmbedded},
	}
}

var clients = []struct {
	name string
	// command is the program and its arguments.
	command func(t *testing.T) []string
}{
	{"ts-v1", nodeScript("ts-v1")},
	{"ts-v2", nodeScript("ts-v2")},
	{"mcp-remote", nodeScript("mcp-remote")},
	{"inspector", node22Script("inspector")},
	{"go-sdk", func(*testing.T) []string { return []string{suite.goClient} }},
	{"fastmcp", fastMCP},
}

// refreshToken says how a client comes to a refresh token.
type refreshToken string

const (
	// byItself: the client asks for what it takes, or the server gives one to everybody.
	byItself refreshToken = ""
	// withHelp: the application has to add something to the authorization request.
	withHelp refreshToken = "with the application's help"
	// never: nothing that an application could do with this SDK helps.
	never refreshToken = "never"
)

// refreshTokens are the cells where it is not byItself. Better Auth and oidc-provider want offline_access, which a resource
// does not announce (RS-10). The first generation of the TypeScript SDK asks, and registers, for what is announced and no
// more; oidc-provider holds clients to the scopes that they registered with. The Go SDK asks for it without prompt=consent,
// on which oidc-provider insists (OpenID Connect Core section 11).
var refreshTokens = map[string]refreshToken{
	"betterauth/ts-v1":     withHelp,
	"oidc-provider/ts-v1":  never,
	"oidc-provider/go-sdk": withHelp,
}

// stepsUp tells whether a client gets further scopes. The first generation of the TypeScript SDK renews its token where it
// has a refresh token, which gets it no more scopes than before, and then gives up: modelcontextprotocol/typescript-sdk#2255.
func stepsUp(client, cell string) bool {
	return client != "ts-v1" || refreshTokens[cell] != byItself
}

func nodeScript(name string) func(*testing.T) []string {
	return func(*testing.T) []string {
		return []string{suite.node, filepath.Join(suite.root, "clients", name, "client.mjs")}
	}
}

// node22Script is for clients that want a newer Node.js than the others.
func node22Script(name string) func(*testing.T) []string {
	return func(*testing.T) []string {
		return []string{suite.node22, filepath.Join(suite.root, "clients", name, "client.mjs")}
	}
}

func fastMCP(t *testing.T) []string {
	t.Helper()
	python := needed(t, "E2E_PYTHON", "FastMCP needs Python 3.10 or newer with venv")
	return []string{python, filepath.Join(suite.root, "clients", "fastmcp", "client.py")}
}

func startEmbedded(ctx context.Context, t *testing.T, _ string) harness.Server {
	t.Helper()
	return embedded.New(port(ctx, t))
}

// TestCells makes every client log in at every server, call a tool, renew its token, and be refused.
func TestCells(t *testing.T) {
	selected := os.Getenv("CELL")
	ran := 0
	for _, server := range peers() {
		for _, client := range clients {
			cell := server.name + "/" + client.name
			if selected != "" && selected != cell {
				continue
			}
			ran++
			t.Run(cell, func(t *testing.T) {
				started := time.Now()
				t.Cleanup(func() { printCell(t, cell, started) })
				ctx, dir := testContext(t), logDir(t)
				resource := &harness.ResourceServer{Binary: suite.binary, LogDir: dir, Port: port(ctx, t)}
				if server.binary != nil {
					resource.Binary = server.binary()
				}
				resource.Server = server.start(ctx, t, resource.MCPURL())
				if err := resource.Start(ctx); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(resource.Stop)
				j := &journey{resource: resource, dir: dir, stepUp: server.stepUp && stepsUp(client.name, cell), refresh: refreshTokens[cell]}
				j.travel(ctx, t, client.command(t))
				j.check(ctx, t)
			})
		}
	}
	if ran == 0 && selected != "" {
		t.Fatalf("CELL=%s selects no cell", selected)
	}
}

// printCell prints the line that a person reads.
func printCell(t *testing.T, cell string, started time.Time) {
	t.Helper()
	outcome := "ok"
	if t.Failed() {
		outcome = "FAILED"
	}
	logs := strings.TrimPrefix(filepath.Join(suite.run, t.Name()), filepath.Dir(suite.root)+string(filepath.Separator))
	fmt.Printf("cell %-28s %-6s %5.1fs  logs: %s\n", cell, outcome, time.Since(started).Seconds(), logs)
}
