package spec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// inevitable are the rules that a mistake breaks along with its own.
var inevitable = map[string][]string{
	"alias":           {"anchor"},        // an alias needs one
	"negative-number": {"secret-length"}, // such a secret is also too short
}

// TestProblems holds the words of every rule: a spec with one mistake, and what the generator says
// of it.
func TestProblems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		rule := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run("reports "+rule+" where and why it is broken", func(t *testing.T) {
			t.Parallel()
			problems := check("specs/example.yaml", read(t, file))
			for _, p := range problems {
				if p.Rule != rule && !slices.Contains(inevitable[rule], p.Rule) {
					t.Errorf("also reports %s: %s", p.Rule, p.Message)
				}
			}
			var b bytes.Buffer
			if err := problems.Write(&b, yamldoc.Text); err != nil {
				t.Fatal(err)
			}
			compare(t, strings.TrimSuffix(file, ".yaml")+".txt", b.Bytes())
		})
	}
}

// elsewhere are the rules that a file in testdata cannot break: they are about the file itself.
var elsewhere = map[string]bool{"file-size": true, "file-extension": true}

// TestEveryRuleHasACase lists the rules for which nobody has written down what they say.
func TestEveryRuleHasACase(t *testing.T) {
	t.Parallel()
	for _, rule := range spec.Rules() {
		if _, err := os.Stat("testdata/errors/" + rule + ".yaml"); err != nil && !elsewhere[rule] {
			t.Errorf("rule %s has no case in testdata/errors", rule)
		}
	}
}

// TestProblemsNameNoGoType looks for names of Go in everything that the rules say.
func TestProblemsNameNoGoType(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text := string(read(t, file))
		for _, leak := range []string{"spec.", "Spec.", "FieldError", "[]string", "map[", "yaml.v3", "validator", "Namespace", "tag '"} {
			for line := range strings.Lines(text) {
				if !strings.HasPrefix(line, "\t") && strings.Contains(line, leak) {
					t.Errorf("%s contains %q: %s", file, leak, line)
				}
			}
		}
	}
}

func TestProblemsOfTheFileItself(t *testing.T) {
	t.Parallel()
	valid := []byte("spec: 1\nname: example\n")
	cases := []struct {
		name, file string
		data       []byte
		rule       string
		want       string
	}{
		{"refuses a file that is far too large", "specs/example.yaml", bytes.Repeat([]byte("# x\n"), 100_000), "file-size",
			"specs/example.yaml: the file is larger than 256 KB\n"},
		{"refuses another extension", "specs/example.yml", valid, "file-extension",
			"specs/example.yml: a spec's file name ends in .yaml\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			problems := check(c.file, c.data)
			for _, p := range problems {
				if p.Rule != c.rule {
					continue
				}
				var b bytes.Buffer
				if err := (yamldoc.Problems{p}).Write(&b, yamldoc.Text); err != nil || b.String() != c.want {
					t.Errorf("says %q, want %q (%v)", b.String(), c.want, err)
				}
				return
			}
			t.Errorf("%s is not among %v", c.rule, problems)
		})
	}
}

// TestEveryTemplateIsChecked puts a field of type string, which could lead to another host, into
// each place that ends up in a URL.
func TestEveryTemplateIsChecked(t *testing.T) {
	t.Parallel()
	base := string(read(t, "../golden/specs/kitchen.yaml"))
	for name, change := range map[string][2]string{
		"the first alternative of a value":  {`"https://{cluster}.{region}.kitchen`, `"https://{cluster}.{runtime}.kitchen`},
		"the last alternative of a value":   {`"https://{tenant}.kitchen.example.com"]`, `"https://{runtime}.kitchen.example.com"]`},
		"a value that begins as a URL":      {`api: "https://{apiHost}"`, `api: "https://{runtime}"`},
		"the issuer":                        {"\nissuer: \"https://{tenant}", "\nissuer: \"https://{runtime}"},
		"an endpoint":                       {`"{api}/{path}/{type}/token"`, `"{api}/{runtime}/token"`},
		"a further issuer":                  {`"https://kitchen.example.com/{tenant}/"`, `"https://kitchen.example.com/{runtime}/"`},
		"a value within the path":           {`path: "{tenant}-v1"`, `path: "{runtime}-v1"`},
		"an endpoint made of a value alone": {`jwks: "{keysUrl}"`, `jwks: "{error}"`},
	} {
		t.Run("a text cannot stand in "+name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(base, change[0]) {
				t.Fatalf("the golden has no %s", change[0])
			}
			problems := check("kitchen.yaml", []byte(strings.Replace(base, change[0], change[1], 1)))
			if !slices.ContainsFunc(problems, func(p yamldoc.Problem) bool {
				return p.Rule == "reference-place" || p.Rule == "url-start" || p.Rule == "optional-in-template"
			}) {
				t.Errorf("problems are %v", problems)
			}
		})
	}
}

// check returns all problems of one file.
func check(file string, data []byte) yamldoc.Problems {
	document, problems := spec.Parse(file, data)
	return append(problems, spec.Validate(document)...).Sorted()
}

func read(tb testing.TB, file string) []byte {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// compare checks text against a golden file, or writes it with -update.
func compare(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := read(t, golden); !bytes.Equal(got, want) {
		t.Errorf("differs from %s (run the test with -update to accept it):\n%s\nwant\n%s", golden, got, want)
	}
}
