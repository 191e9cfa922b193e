// Package othermodule runs commands in a module of a test's own that uses this one, as its users
// do, with nothing but what this machine has downloaded.
package othermodule

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Run runs a command in the module at dir and returns what it prints. goflags is the variable
// GOFLAGS. root is this module's folder.
func Run(tb testing.TB, root, dir, goflags string, command ...string) string {
	tb.Helper()
	// Building this module downloads what it needs. Of the modules that are only named by others,
	// another module wants to see the requirements too.
	output(tb, root, os.Environ(), "go", "list", "-m", "all")
	cache := strings.TrimSpace(output(tb, root, os.Environ(), "go", "env", "GOMODCACHE"))
	return output(tb, dir, append(
		os.Environ(), "GOFLAGS="+goflags, "GOWORK=off", "GOSUMDB=off", "GOTOOLCHAIN=local",
		"GOPROXY=file://"+filepath.ToSlash(cache)+"/cache/download",
	), command...)
}

func output(tb testing.TB, dir string, environment []string, command ...string) string {
	tb.Helper()
	c := exec.CommandContext(tb.Context(), command[0], command[1:]...) //nolint:gosec // a test's own
	c.Dir, c.Env = dir, environment
	out, err := c.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return string(out)
}
