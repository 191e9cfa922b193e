package archtest_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// surfaceFile is where the list of the public surface is, below the module's root.
const surfaceFile = "docs/api.txt"

var update = flag.Bool("update", false, "write "+surfaceFile+" and "+vocabularyFile)

// A change of the public surface stands in the list, where a review sees it.
func TestThePublicSurfaceIsListed(t *testing.T) {
	t.Parallel()
	file, now := filepath.Join(root, surfaceFile), loadSurface(t).String()
	if *update {
		if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	written := strings.ReplaceAll(string(text), "\r\n", "\n")
	if written == now {
		return
	}
	before, after := strings.Split(written, "\n"), strings.Split(now, "\n")
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Logf("gone: %s", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			t.Logf("new: %s", line)
		}
	}
	t.Errorf("%s differs from the code: run go generate ./... and look at what changes", surfaceFile)
}

// Every exported name is one that somebody learns, and that no later version can take back. What a
// program takes on only when it wants it has a limit of its own.
func TestThePublicSurfaceIsSmall(t *testing.T) {
	t.Parallel()
	s := loadSurface(t)
	optional := []string{"runtime/check", "runtime/explain", "runtime/observe/audit", "runtime/observe/otel", "runtime/store/redisstore"}
	for _, c := range []struct {
		folders, but []string
		most         int
	}{
		{folders: []string{"oauth", "runtime"}, but: optional, most: 280},
		{folders: optional, most: 50},
		{folders: []string{"gen"}, most: 40},
	} {
		if n := s.count(c.folders, c.but); n > c.most || n == 0 {
			t.Errorf("%s: %d exported names, at most %d are allowed", strings.Join(c.folders, " and "), n, c.most)
		}
	}
}

func TestEveryMentionedTypeCanBeNamed(t *testing.T) {
	t.Parallel()
	for _, problem := range loadSurface(t).unnameable() {
		t.Error(problem)
	}
}

func TestTypesThatCannotBeNamedAreFound(t *testing.T) {
	t.Parallel()
	s := &surface{packages: []*types.Package{checked(t, `
		import "github.com/latchkey-auth/latchkey/internal/hidden"
		type own struct{}
		type inner struct{ Deep hidden.Type }
		type Named = hidden.Named
		type Option func(*own)
		type Good struct{ A Named; b hidden.Type; C error; D func(...Option) map[string]*Good }
		type Field struct{ A []map[string]hidden.Type }
		type Promoted struct{ inner }
		type Opaque func(hidden.Type)
		type Method struct{}
		func (*Method) M(own) {}
		type Interface interface{ M() hidden.Type }
		func Argument(chan hidden.Type) {}
		func Result() (own, error) { return own{}, nil }
		var Variable hidden.Type
	`)}}
	var found []string
	for _, problem := range s.unnameable() {
		name, _, _ := strings.Cut(strings.TrimPrefix(problem, module+"/a."), " ")
		found = append(found, name)
	}
	want := []string{"Argument", "Field", "Interface", "Method", "Opaque", "Promoted", "Result", "Variable"}
	if !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	for _, line := range []string{"type Good struct", "\tA Named", "\tDeep hidden.Type", "\tfunc (*Method) M(own)", "func Result() (own, error)"} {
		if !strings.Contains(s.String(), line+"\n") {
			t.Errorf("the list has no line %q:\n%s", line, s)
		}
	}
}

// importing finds the one package that the checked one imports.
type importing map[string]*types.Package

func (i importing) Import(path string) (*types.Package, error) { return i[path], nil }

// checked is the package a of this module with the given declarations.
func checked(t *testing.T, declarations string) *types.Package {
	t.Helper()
	check := func(path, source string, imports importing) *types.Package {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path+".go", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		config := types.Config{Importer: imports}
		p, err := config.Check(module+path, files, []*ast.File{file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	hidden := check("/internal/hidden", "package hidden; type Type struct{}; type Named struct{}", nil)
	return check("/a", "package a; "+strings.TrimSpace(declarations), importing{hidden.Path(): hidden})
}
