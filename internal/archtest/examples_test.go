package archtest_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// entryPoints are the names that people begin with, by folder, as examples are called after them.
func entryPoints() map[string][]string {
	return map[string][]string{
		"runtime":          {"NewGuard"},
		"runtime/relay":    {"New"},
		"runtime/sessions": {"Binder_Bind"},
		"runtime/store":    {"NewMemory"},

		"runtime/store/redisstore": {"Open"},
		"runtime/clientaddr":       {"Key", "Resolver_Client"},
		"echoadapter":              {"Mount", "Guard_Require", "RequireScope"},
		"mcpadapter":               {"Handler", "ToolScopes"},
		"devidp":                   {"Start", "Login"},
		"devidp/devidptest":        {"Start", "IDP_Login"},
		"gen":                      {"Main", "Commands"},
	}
}

// Documentation that runs is the documentation that stays true.
func TestEntryPointsHaveRunnableExamples(t *testing.T) {
	t.Parallel()
	for folder, names := range entryPoints() {
		paths, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var files []*ast.File
		for _, path := range paths {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		runnable := map[string]bool{}
		for _, example := range doc.Examples(files...) {
			runnable[example.Name] = example.Output != "" || example.EmptyOutput
		}
		for _, name := range names {
			if !runnable[name] {
				t.Errorf("%s has no Example%s with an output", folder, name)
			}
		}
	}
}

// The users of this module can do all that the examples do, and test it in the same way.
func TestExamplesImportNothingInternal(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(root, "examples", "*", "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no examples: %v", err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			if strings.HasPrefix(imported.Path.Value, `"`+module+"/internal/") {
				t.Errorf("%s imports %s", path, imported.Path.Value)
			}
		}
	}
}
