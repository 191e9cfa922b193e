package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/matrix"
	"github.com/latchkey-auth/latchkey/e2e/servers/embedded"
)

// peer is an authorization server of the matrix. The file cells.yaml says what is to be known of
// it, and of its cells.
type peer struct {
	name  string
	start func(ctx context.Context, t *testing.T, resource string) harness.Server
	// binary is the program of the resource server in front of it; nil is the latchkey command
	// line.
	binary func() string
	// stepUp is the scope that no client asks for before it calls the tool step_up; empty is
	// stepUpScope. The server knows it, and gives it to clients that ask for it.
	stepUp string
	// warm begins to start what takes long, while the cells of other servers run. May be nil.
	warm func()
}

// stepUpScope is what the tool step_up needs where a server can be given any scope.
const stepUpScope = "notes:write"

func (p peer) scope() string { return cmp.Or(p.stepUp, stepUpScope) }

// peers and clients span the matrix.
func peers() []peer {
	return slices.Concat(directPeers(), brokeredPeers(), libraryPeers(), replicaPeers())
}

// directPeers register clients themselves.
func directPeers() []peer {
	return []peer{
		{name: "betterauth", start: startBetterAuth},
		{name: "keycloak", start: startRealm, warm: warmKeycloak},
		{name: "oidc-provider", start: startOIDCProvider, binary: customServer},
		{name: "glewlwyd", start: startGlewlwyd, binary: customServer},
		{name: "embedded", start: startEmbedded},
	}
}

// client is an MCP client of the matrix.
type client struct {
	name string
	// command is the program and its arguments.
	command func(t *testing.T) []string
	// page tells that the client is a page in a browser, whose origin the resource server has to
	// admit.
	page bool
}

var clients = []client{
	{name: "ts-v1", command: nodeScript("ts-v1")},
	{name: "ts-v2", command: nodeScript("ts-v2")},
	{name: "mcp-remote", command: nodeScript("mcp-remote")},
	{name: "inspector", command: node22Script("inspector")},
	{name: "go-sdk", command: func(*testing.T) []string { return []string{suite.goClient} }},
	{name: "fastmcp", command: fastMCP},
	{name: "browser", command: nodeScript("browser"), page: true},
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
	python := needed(t, "E2E_PYTHON", "FastMCP needs Python 3.11 or newer with venv")
	return []string{python, filepath.Join(suite.root, "clients", "fastmcp", "client.py")}
}

func startEmbedded(ctx context.Context, t *testing.T, _ string) harness.Server {
	t.Helper()
	return embedded.New(port(ctx, t))
}

// TestCells makes every client log in at every server and go through the journey of
// clients/README.md, as cells.yaml says of the pair. CELL selects pairs by globs, such as
// keycloak/*: those that are left to make e2e-all too.
func TestCells(t *testing.T) { //nolint:tparallel // beside no other test: some of them watch the time
	cells := readCells(t)
	results := cells.NewResults(os.Getenv("CELL"), suite.all)
	t.Cleanup(func() { conclude(t, cells, results) })
	selected := 0
	for _, server := range warmLast(peers()) {
		for _, client := range clients {
			name := server.name + "/" + client.name
			listed, _ := cells.Server(server.name)
			cell, found := listed.Cells[client.name]
			chosen, err := results.Includes(name, cell)
			if err != nil {
				t.Fatalf("CELL: %v", err)
			}
			if !chosen || !found {
				continue // TestCellsAreListed tells what is not found
			}
			selected++
			if server.warm != nil {
				server.warm()
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if !cell.Runs() {
					tryExcluded(t, cells, server, client)
					return
				}
				runCell(t, cells, results, server, client)
			})
		}
	}
	if selected == 0 {
		t.Fatalf("CELL=%s selects no cell that runs", results.Selected)
	}
}

// warmLast puts those last that take long to start.
func warmLast(servers []peer) []peer {
	slow := func(p peer) bool { return p.warm != nil }
	quick := slices.DeleteFunc(slices.Clone(servers), slow)
	return append(quick, slices.DeleteFunc(servers, func(p peer) bool { return !slow(p) })...)
}

