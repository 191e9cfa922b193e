package emit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/emit"
	"github.com/latchkey-auth/latchkey/gen/internal/format"
	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// parsed reads a golden spec.
func parsed(t *testing.T, name string) spec.Spec {
	t.Helper()
	data, err := os.ReadFile("../golden/specs/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, problems := spec.Parse("specs/"+name+".yaml", data)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return document.Spec
}

// TestTextStaysText lets everything that a spec says be hostile: the generated program must not
// change by it. The package golden/providers/hostile, which is compiled and run, shows the same for
// what a YAML file can say; here also are texts that the parser would refuse.
func TestTextStaysText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"*/ func init() {} /*", "a\nfunc init() {}\n", "a\r\nfunc init() {}", "a\u2028func init() {}", "a\u2029func init() {}",
		"a\u0085func init() {}", "a\x00b", "a\ufeffb", "a\u202eb", "`", `"`, `\`, "\n//go:build ignore\n\n", "// +build ignore",
		"//line x.go:1", "a\v\f\tb", "\xff\xfe", "\u00a0", "", " ", "#", "- a\n- b", "1. a", strings.Repeat("x", 500),
	} {
		t.Run(strings.ToValidUTF8(text, "?"), func(t *testing.T) {
			t.Parallel()
			s := parsed(t, "hostile")
			s.Title, s.Docs.Summary, s.Docs.Setup, s.Docs.Notes = text, text, []string{text}, []string{text, text}
			s.Config = slices.Clone(s.Config)
			s.Config[0].Doc, s.Config[1].Doc, s.Config[1].Example, s.Config[1].Default = text, text, text, []string{text}
			s.Tokens.OpaqueHint, s.Tokens.AlgorithmHint, s.Tokens.Audience.Hint = text, text, text
			s.Claims.Extra = slices.Clone(s.Claims.Extra)
			s.Claims.Extra[0].Doc, s.Claims.Extra[0].Claim = text, text
			sameProgram(t, &s)
		})
	}
}

// sameProgram checks that what is emitted of a spec has only the declarations that a provider has,
// and no compiler directives.
func sameProgram(t *testing.T, s *spec.Spec) {
	t.Helper()
	m := model.New(s)
	for _, source := range append(emit.Provider(m, "example.com/p"), emit.Registry([]*model.Model{m}, "example.com/p")...) {
		data, err := format.Go(source.File, source.Path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), source.Path, data, parser.ParseComments)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		known := []string{
			"New", "ClaimsFrom", "TestProvider", "Providers", "Lookup", "hostileProvider", "Config", "Claims", "Provider", "Field", "_",
		}
		for _, declaration := range file.Decls {
			for _, name := range declared(declaration) {
				if !slices.Contains(known, name) {
					t.Errorf("%s declares %s", source.Path, name)
				}
			}
		}
		for _, group := range file.Comments {
			for _, c := range group.List {
				if !strings.HasPrefix(c.Text, "// ") && c.Text != "//" {
					t.Errorf("%s has the comment %q", source.Path, c.Text)
				}
			}
		}
	}
}

func declared(declaration ast.Decl) []string {
	if f, ok := declaration.(*ast.FuncDecl); ok {
		return []string{f.Name.Name}
	}
	general, ok := declaration.(*ast.GenDecl)
	if !ok {
		return nil
	}
	var names []string
	for _, s := range general.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			names = append(names, s.Name.Name)
		case *ast.ValueSpec:
			for _, n := range s.Names {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// TestTextAboutProxiesStaysText is TestTextStaysText for what providers in mode proxy say.
func TestTextAboutProxiesStaysText(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{
		"*/ func init() {} /*", "a\nfunc init() {}\n", "`", `"`, `\`, "\n//go:build ignore\n\n", "a\x00b", "\xff\xfe", `" + secret + "`,
		"{clientSecret}", "%s", "a\u2028func init() {}",
	} {
		t.Run(strings.ToValidUTF8(hostile, "?"), func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"cellar", "larder", "pantry", "scullery"} {
				s := parsed(t, name)
				s.Name = "hostile"
				makeHostile(&s, hostile)
				sameProgram(t, &s)
			}
		})
	}
}

func makeHostile(s *spec.Spec, text string) {
	s.Upstream.UnprotectedReason, s.Upstream.ScopeSeparator = text, text
	s.Upstream.ScopeAliases = []spec.ScopeAlias{{Name: text, Scope: text}}
	s.Upstream.RequiredScopes.Scopes = []string{text}
	s.Scopes.Words = []spec.ScopeWord{{Name: text, Words: text}}
	s.Tokens.Binding.Reason, s.Tokens.Tenants.Hint, s.Tokens.Introspection.NoExpiry, s.Tokens.TokenInfo.NoExpiry = text, text, text, text
	s.Tokens.Introspection.NoTokenType = text
	s.Tokens.Introspection.TokenTypes = []string{text}
	s.Tokens.UserInfo.Headers = []spec.Header{{Name: text, Value: text}}
	s.Tokens.Profile.Headers = []spec.Header{{Name: text, Value: text}}
	s.Tokens.Tenants.Several = slices.DeleteFunc([]string{text}, func(string) bool { return s.Tokens.Tenants.Issuer == "" })
	s.Config = slices.Clone(s.Config)
	s.Config[0].Pattern, s.Config[0].Must = text, text
	s.Test.Accept = slices.Clone(s.Test.Accept)
	s.Test.Accept[0].Profile = yamldoc.Object{text: text}
}
