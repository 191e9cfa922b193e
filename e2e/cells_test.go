package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/betterauth"
)

// servers and clients span the matrix.
var servers = []struct {
	name  string
	start func(ctx context.Context, logDir string, port int, resource string) (harness.Server, error)
}{
	{"betterauth", startBetterAuth},
}

var clients = []struct {
	name string
	// command is the program and its arguments.
	command func() []string
	// refreshes tells whether the client asks for a refresh token without the application's help.
	refreshes bool
}{
	{"ts-v1", nodeScript("ts-v1"), false},
	{"ts-v2", nodeScript("ts-v2"), true},
}

func startBetterAuth(ctx context.Context, logDir string, port int, resource string) (harness.Server, error) {
	return betterauth.Start(ctx, betterauth.Config{
		Root: suite.root, Node: suite.node, LogDir: logDir, Port: port, Resources: []string{resource},
	})
}

func nodeScript(name string) func() []string {
	return func() []string {
		return []string{suite.node, filepath.Join(suite.root, "clients", name, "client.mjs")}
	}
}

// TestCells makes every client log in at every server, call a tool, renew its token, and be refused.
func TestCells(t *testing.T) {
	selected := os.Getenv("CELL")
	ran := 0
	for _, server := range servers {
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
				var err error
				resource.Server, err = server.start(ctx, dir, port(ctx, t), resource.MCPURL())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(resource.Server.Stop)
				if err := resource.Start(ctx); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { resource.Stop() })
				steps := travel(ctx, t, dir, client.command(), resource)
				checkJourney(t, steps, resource, client.refreshes)
			})
		}
	}
	if ran == 0 && selected != "" {
		t.Fatalf("CELL=%s selects no cell", selected)
	}
}

// travel runs a client through its journey.
func travel(ctx context.Context, t *testing.T, dir string, command []string, resource *harness.ResourceServer) *events {
	t.Helper()
	signIn := harness.NewSignIn(resource.Server, nil)
	defer signIn.Stop()
	steps := new(events)
	err := harness.Run(ctx, harness.Command{
		Name: "client", LogDir: dir, Path: command[0], Args: command[1:],
		Env: []string{
			"E2E_MCP_URL=" + resource.MCPURL(),
			"E2E_LOGIN_URL=" + signIn.URL(),
		},
		Output: steps.add,
	})
	if err != nil {
		t.Error(err)
	}
	for _, line := range steps.bad {
		t.Errorf("the client prints a line that is no step: %q", line)
	}
	return steps
}

func checkJourney(t *testing.T, steps *events, resource *harness.ResourceServer, refreshes bool) {
	t.Helper()
	metadata := resource.Origin() + "/.well-known/oauth-protected-resource/mcp"
	first := steps.step(t, "challenge")
	checkChallenge(t, "without a token", first.Status, first.Challenge, "", metadata)

	login := steps.step(t, "login")
	if login.Logins != 1 {
		t.Errorf("login: %d logins, want 1", login.Logins)
	}
	if login.Resource != resource.MCPURL() {
		t.Errorf("login: the client asked for resource %q, want %q", login.Resource, resource.MCPURL())
	}
	if login.RefreshToken != refreshes {
		t.Errorf("login: refresh token %t, want %t", login.RefreshToken, refreshes)
	}
	if tools := steps.step(t, "list").Tools; !contains(tools, "whoami") {
		t.Errorf("list: tools %q lack whoami", tools)
	}
	checkCaller(t, "whoami", resource.Server, steps.step(t, "whoami").Caller)

	renewed := steps.step(t, "renew")
	checkCaller(t, "renew", resource.Server, renewed.Caller)
	if want := map[bool]string{true: "refreshed", false: "logged in again"}[refreshes]; renewed.How != want {
		t.Errorf("renew: the client %s, want %s", renewed.How, want)
	}
	refreshed := steps.step(t, "refresh")
	checkCaller(t, "refresh", resource.Server, refreshed.Caller)
	if refreshed.How != "refreshed" || !refreshed.NewToken {
		t.Errorf("refresh: the client %s, new token %t", refreshed.How, refreshed.NewToken)
	}

	bad := steps.step(t, "bad token")
	if !bad.LoginRequired {
		t.Error("bad token: the client did not ask for a login")
	}
	checkChallenge(t, "bad token", bad.Status, bad.Challenge, "invalid_token", metadata)
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