func runCell(t *testing.T, cells *matrix.Matrix, results *matrix.Results, server peer, client client) {
	t.Helper()
	ctx, started := testContext(t), time.Now()
	j := newJourney(t, cells, server, client)
	t.Cleanup(func() {
		result := j.result()
		result.Server, result.Client, result.Seconds = server.name, client.name, time.Since(started).Seconds()
		result.Outcome = outcome(t, matrix.OK)
		results.Add(result)
		printCell(t, result)
	})
	command := client.command(t) // before anything starts: it may not be installed
	j.prepare(ctx, t, server, client)
	j.travel(ctx, t, command)
	j.check(ctx, t)
	checkLeaks(t, j.dir, j.resource.Server)
}

// tryExcluded tries the login of a pair that is excluded, which must fail in the way that the
// reason says: an exclusion ends when the client or the server gets better.
func tryExcluded(t *testing.T, cells *matrix.Matrix, server peer, client client) {
	t.Helper()
	ctx, started := testContext(t), time.Now()
	j := newJourney(t, cells, server, client)
	j.steps = cells.Steps[:1]
	j.cell.Differs = map[string]matrix.Difference{j.steps[0].Name: {Is: matrix.Fails, Because: j.cell.Excluded}}
	t.Cleanup(func() {
		result := matrix.Result{Server: server.name, Client: client.name, Seconds: time.Since(started).Seconds()}
		result.Outcome = outcome(t, matrix.Excluded)
		printCell(t, result)
	})
	command := client.command(t)
	j.prepare(ctx, t, server, client)
	j.travel(ctx, t, command)
	j.checkReasons(t)
	checkLeaks(t, j.dir, j.resource.Server)
}

// outcome is that of a test which has ended, where all is well the given one.
func outcome(t *testing.T, well matrix.Outcome) matrix.Outcome {
	t.Helper()
	switch {
	case t.Failed():
		return matrix.Failed
	case t.Skipped():
		return matrix.NotRun
	}
	return well
}

// newJourney is that of a cell, which prepare makes ready.
func newJourney(t *testing.T, cells *matrix.Matrix, server peer, client client) *journey {
	t.Helper()
	listed, _ := cells.Server(server.name)
	wanted, _ := cells.Client(client.name)
	return &journey{
		dir: logDir(t), cell: listed.Cells[client.name], steps: cells.Steps, reasons: cells.Reasons,
		client: wanted, page: client.page, scope: server.scope(),
	}
}

// prepare starts the servers.
func (j *journey) prepare(ctx context.Context, t *testing.T, server peer, client client) {
	t.Helper()
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: j.dir, Port: port(ctx, t)}
	if server.binary != nil {
		resource.Binary = server.binary()
	}
	resource.Server = server.start(ctx, t, resource.MCPURL())
	arguments := []string{"--tool-scope", j.scope}
	if client.page {
		arguments = append(arguments, j.openPage(ctx, t, resource)...)
	}
	if err := resource.Start(ctx, arguments...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	j.resource = resource
}

// printCell prints the line that a person reads.
func printCell(t *testing.T, result matrix.Result) {
	t.Helper()
	logs := strings.TrimPrefix(filepath.Join(suite.run, t.Name()), filepath.Dir(suite.root)+string(filepath.Separator))
	fmt.Printf("cell %-28s %-8s %5.1fs  logs: %s\n", result.Server+"/"+result.Client, result.Outcome, result.Seconds, logs)
}

// conclude prints the table, keeps the results for the page, and fails for cells that should have
// run.
func conclude(t *testing.T, cells *matrix.Matrix, results *matrix.Results) {
	t.Helper()
	results.End()
	cells.Table(os.Stdout, results)
	file := wholeRun
	if cells.Whole(results) != nil {
		file = "results-of-a-part.json"
	}
	if err := results.Write(filepath.Join(suite.run, file)); err != nil {
		t.Error(err)
	}
	if err := cells.Unmet(results); err != nil {
		t.Errorf("cells that cells.yaml says run:\n%v", err)
	}
}
