package generate_test

import (
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
	document, problems := spec.Parse("specs/"+name+".yaml", read(t, "../golden/specs/"+name+".yaml"))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return document.Spec
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
			for _, name := range []string{"larder", "pantry", "scullery"} {
				s := parsed(t, name)
				s.Name = "hostile"
				makeHostile(&s, hostile)
				m := model.New(&s)
				for _, source := range append(emit.Provider(m, module), emit.Registry([]*model.Model{m}, module)...) {
					f, err := format.Go(source.File, source.Path)
					if err != nil {
						t.Fatal(err)
					}
					sameProgram(t, source.Path, f)
				}
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
