package yamldoc

import (
	"strings"
	"testing"
)

func list() Problems {
	return Problems{
		{
			Position: Position{File: "specs/b.yaml", Line: 2, Column: 4}, Rule: "unknown-key", Severity: Error,
			Message: `unknown key "jwk": did you mean "jwks"?`, Suggestion: "jwks", Source: "\té{jwk: x}",
		},
		{Position: Position{File: "specs/a.yaml"}, Rule: "empty-file", Severity: Error, Message: "the file is empty"},
		{Position: Position{File: "specs/b.yaml", Line: 2, Column: 4}, Rule: "todo", Severity: Warning, Message: "100%\n::error::x"},
	}
}

func TestRendering(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		format Format
		want   string
	}{
		{
			"shows people the line and a caret below the place", Text,
			"specs/a.yaml: the file is empty\n" +
				"specs/b.yaml:2:4: warning: 100%\ufffd::error::x\n" +
				"specs/b.yaml:2:4: unknown key \"jwk\": did you mean \"jwks\"?\n\t\té{jwk: x}\n\t\t  ^\n",
		},
		{
			"writes commands that GitHub shows in the change, and lets no message write its own", GitHub,
			"::error file=specs/a.yaml,title=empty-file::the file is empty\n" +
				"::warning file=specs/b.yaml,line=2,col=4,title=todo::100%25%0A::error::x\n" +
				"::error file=specs/b.yaml,line=2,col=4,title=unknown-key::unknown key \"jwk\": did you mean \"jwks\"?\n",
		},
		{
			"writes objects for programs", JSON,
			`[
  {
    "file": "specs/a.yaml",
    "severity": "error",
    "rule": "empty-file",
    "message": "the file is empty"
  },
  {
    "file": "specs/b.yaml",
    "line": 2,
    "column": 4,
    "severity": "warning",
    "rule": "todo",
    "message": "100%\n::error::x"
  },
  {
    "file": "specs/b.yaml",
    "line": 2,
    "column": 4,
    "severity": "error",
    "rule": "unknown-key",
    "message": "unknown key \"jwk\": did you mean \"jwks\"?",
    "suggestion": "jwks",
    "source": "\té{jwk: x}"
  }
]
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := list().Sorted().Write(&b, c.format); err != nil {
				t.Fatal(err)
			}
			if b.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", b.String(), c.want)
			}
		})
	}
	t.Run("writes an empty array when there are none", func(t *testing.T) {
		t.Parallel()
		var b strings.Builder
		if err := (Problems{}).Write(&b, JSON); err != nil || b.String() != "[]\n" {
			t.Errorf("got %q, %v", b.String(), err)
		}
	})
}

func TestSortedDropsRepetitions(t *testing.T) {
	t.Parallel()
	if got := append(list(), list()...).Sorted(); len(got) != 3 {
		t.Errorf("%d problems are left, want 3", len(got))
	}
}

func TestHasErrors(t *testing.T) {
	t.Parallel()
	if warnings := list()[2:]; warnings.HasErrors() || !list().HasErrors() {
		t.Error("warnings count as errors, or errors do not")
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	candidates := []string{"authorization", "token", "jwks", "registration", "end_session", "server_url"}
	for word, want := range map[string]string{
		"jwk": "jwks", "jkws": "jwks", "tokens": "token", "authorisation": "authorization", "endSession": "end_session",
		"serverUrl": "server_url", "TOKEN": "token", "registraton": "registration",
		"banana": "", "": "", "xy": "", strings.Repeat("a", 1000): "",
	} {
		if got := Nearest(word, candidates); got != want {
			t.Errorf("nearest to %.20q is %q, want %q", word, got, want)
		}
	}
}
