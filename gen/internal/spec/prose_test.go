package spec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

func TestProseOfAllScripts(t *testing.T) {
	t.Parallel()
	good := string(read(t, "../../../specs/keycloak.yaml"))
	const written = "L\u2019accès\u00a0: می\u200cخواهم, 日本\u3000語, 👩\u200d🚀" //nolint:gosmopolitan // prose in any script
	change := func(t *testing.T, line, text string) yamldoc.Problems {
		t.Helper()
		before, rest, found := strings.Cut(good, line)
		if !found {
			t.Fatalf("the spec has no %q", line)
		}
		_, after, _ := strings.Cut(rest, "\n")
		return check("specs/keycloak.yaml", []byte(before+line+" "+text+"\n"+after))
	}
	for _, line := range []string{"\ntitle:", "\n    doc:", "\n    - name:"} {
		t.Run("D16: in"+strings.TrimSpace(line)+" what people write is accepted", func(t *testing.T) {
			t.Parallel()
			if problems := change(t, line, `"`+written+`"`); problems.HasErrors() {
				t.Errorf("the problems are %v", problems)
			}
			for _, hiding := range []string{"a\u202eb", "a\u200bb", "ی\u2067b"} {
				refused(t, change(t, line, `"`+hiding+`"`), "invisible-character")
			}
			refused(t, change(t, line, "\"\u00a0\u3000\""), "empty")
		})
	}
	for _, line := range []string{"\nissuer:", "\n  - name:", "\n    example:", "\n  user_id:", "\n  authorization:"} {
		t.Run("D16: in"+strings.TrimSpace(line)+" nothing that cannot be seen is accepted", func(t *testing.T) {
			t.Parallel()
			for _, hiding := range []string{"a\u00a0b", "ی\u200cb", "a\u3000b", "a\ufe0fb", "a\u3164b"} {
				value := `"` + hiding + `"`
				if line == "\n  user_id:" {
					value = "[" + value + "]"
				}
				refused(t, change(t, line, value), "invisible-character")
			}
		})
	}
}

func refused(t *testing.T, problems yamldoc.Problems, rule string) {
	t.Helper()
	if !slices.ContainsFunc(problems, func(p yamldoc.Problem) bool { return p.Rule == rule }) {
		t.Errorf("the problems are %v, want %s among them", problems, rule)
	}
}
