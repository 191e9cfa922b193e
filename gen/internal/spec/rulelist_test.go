package spec

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reporters are the methods that report a problem, with the position of the rule among their
// arguments.
var reporters = map[string]int{
	"Reportf": 0, "ReportKeyf": 0, "Warnf": 0, "unknownName": 0, "typed": 0, "Add": 1, "breakf": 1,
}

// TestRulesAreListed reads the package's own source and that of yamldoc: every rule that they
// report is in Rules, and no other.
func TestRulesAreListed(t *testing.T) {
	t.Parallel()
	reported := map[string]bool{language.NumberRule: true}
	for _, w := range words {
		reported[w.Rule] = true
	}
	for _, folder := range []string{".", "../../../internal/yamldoc"} {
		packages, err := parser.ParseDir(token.NewFileSet(), folder, func(f fs.FileInfo) bool { //nolint:staticcheck // one folder, no build tags
			return !strings.HasSuffix(f.Name(), "_test.go")
		}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages {
			for _, rule := range rulesIn(t, p) {
				reported[rule] = true
			}
		}
	}
	if got, want := Rules(), slices.Sorted(maps.Keys(reported)); !slices.Equal(got, want) {
		t.Errorf("Rules() is\n%q\nreported are\n%q", got, want)
	}
}

// rulesIn returns the rules that a package reports.
func rulesIn(t *testing.T, p ast.Node) []string {
	t.Helper()
	var rules []string
	ast.Inspect(p, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		position, ok := reporters[method.Sel.Name]
		if !ok || position >= len(call.Args) {
			return true
		}
		if literal, ok := call.Args[position].(*ast.BasicLit); ok {
			rule, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Error(err)
			}
			rules = append(rules, rule)
		}
		return true
	})
	return rules
}

func TestClaimPaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"sub": true, "realm_access.roles": true, `https://acme\.com/roles`: true, `a\\b`: true, "https://x/y": true,
		"": false, ".": false, "a.": false, ".a": false, "a..b": false, `a\`: false, `a\b`: false,
	} {
		t.Run("path "+path, func(t *testing.T) {
			t.Parallel()
			if got := words["claim_path"].Valid(path); got != want {
				t.Errorf("valid is %t, want %t", got, want)
			}
		})
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Template{
		"":             nil,
		"plain":        {{Text: "plain"}},
		"{a}":          {{Ref: "a"}},
		"x{a}{bC1}/y":  {{Text: "x"}, {Ref: "a"}, {Ref: "bC1"}, {Text: "/y"}},
		"http://{a}:1": {{Text: "http://"}, {Ref: "a"}, {Text: ":1"}},
	} {
		got, err := ParseTemplate(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q gives %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"{", "}", "a}", "{a", "{}", "{ a}", "{A}", "{a-b}", "{a{b}}", "{{a}}"} {
		if got, err := ParseTemplate(text); err == nil {
			t.Errorf("%q gives %v, want an error", text, got)
		}
	}
}
