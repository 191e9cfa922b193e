package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/cli"
)

// run is one call of the command line.
func run(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// module makes a Go module with the specs of the given files and returns its folder.
func module(t *testing.T, specs ...string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com/mine // a comment\n\ngo 1.26\n")
	for _, file := range specs {
		write(t, filepath.Join(dir, "specs", filepath.Base(file)), read(t, file))
	}
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func generateIn(t *testing.T, dir string, more ...string) (code int, out, err string) {
	t.Helper()
	return run(t, append([]string{
		"generate", "--specs", filepath.Join(dir, "specs"), "--out", filepath.Join(dir, "internal", "providers"),
		"--docs", filepath.Join(dir, "docs"), "--env", filepath.Join(dir, ".env.example"),
	}, more...)...)
}

const (
	keycloak = "../../../specs/keycloak.yaml"
	auth0    = "../../../specs/auth0.yaml"
)

// TestGeneratedFilesAreUpToDate is the drift check: what is in the tree is what the specs give.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"of the built-in providers": {
			"--specs", "../../../specs", "--out", "../../../providers_gen", "--docs", "../../../docs", "--env", "../../../.env.example",
		},
		"of the goldens": {
			"--specs", "../golden/specs", "--out", "../golden/providers", "--docs", "../golden/docs",
			"--env", "../golden/env.example",
		},
	} {
		t.Run("the files "+name+" are what the generator makes of the specs", func(t *testing.T) {
			t.Parallel()
			if code, stdout, stderr := run(t, append([]string{"generate", "--check"}, args...)...); code != cli.OK {
				t.Errorf("exit code %d: run make generate\n%s%s", code, stdout, stderr)
			}
		})
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	t.Run("writes packages with the import paths of the module around them", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak, auth0)
		if code, _, stderr := generateIn(t, dir); code != cli.OK || stderr != "" {
			t.Fatalf("exit code %d, says %s", code, stderr)
		}
		registry := read(t, filepath.Join(dir, "internal/providers/all/keycloak_gen.go"))
		if !strings.Contains(registry, `"example.com/mine/internal/providers/keycloak"`) {
			t.Errorf("the registry does not import the package:\n%s", registry)
		}
	})
	t.Run("writes the pages, the sample of variables and the schema, where they are wanted", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		if code, _, stderr := generateIn(t, dir); code != cli.OK {
			t.Fatal(stderr)
		}
		for file, want := range map[string]string{
			"docs/providers/keycloak.md": "# Keycloak", "docs/providers/README.md": "(keycloak.md)",
			"docs/spec-reference.md": "## `endpoints`", ".env.example": "#MCP_USE_OAUTH_KEYCLOAK_REALM=mcp\n",
			"specs/schema.json": `"https://json-schema.org/draft/2020-12/schema"`,
		} {
			if !strings.Contains(read(t, filepath.Join(dir, file)), want) {
				t.Errorf("%s does not contain %q", file, want)
			}
		}
		other := module(t, keycloak)
		code, _, stderr := run(t, "generate", "--specs", filepath.Join(other, "specs"), "--out", filepath.Join(other, "providers"), "--docs=", "--env=")
		if code != cli.OK {
			t.Fatal(stderr)
		}
		for _, file := range []string{"docs", ".env.example"} {
			if _, err := os.Stat(filepath.Join(other, file)); err == nil {
				t.Errorf("%s is there", file)
			}
		}
	})
	t.Run("removes the package of a spec that is gone, and nothing else", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak, auth0)
		generateIn(t, dir)
		mine := filepath.Join(dir, "internal/providers/keycloak/mine.go")
		write(t, mine, "package keycloak\n")
		if err := os.Remove(filepath.Join(dir, "specs/auth0.yaml")); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := generateIn(t, dir); code != cli.OK {
			t.Fatal(stderr)
		}
		if _, err := os.Stat(filepath.Join(dir, "internal/providers/auth0")); err == nil {
			t.Error("the package of the removed spec is left")
		}
		if _, err := os.Stat(filepath.Join(dir, "docs/providers/auth0.md")); err == nil {
			t.Error("the page of the removed spec is left")
		}
		if _, err := os.Stat(filepath.Join(dir, "internal/providers/all/auth0_gen.go")); err == nil {
			t.Error("the removed spec is left in the registry")
		}
		read(t, mine)
	})
	t.Run("changes nothing when one of the specs is wrong, and says all that is", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak)
		generateIn(t, dir)
		before := read(t, filepath.Join(dir, "internal/providers/keycloak/keycloak_gen.go"))
		write(t, filepath.Join(dir, "specs/keycloak.yaml"), strings.Replace(read(t, keycloak), "title: Keycloak", "title: Other", 1))
		write(t, filepath.Join(dir, "specs/bad.yaml"), "spec: 1\nname: bad\ntitel: Bad\n")
		write(t, filepath.Join(dir, "specs/worse.yml"), "spec: 3\n")
		code, _, stderr := generateIn(t, dir)
		if code != cli.Failed {
			t.Errorf("exit code %d, want %d", code, cli.Failed)
		}
		for _, want := range []string{"specs/bad.yaml:3:1: ", `did you mean "title"?`, "specs/worse.yml:1:7: "} {
			if !strings.Contains(stderr, want) {
				t.Errorf("does not say %q:\n%s", want, stderr)
			}
		}
		if read(t, filepath.Join(dir, "internal/providers/keycloak/keycloak_gen.go")) != before {
			t.Error("a file was changed")
		}
	})
	t.Run("changes nothing when a file of somebody else is in the way", func(t *testing.T) {
		t.Parallel()
		dir := module(t, keycloak, auth0)
		mine := filepath.Join(dir, "internal/providers/keycloak/keycloak_gen.go")
		write(t, mine, "package keycloak // mine\n")
		code, _, stderr := generateIn(t, dir)
		if code != cli.Failed || !strings.Contains(stderr, "keycloak_gen.go is in the way") {
			t.Errorf("exit code %d, says %s", code, stderr)
		}
		if read(t, mine) != "package keycloak // mine\n" {
			t.Error("the file was overwritten")
		}
		if _, err := os.Stat(filepath.Join(dir, "internal/providers/auth0")); err == nil {
			t.Error("something was written")
		}
	})
	t.Run("says what to do where there is no spec, no folder and no module", func(t *testing.T) {
		t.Parallel()
		empty := module(t)
		write(t, filepath.Join(empty, "specs/readme.txt"), "no spec")
		homeless := t.TempDir()
		write(t, filepath.Join(homeless, "specs/keycloak.yaml"), read(t, keycloak))
		for want, dir := range map[string]string{
			"there are no specs in": empty, "no such file": module(t), "go mod init": homeless,
		} {
			if code, _, stderr := generateIn(t, dir); code != cli.Failed || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d, says %q, want %q", code, stderr, want)
			}
		}
	})
}

