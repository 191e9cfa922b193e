package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// idDocuments are the pages whose rows tests hold.
func idDocuments() []string {
	return []string{"docs/threats.md", "docs/mcp-authorization.md", "docs/field-reports.md"}
}

// id is what a row is called: T-TOK-01, RS-4, R12.
const id = `(?:T-[A-Z]+-\d\d|(?:RS|AS|OUT)-\d+|[RAD]\d+)`

var (
	idRow     = regexp.MustCompile(`^\| (` + id + `) \|.*\| ([^|]*) \|$`)
	idComment = regexp.MustCompile(`^// covers: (` + id + `(?:, ` + id + `)*)$`)
	idAlmost  = regexp.MustCompile(`(?i)^//\s*covers:`)
	idName    = regexp.MustCompile(`^(` + id + `(?:, ` + id + `)*): `)
)

// row is a row of one of the pages: whether tests hold it, or it is planned.
type row struct {
	document string
	held     bool
}

// readRows reads the rows of one page, and says what is wrong with it.
func readRows(document, text string, rows map[string]row) (problems []string) {
	for line := range strings.Lines(text) {
		found := idRow.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if found == nil {
			continue
		}
		name, status := found[1], found[2]
		if before, twice := rows[name]; twice {
			problems = append(problems, fmt.Sprintf("%s: %s is a row of %s already", document, name, before.document))
		}
		if status != "held" && status != "planned" {
			problems = append(problems, fmt.Sprintf("%s: the status of %s is %q, neither held nor planned", document, name, status))
		}
		rows[name] = row{document: document, held: status == "held"}
	}
	return problems
}

// readIDs adds the ids that one test file names to where: those of its covers comments, and of
// names such as "R12: fetches again". It says which comments cannot be read.
func readIDs(name string, source any, where map[string][]string) (problems []string, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	add := func(at token.Pos, ids string) {
		for one := range strings.SplitSeq(ids, ", ") {
			where[one] = append(where[one], files.Position(at).String())
		}
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if found := idComment.FindStringSubmatch(comment.Text); found != nil {
				add(comment.Pos(), found[1])
			} else if idAlmost.MatchString(comment.Text) {
				problems = append(problems, fmt.Sprintf("%s: %q is not of the form // covers: ID, ID", files.Position(comment.Pos()), comment.Text))
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, _ := strconv.Unquote(literal.Value)
			if found := idName.FindStringSubmatch(text); found != nil {
				add(literal.Pos(), found[1])
			}
		}
		return true
	})
	return problems, nil
}

// sourceFiles are the Go files of all modules of the repository.
func sourceFiles(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A row that says "held" has a test that fails when it is broken; an id in a test is one of a row.
func TestRowsAndTestsNameEachOther(t *testing.T) {
	t.Parallel()
	rows, where := map[string]row{}, map[string][]string{}
	for _, document := range idDocuments() {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range readRows(document, string(text), rows) {
			t.Error(problem)
		}
	}
	for _, file := range sourceFiles(t) {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		problems, err := readIDs(file, nil, where)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems {
			t.Error(problem)
		}
	}
	for _, problem := range compareIDs(rows, where) {
		t.Error(problem)
	}
}

// compareIDs says where rows and tests do not name each other.
func compareIDs(rows map[string]row, where map[string][]string) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		switch row := rows[name]; {
		case row.held && len(where[name]) == 0:
			problems = append(problems, fmt.Sprintf("%s: no test holds %s: write one and name the row there (// covers: %s)", row.document, name, name))
		case !row.held && len(where[name]) > 0:
			problems = append(problems, fmt.Sprintf("%s: %s is planned, but a test holds it: write held (%s)", row.document, name, where[name][0]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(where)) {
		if _, ok := rows[name]; !ok {
			problems = append(problems, fmt.Sprintf("%s: no page has a row %s: see %s", where[name][0], name, strings.Join(idDocuments(), ", ")))
		}
	}
	return problems
}

func TestTheComparisonOfRowsFindsWhatDiffers(t *testing.T) {
	t.Parallel()
	const page = "| T-TOK-01 | x | y | held |\n| T-TOK-02 | x | y | held |\n| RS-1 | x | y | planned |\n| RS-1 | x | y | held |\n| R1 | x | y | soon |\n"
	const source = `package p
// covers: T-TOK-01, A15
func a() { b("RS-9: answers") }
//Covers: everything
`
	rows, where := map[string]row{}, map[string][]string{}
	problems := readRows("page.md", page, rows)
	unread, err := readIDs("a_test.go", source, where)
	if err != nil {
		t.Fatal(err)
	}
	delete(rows, "RS-1")
	problems = append(append(problems, unread...), compareIDs(rows, where)...)
	want := []string{
		"page.md: RS-1 is a row of page.md already",
		`page.md: the status of R1 is "soon", neither held nor planned`,
		"a_test.go:4:1: \"//Covers: everything\" is not of the form // covers: ID, ID",
		"page.md: no test holds T-TOK-02: write one and name the row there (// covers: T-TOK-02)",
		"a_test.go:2:1: no page has a row A15: see docs/threats.md, docs/mcp-authorization.md, docs/field-reports.md",
		"a_test.go:3:14: no page has a row RS-9: see docs/threats.md, docs/mcp-authorization.md, docs/field-reports.md",
	}
	if !slices.Equal(problems, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(want, "\n"))
	}
}
