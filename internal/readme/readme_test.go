// Package readme_test holds the README to its word.
package readme_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/providers_gen/all"
)

const root = "../../"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// squeezed is code without indentation and blank lines.
func squeezed(code string) []string {
	var lines []string
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Every line of Go in the README stands in an example, in the same order; the examples are
// compiled, run and tested.
func TestGoCodeIsThatOfTheExamples(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	examples := []string{"examples/echo/main.go", "examples/nethttp/main.go", "runtime/example_site_test.go"}
	if len(blocks) != len(examples) {
		t.Fatalf("%d blocks of Go for %d examples", len(blocks), len(examples))
	}
	for i, example := range examples {
		source := squeezed(read(t, example))
		for _, line := range squeezed(blocks[i][1]) {
			at := -1
			for j, candidate := range source {
				if candidate == line {
					at = j
					break
				}
			}
			if at < 0 && line != "log.Fatal(err)" && line != "}" && line != "return nil, err" {
				t.Errorf("%s has no line %q behind the one before", example, line)
				continue
			}
			source = source[max(at, 0):]
		}
	}
}

// The table's rows are true. It need not have all providers, so that a new one is its spec alone:
// the generated index in docs/providers has them.
func TestProviderTableIsTrue(t *testing.T) {
	t.Parallel()
	text := read(t, "README.md")
	_, rest, ok := strings.Cut(text, "<!-- providers: checked by a test -->\n| provider | package | mode | required variables |\n|---|---|---|---|\n")
	table, _, ok2 := strings.Cut(rest, "<!-- /providers -->")
	if !ok || !ok2 {
		t.Fatal("the README has no table of providers")
	}
	rows := map[string]bool{}
	for _, p := range all.Providers() {
		rows[fmt.Sprintf("| [%s](docs/providers/%s.md) | `providers_gen/%s` | %s | %s |\n", p.Title, p.Name, p.Name, p.Mode, variablesOf(p))] = true
	}
	listed := 0
	for row := range strings.Lines(table) {
		if !rows[row] {
			t.Errorf("no provider is like %s", row)
		}
		listed++
	}
	if listed < 7 {
		t.Errorf("the table has %d providers", listed)
	}
}

// variablesOf are the variables that a provider needs: the required ones or, where one of several
// will do, those.
func variablesOf(p all.Provider) string {
	if p.New == nil {
		return "configured in Go"
	}
	var required, optional []string
	for _, f := range p.Fields {
		switch {
		case f.Required:
			required = append(required, "`"+f.Env+"`")
		case f.Env != "" && !f.Secret:
			optional = append(optional, "`"+f.Env+"`")
		}
	}
	if len(required) == 0 {
		return strings.Join(optional, " or ")
	}
	return strings.Join(required, ", ")
}

func TestLinksAndTargetsExist(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		text := read(t, name)
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, link[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, link[1])
			}
		}
		makefile := read(t, "Makefile")
		for _, target := range regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)").FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+target[1]+":") {
				t.Errorf("%s names make %s, which is not there", name, target[1])
			}
		}
	}
}
