package secretenv_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/secretenv"
)

func TestASecretComesFromItsVariableOrItsFile(t *testing.T) {
	t.Parallel()
	const name, secret = "APP_SECRET", "hunter2-and-more"
	file := func(content string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for title, c := range map[string]struct {
		variables             map[string]string
		want, source, problem string
	}{
		"neither":                {source: name},
		"the variable":           {variables: map[string]string{name: secret}, want: secret, source: name},
		"the file":               {variables: map[string]string{name + "_FILE": file(secret)}, want: secret, source: name + "_FILE"},
		"one line break is off":  {variables: map[string]string{name + "_FILE": file(secret + "\n")}, want: secret, source: name + "_FILE"},
		"of Windows too":         {variables: map[string]string{name + "_FILE": file(secret + "\r\n")}, want: secret, source: name + "_FILE"},
		"one alone":              {variables: map[string]string{name + "_FILE": file(secret + "\n\n")}, want: secret + "\n", source: name + "_FILE"},
		"both":                   {variables: map[string]string{name: secret, name + "_FILE": file(secret)}, source: name, problem: "are both set"},
		"an empty variable":      {variables: map[string]string{name: "", name + "_FILE": file(secret)}, want: secret, source: name + "_FILE"},
		"no such file":           {variables: map[string]string{name + "_FILE": "nowhere"}, source: name + "_FILE", problem: "nowhere"},
		"an empty file":          {variables: map[string]string{name + "_FILE": file("\n")}, source: name + "_FILE", problem: "is empty"},
		"a file that is no file": {variables: map[string]string{name + "_FILE": t.TempDir()}, source: name + "_FILE", problem: "directory"},
		"a file of 65 KB":        {variables: map[string]string{name + "_FILE": file(strings.Repeat(secret, 4200))}, source: name + "_FILE", problem: "no secret"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			got, source, err := secretenv.Lookup(func(n string) (string, bool) { v, ok := c.variables[n]; return v, ok }, name)
			if got != c.want || source != c.source {
				t.Errorf("got %q of %s, want %q of %s", got, source, c.want, c.source)
			}
			switch {
			case c.problem == "" && err != nil:
				t.Error(err)
			case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), secret)):
				t.Errorf("the error is %v, want one with %q", err, c.problem)
			}
		})
	}
}
