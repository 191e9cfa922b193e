package emit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/emit"
	"github.com/latchkey-auth/latchkey/gen/internal/format"
	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// TestNoNameHidesAPackage looks at the files that name a provider's package, its test and its entry
// in the registry: a name that stands for something else there cannot be a provider's.
// covers: D12
func TestNoNameHidesAPackage(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, name := range []string{"cellar", "hostile", "kitchen", "larder", "pantry", "scullery"} {
		s := parsed(t, name)
		m := model.New(&s)
		for _, source := range append(emit.Provider(m, "example.com/p"), emit.Registry([]*model.Model{m}, "example.com/p")...) {
			if source.Path == name+"/"+name+"_gen.go" || source.Path == "all/all_gen.go" {
				continue // these do not name it
			}
			data, err := format.Go(source.File, source.Path)
			if err != nil {
				t.Fatal(err)
			}
			file, err := parser.ParseFile(token.NewFileSet(), source.Path, data, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if identifier, ok := n.(*ast.Ident); ok && identifier.Name != name && identifier.Name == strings.ToLower(identifier.Name) {
					used[identifier.Name] = true
				}
				return true
			})
			delete(used, name+"_test")
		}
	}
	if !used["t"] || !used["opts"] || !used["error"] {
		t.Fatalf("the names are %q", slices.Sorted(maps.Keys(used)))
	}
	for name := range used {
		if spec.CheckName(name) == nil {
			t.Errorf("a provider could be called %s, which generated code uses for something else", name)
		}
	}
}
