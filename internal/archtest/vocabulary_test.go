package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// vocabularyFile is the page of the events and reasons, below the module's root.
const vocabularyFile = "docs/observability.md"

// word is a constant of the vocabulary with what its comment says of it.
type word struct{ name, value, meaning string }

// wordsOf returns the string constants of a type in a file.
func wordsOf(t *testing.T, file, typeName string) []word {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var words []word
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != typeName {
			return true
		}
		name := spec.Names[0].Name
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		meaning, ok := strings.CutPrefix(strings.Join(strings.Fields(spec.Doc.Text()), " "), name+" is ")
		if !ok || !strings.HasSuffix(meaning, ".") {
			t.Errorf("%s: the comment of %s must say what it is: %q", file, name, spec.Doc.Text())
		}
		words = append(words, word{name, value, meaning})
		return true
	})
	if len(words) < 10 {
		t.Fatalf("only %d constants of the type %s are in %s", len(words), typeName, file)
	}
	return words
}

func reasons(t *testing.T) []word { t.Helper(); return wordsOf(t, "oauth/reasons.go", "Reason") }

// table is the Markdown table of words.
func table(title string, words []word) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| `%s` | what it is |\n|---|---|\n", title)
	for _, w := range words {
		fmt.Fprintf(&b, "| `%s` | %s |\n", w.value, w.meaning)
	}
	return b.String()
}

// members is the table of the members of a log line: what slog.go writes, with the fields of an
// event.
func members(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, "runtime/observe/slog.go"))
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile(`(?:text|list|slog\.Int|slog\.Float64)\("([a-z_]+)", .*?e\.(\w+)`).FindAllStringSubmatch(string(source), -1)
	if len(written) < 15 {
		t.Fatalf("only %d members are found", len(written))
	}
	var b strings.Builder
	b.WriteString("| member | field of the event |\n|---|---|\n")
	for _, m := range written {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", m[1], m[2])
	}
	return b.String()
}

// The page has every event, every member of a line and every reason, in the words of the code.
func TestTheVocabularyIsDocumented(t *testing.T) {
	t.Parallel()
	file := filepath.Join(root, vocabularyFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), "\r\n", "\n")
	want := page
	for name, content := range map[string]string{
		"events": table("event", wordsOf(t, "runtime/observe/event.go", "Kind")), "members": members(t), "reasons": table("reason", reasons(t)),
	} {
		begin, end := "<!-- "+name+": written by go generate -->\n", "<!-- /"+name+" -->\n"
		before, rest, found := strings.Cut(want, begin)
		_, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s has no place for the %s", vocabularyFile, name)
		}
		want = before + begin + "\n" + content + "\n" + end + after
	}
	switch {
	case want == page:
	case *update:
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s differs from the code: run go generate ./...", vocabularyFile)
	}
}

// A reason that nothing gives would be looked for without success, and one that stands elsewhere
// would have no meaning here.
func TestEveryReasonIsUsedAndStandsInOnePlace(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, name := range goFiles(t) {
		if name == "oauth/reasons.go" || strings.Contains(name, "/testdata/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range strayReasons(parsed) {
			t.Errorf("%s: %s is no constant of oauth/reasons.go", name, problem)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if id, ok := node.(*ast.Ident); ok {
				used[id.Name] = true
			}
			return true
		})
	}
	var values []string
	for _, r := range reasons(t) {
		if !used[r.name] {
			t.Errorf("nothing gives the reason %s", r.name)
		}
		if slices.Contains(values, r.value) {
			t.Errorf("the reason %q stands there twice", r.value)
		}
		values = append(values, r.value)
	}
}

// strayReasons finds reasons that are written down where they are used: a literal for a field or
// variable of that name, a conversion, a constant of the type.
func strayReasons(file *ast.File) []string {
	var found []string
	literal := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING && l.Value != `""` {
			found = append(found, l.Value)
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Reason" {
				literal(n.Value)
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if field, ok := left.(*ast.SelectorExpr); ok && field.Sel.Name == "Reason" && len(n.Rhs) == len(n.Lhs) {
					literal(n.Rhs[i])
				}
			}
		case *ast.CallExpr:
			if isReason(n.Fun) && len(n.Args) == 1 {
				literal(n.Args[0])
			}
		case *ast.ValueSpec:
			if isReason(n.Type) {
				for _, v := range n.Values {
					literal(v)
				}
			}
		}
		return true
	})
	return found
}

// isReason reports whether an expression is the type oauth.Reason.
func isReason(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Reason" {
		return false
	}
	p, ok := s.X.(*ast.Ident)
	return ok && p.Name == "oauth"
}

func TestStrayReasonsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code string
		want int
	}{
		"a field":                  {`var e = oauth.Error{Reason: "own"}`, 1},
		"an assignment":            {`func f(e *oauth.Error) { e.Reason, e.Code = "own", "" }`, 1},
		"a conversion":             {`var r = oauth.Reason("own")`, 1},
		"a constant":               {`const r oauth.Reason = "own"`, 1},
		"not one of the list":      {`var e = oauth.Error{Reason: oauth.ReasonCode}`, 0},
		"not none":                 {`var e = oauth.Error{Reason: ""}`, 0},
		"not a conversion of text": {`func f(s string) oauth.Reason { return oauth.Reason(s) }`, 0},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", "package p\n"+c.code, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := strayReasons(file); len(got) != c.want {
			t.Errorf("%s: found %q", name, got)
		}
	}
}
