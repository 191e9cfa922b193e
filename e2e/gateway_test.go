package e2e

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/matrix"
)

// TestGatewayInFrontOfAServerOfOthers logs the Go SDK's client in to the reference server of the
// MCP project, which knows nothing of OAuth and keeps sessions.
func TestGatewayInFrontOfAServerOfOthers(t *testing.T) {
	ctx := testContext(t)
	upstream := startEverything(ctx, t)
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t), Server: startEmbedded(ctx, t, "")}
	if err := resource.Start(ctx, "--upstream", "http://"+upstream+"/mcp"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	j := &journey{resource: resource, dir: logDir(t), steps: []matrix.Step{{Name: "login"}, {Name: "list"}}}
	j.travel(ctx, t, []string{suite.goClient})
	if login := j.events.step(t, "login"); login.Logins != 1 || login.Server.Name != "mcp-servers/everything" {
		t.Errorf("the client logs in %d times and meets %s", login.Logins, login.Server)
	}
	if list := j.events.step(t, "list"); !slices.Contains(list.Tools, "echo") || slices.Contains(list.Tools, "whoami") {
		t.Errorf("the tools are %q", list.Tools)
	}
}

// startEverything starts the reference server and returns its address.
func startEverything(ctx context.Context, t *testing.T) string {
	t.Helper()
	number := port(ctx, t)
	process, err := harness.Start(ctx, harness.Command{
		Name: "server-everything", LogDir: logDir(t), Path: suite.node, Env: []string{fmt.Sprintf("PORT=%d", number)},
		Args: []string{filepath.Join(suite.root, "node_modules", "@modelcontextprotocol", "server-everything", "dist", "index.js"), "streamableHttp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Stop)
	address := fmt.Sprintf("127.0.0.1:%d", number)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = connection.Close()
			return address
		}
		select {
		case <-process.Done():
			t.Fatalf("the reference server ended: %s", process.Tail())
		case <-ctx.Done():
			t.Fatalf("the reference server does not listen: %s", process.Tail())
		case <-tick.C:
		}
	}
}
