package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	// renews tells whether the client asks for a refresh token without the application's help, and so lives through the
	// end of its access token without a login.
	renews bool
}{
	{"ts-v1", nodeScript("ts-v1"), false},
	{"ts-v2", nodeScript("ts-v2"), true},
	{"mcp-remote", nodeScript("mcp-remote"), true},
	{"inspector", node22Script("inspector"), true},
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

// node22Script is for clients that want a newer Node.js than the others.
func node22Script(name string) func() []string {
	return func() []string {
		return []string{suite.node22, filepath.Join(suite.root, "clients", name, "client.mjs")}
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
				steps, asked := travel(ctx, t, dir, client.command(), resource)
				checkJourney(ctx, t, steps, asked, resource, client.renews)
			})
		}
	}
	if ran == 0 && selected != "" {
		t.Fatalf("CELL=%s selects no cell", selected)
	}
}

// stepUpScope is what the resource server asks for after it was raised. The authorization servers know it, and no client
// asks for it before.
const stepUpScope = "notes:write"

// travel runs a client through its journey and returns what it said and what it asked the authorization server for.
func travel(ctx context.Context, t *testing.T, dir string, command []string, resource *harness.ResourceServer) (*events, []harness.AuthorizeRequest) {
	t.Helper()
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o750); err != nil {
		t.Fatal(err)
	}
	// It holds tokens.
	defer func() { _ = os.RemoveAll(work) }()
	signIn := harness.NewSignIn(resource.Server, func(context.Context) error {
		// Not the request's context: the process must outlive it.
		return resource.Restart(ctx, "--scope", stepUpScope)
	})
	defer signIn.Stop()
	steps := new(events)
	err := harness.Run(ctx, harness.Command{
		Name: "client", LogDir: dir, Path: command[0], Args: command[1:],
		Env: []string{
			"E2E_MCP_URL=" + resource.MCPURL(),
			"E2E_LOGIN_URL=" + signIn.URL(),
			"E2E_STEP_UP=yes",
			"E2E_WORK=" + work,
		},
		Output: steps.add,
	})
	if err != nil {
		t.Error(err)
	}
	for _, line := range steps.bad {
		t.Errorf("the client prints a line that is no step: %q", line)
	}
	return steps, signIn.Requests()
}

func checkJourney(
	ctx context.Context, t *testing.T, steps *events, asked []harness.AuthorizeRequest, resource *harness.ResourceServer, renews bool,
) {
	t.Helper()
	login := steps.step(t, "login")
	if login.Logins != 1 {
		t.Errorf("login: %d logins, want 1", login.Logins)
	}
	for _, request := range asked {
		if request.Resource != resource.MCPURL() || request.ChallengeMethod != "S256" {
			t.Errorf("the client asks for resource %q with PKCE %q", request.Resource, request.ChallengeMethod)
		}
	}
	if tools := steps.step(t, "list").Tools; !slices.Contains(tools, "whoami") {
		t.Errorf("list: tools %q lack whoami", tools)
	}
	checkCaller(t, "whoami", resource.Server, steps.step(t, "whoami").Caller)

	renewed := steps.step(t, "renew")
	checkCaller(t, "renew", resource.Server, renewed.Caller)
	if want := map[bool]int{true: 0, false: 1}[renews]; renewed.Logins != want {
		t.Errorf("renew: %d logins, want %d", renewed.Logins, want)
	}
	if !renews {
		refreshed := steps.step(t, "refresh")
		checkCaller(t, "refresh", resource.Server, refreshed.Caller)
		if refreshed.Logins != 1 { // the one that got the refresh token
			t.Errorf("refresh: %d logins, want 1", refreshed.Logins)
		}
	}
	if !steps.step(t, "bad token").LoginRequired {
		t.Error("bad token: the client did not ask for a login")
	}

	raised := steps.step(t, "step-up")
	checkCaller(t, "step-up", resource.Server, raised.Caller)
	if raised.Logins != 1 || !slices.Contains(raised.Caller.Scopes, stepUpScope) {
		t.Errorf("step-up: %d logins, scopes %q; want one login for %s", raised.Logins, raised.Caller.Scopes, stepUpScope)
	}
	checkRefusals(ctx, t, resource)
}

// checkRefusals looks at the challenges themselves (RS-2, RS-6).
func checkRefusals(ctx context.Context, t *testing.T, resource *harness.ResourceServer) {
	t.Helper()
	metadata := resource.Origin() + "/.well-known/oauth-protected-resource/mcp"
	for token, wantError := range map[string]string{"": "", "stale": "invalid_token"} {
		answer, err := resource.Ping(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		checkChallenge(t, "token "+strconv.Quote(token), answer.Status, answer.Challenge, wantError, metadata)
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