func TestGenerateCheck(t *testing.T) {
	t.Parallel()
	dir := module(t, keycloak, auth0)
	file := filepath.Join(dir, "internal/providers/keycloak/keycloak_gen.go")
	code, stdout, stderr := generateIn(t, dir, "--check")
	if code != cli.Failed || !strings.Contains(stdout, "+++ ") || !strings.Contains(stderr, "not up to date") {
		t.Errorf("before: exit code %d, prints %.200s, says %s", code, stdout, stderr)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("--check wrote a file")
	}
	generateIn(t, dir)
	if code, stdout, stderr := generateIn(t, dir, "--check"); code != cli.OK || stdout+stderr != "" {
		t.Errorf("up to date: exit code %d, prints %s, says %s", code, stdout, stderr)
	}
	changed := strings.Replace(read(t, file), `"Keycloak"`, `"Changed"`, 1)
	write(t, file, changed)
	code, stdout, _ = generateIn(t, dir, "--check")
	if code != cli.Failed || !strings.Contains(stdout, "\n-\tin := runtime.NewInputs(\"Changed\", opts...)\n+\tin := runtime.NewInputs(\"Keycloak\", opts...)\n") {
		t.Errorf("drifted: exit code %d, prints\n%s", code, stdout)
	}
	if read(t, file) != changed {
		t.Error("--check changed a file")
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "example.yaml")
	write(t, bad, read(t, "../spec/testdata/errors/unknown-key.yaml"))
	warned := filepath.Join(t.TempDir(), "example.yaml")
	write(t, warned, read(t, "../spec/testdata/errors/todo.yaml"))
	t.Run("is silent about good specs", func(t *testing.T) {
		t.Parallel()
		if code, stdout, stderr := run(t, "lint", keycloak, auth0); code != cli.OK || stdout+stderr != "" {
			t.Errorf("exit code %d, prints %s, says %s", code, stdout, stderr)
		}
	})
	t.Run("shows the line and the place", func(t *testing.T) {
		t.Parallel()
		code, _, stderr := run(t, "lint", bad)
		if code != cli.Failed || !strings.Contains(stderr, "example.yaml:17:3: unknown key \"jwk\"") || !strings.Contains(stderr, "\n\t  ^\n") {
			t.Errorf("exit code %d, says %s", code, stderr)
		}
	})
	t.Run("shows warnings and passes", func(t *testing.T) {
		t.Parallel()
		if code, _, stderr := run(t, "lint", warned); code != cli.OK || !strings.Contains(stderr, "warning: ") {
			t.Errorf("exit code %d, says %s", code, stderr)
		}
	})
	t.Run("prints JSON", func(t *testing.T) {
		t.Parallel()
		code, stdout, _ := run(t, "lint", "--format", "json", bad)
		var problems []struct{ Rule, Suggestion string }
		if err := json.Unmarshal([]byte(stdout), &problems); err != nil || code != cli.Failed {
			t.Fatalf("exit code %d, %v: %s", code, err, stdout)
		}
		if len(problems) != 1 || problems[0].Rule != "unknown-key" || problems[0].Suggestion != "jwks" {
			t.Errorf("problems are %+v", problems)
		}
	})
	t.Run("prints annotations for GitHub", func(t *testing.T) {
		t.Parallel()
		if code, stdout, _ := run(t, "lint", "--format", "github", bad); code != cli.Failed || !strings.HasPrefix(stdout, "::error file=") {
			t.Errorf("exit code %d, prints %s", code, stdout)
		}
	})
}

func TestSchema(t *testing.T) {
	t.Parallel()
	code, stdout, _ := run(t, "schema")
	if code != cli.OK || stdout != read(t, "../../../specs/schema.json") {
		t.Errorf("exit code %d, and not the schema that is beside the specs", code)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"nonsense"}, {"lint"}, {"lint", "no-such-file.yaml"}, {"lint", "--format", "xml", keycloak}, {"generate", "--nonsense"}} {
		if code, _, stderr := run(t, args...); code != cli.Usage || stderr == "" {
			t.Errorf("%q: exit code %d, want %d, says %s", args, code, cli.Usage, stderr)
		}
	}
	for _, args := range [][]string{{"--help"}, {}, {"lint", "--help"}} {
		if code, stdout, _ := run(t, args...); code != cli.OK || !strings.Contains(stdout, "Usage: latchkey-gen") {
			t.Errorf("%q: exit code %d, prints %s", args, code, stdout)
		}
	}
}
