package archtest_test

import (
	"encoding/json"
	"errors"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// publicPatterns are the packages that others import. The generated providers are all made like the
// one that stands for them.
func publicPatterns() []string {
	return []string{
		"./oauth/...", "./runtime/...", "./gen/...", "./echoadapter/...", "./mcpadapter/...", "./devidp/...", "./providers_gen/keycloak",
	}
}

// surface is what other modules can name, by package.
type surface struct{ packages []*types.Package }

// loadSurface reads the compiled packages.
func loadSurface(t *testing.T) *surface {
	t.Helper()
	arguments := append([]string{"list", "-export", "-deps", "-json=ImportPath,Name,Export,DepOnly"}, publicPatterns()...)
	command := exec.CommandContext(t.Context(), "go", arguments...)
	command.Dir, command.Stderr = root, os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	var public []string
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p struct {
			ImportPath, Name, Export string
			DepOnly                  bool
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly && p.Name != "main" && !isInternal(p.ImportPath) {
			public = append(public, p.ImportPath)
		}
	}
	slices.Sort(public)
	packages := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	s := &surface{}
	for _, path := range public {
		p, err := packages.Import(path)
		if err != nil {
			t.Fatalf("import %s: %v", path, err)
		}
		s.packages = append(s.packages, p)
	}
	return s
}

// isInternal reports whether other modules cannot import a package.
func isInternal(path string) bool {
	return slices.Contains(strings.Split(path, "/"), "internal")
}

// ours reports whether a package is one of this module.
func ours(p *types.Package) bool {
	return p != nil && strings.HasPrefix(p.Path(), module+"/")
}

// exported returns the exported objects of a package, sorted by name.
func exported(p *types.Package) []types.Object {
	var found []types.Object
	for _, name := range p.Scope().Names() {
		if object := p.Scope().Lookup(name); object.Exported() {
			found = append(found, object)
		}
	}
	return found
}

// count returns how many names the packages in and below the given folders, but not in or below
// others, have on their top level. The reasons are not counted: they are a list that grows with
// every refusal.
func (s *surface) count(folders, but []string) int {
	n := 0
	for _, p := range s.packages {
		path := strings.TrimPrefix(p.Path(), module+"/")
		within := func(folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
		if !slices.ContainsFunc(folders, within) || slices.ContainsFunc(but, within) {
			continue
		}
		for _, object := range exported(p) {
			if _, constant := object.(*types.Const); !constant || object.Type().String() != module+"/oauth.Reason" {
				n++
			}
		}
	}
	return n
}
