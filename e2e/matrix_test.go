package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/matrix"
	"github.com/latchkey-auth/latchkey/e2e/servers/replica"
	"github.com/latchkey-auth/latchkey/gen/specfacts"
)

func readCells(t *testing.T) *matrix.Matrix {
	t.Helper()
	cells, err := matrix.Read("cells.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range replica.Generic() {
		cells.AddReplica(provider.Name, provider.Title)
	}
	return cells
}

// TestCellsAreListed compares the servers and clients of the tests with those of cells.yaml.
func TestCellsAreListed(t *testing.T) {
	cells := readCells(t)
	var run, listed [2][]string
	for _, server := range peers() {
		run[0] = append(run[0], server.name)
	}
	for _, client := range clients {
		run[1] = append(run[1], client.name)
	}
	for _, server := range cells.Servers {
		listed[0] = append(listed[0], server.Name)
	}
	for _, client := range cells.Clients {
		listed[1] = append(listed[1], client.Name)
	}
	for i, what := range []string{"servers", "clients"} {
		for _, name := range run[i] {
			if !slices.Contains(listed[i], name) {
				t.Errorf("%s: cells.yaml does not list %s", what, name)
			}
		}
		for _, name := range listed[i] {
			if !slices.Contains(run[i], name) {
				t.Errorf("%s: cells.yaml lists %s, which no test starts", what, name)
			}
		}
	}
}

// TestVersionsAreThePinnedOnes compares the versions of cells.yaml with what is installed.
func TestVersionsAreThePinnedOnes(t *testing.T) {
	cells := readCells(t)
	check := func(name string, pinned matrix.Pinned) {
		t.Helper()
		if got, err := installedVersion(pinned.By); err != nil || got != pinned.Version {
			t.Errorf("%s: cells.yaml says %s, %s says %s (%v)", name, pinned.Version, pinned.By, got, err)
		}
	}
	for _, server := range cells.Servers {
		check(server.Name, server.Pinned)
	}
	for _, client := range cells.Clients {
		check(client.Name, client.Pinned)
	}
}

// TestSpecsSayWhatIsSeen compares what specs say of the software that is seen with them, which
// provider pages show, with the servers of the matrix.
func TestSpecsSayWhatIsSeen(t *testing.T) {
	seen := map[string]map[matrix.Kind][]string{}
	for _, server := range readCells(t).Servers {
		if seen[server.Provider] == nil {
			seen[server.Provider] = map[matrix.Kind][]string{}
		}
		if known := seen[server.Provider][server.Kind]; !slices.Contains(known, server.Software()) {
			seen[server.Provider][server.Kind] = append(known, server.Software())
		}
	}
	files, err := filepath.Glob("../specs/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		facts, err := specfacts.Read(file, text)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		for kind, says := range map[matrix.Kind][]string{matrix.Real: facts.Seen, matrix.Emulation: facts.Imitated} {
			if want := seen[name][kind]; !slices.Equal(slices.Sorted(slices.Values(says)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%s: docs.verified says %q of %s software, cells.yaml says %q", name, says, kind, want)
			}
		}
	}
}

func installedVersion(by string) (string, error) {
	kind, name, _ := strings.Cut(by, ":")
	switch kind {
	case "npm":
		return npmVersion(name)
	case "go":
		return submatch("go.mod", `(?m)^(?:require )?\s*`+regexp.QuoteMeta(name)+` (\S+)`)
	case "py":
		return submatch("clients/fastmcp/requirements.txt", `(?m)^`+regexp.QuoteMeta(name)+`==(\S+)`)
	case "run":
		return submatch("run", `(?m)^`+regexp.QuoteMeta(name)+`=(\S+)`)
	case "built":
		folder, module, _ := strings.Cut(name, "/")
		return submatch(filepath.Join("built", folder, "go.mod"), `(?m)^(?:require )?\s*`+regexp.QuoteMeta(module)+` (\S+)`)
	case "repository":
		return "this one", nil
	}
	return "", fmt.Errorf("%q is none of npm:, go:, py:, run:, built:, repository", by)
}

func npmVersion(name string) (string, error) {
	text, err := os.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return "", err
	}
	return lock.Packages["node_modules/"+name].Version, nil
}

func submatch(file, pattern string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s has no %s", file, pattern)
	}
	return string(found[1]), nil
}

// TestPageFits holds docs/compatibility.md to cells.yaml and to a run that proves it.
func TestPageFits(t *testing.T) {
	const remedy = "run make e2e, then make compatibility"
	results, err := matrix.ReadResults("../docs/compatibility/results.json")
	if err != nil {
		t.Fatalf("%v: %s", err, remedy)
	}
	want, err := readCells(t).Page(results)
	if err != nil {
		t.Fatalf("%v\n%s", err, remedy)
	}
	page, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want) {
		t.Error("docs/compatibility.md is not that of cells.yaml and the results: run make compatibility")
	}
}

// unseen are the reasons whose evidence no test can look at, and why.
var unseen = map[string]string{
	"no-scopes-of-ones-own": "it is about a service that cannot run here; in the cells the callers must have the scope already",
}

// TestEvidenceCanBeSeen says that every reason rests on something that a test looks at: a peer's
// source, or a log that its cells must show. A page may change, or go, or have been misread.
func TestEvidenceCanBeSeen(t *testing.T) {
	reasons := readCells(t).Reasons
	for name, reason := range reasons {
		seen := slices.ContainsFunc(reason.Evidence, func(e matrix.Evidence) bool { return e.Source != "" || e.Log != "" })
		if _, excused := unseen[name]; seen == excused {
			t.Errorf("reason %s: a source or a log: %t, excused: %t", name, seen, excused)
		}
	}
	for name := range unseen {
		if _, found := reasons[name]; !found {
			t.Errorf("there is no reason %s", name)
		}
	}
}

// TestEvidenceIsThere looks the evidence of cells.yaml up in the peers' own sources, as they are
// installed.
func TestEvidenceIsThere(t *testing.T) {
	for name, reason := range readCells(t).Reasons {
		for _, evidence := range reason.Evidence {
			if evidence.Source == "" {
				continue
			}
			t.Run(name+" at "+evidence.Source, func(t *testing.T) {
				file, err := sourceFile(t, evidence.Source)
				if err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				lines := strings.Split(string(text), "\n")
				if evidence.Line > len(lines) || !strings.Contains(lines[evidence.Line-1], evidence.Text) {
					t.Errorf("line %d is not %q", evidence.Line, evidence.Text)
				}
			})
		}
	}
}

// sourceFile finds a file of a peer where it is installed.
func sourceFile(t *testing.T, source string) (string, error) {
	t.Helper()
	kind, path, found := strings.Cut(source, ":")
	if !found {
		return filepath.Join("..", source), nil
	}
	switch kind {
	case "npm":
		return filepath.Join("node_modules", path), nil
	case "py":
		python := needed(t, "E2E_PYTHON", "FastMCP needs Python 3.11 or newer with venv")
		output, err := exec.CommandContext(t.Context(), python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").Output()
		return filepath.Join(strings.TrimSpace(string(output)), path), err
	case "go":
		return goSource(t, path)
	}
	return "", errors.New("the source is none of npm:, go:, py:, or a path in this repository")
}

// goSource finds a file "MODULE/PATH" of a dependency.
func goSource(t *testing.T, path string) (string, error) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}", "all").Output()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(output)) {
		module, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if rest, below := strings.CutPrefix(path, module+"/"); below && dir != "" {
			return filepath.Join(dir, rest), nil
		}
	}
	return "", fmt.Errorf("no module has %s", path)
}
