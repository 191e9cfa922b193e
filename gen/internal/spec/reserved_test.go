package spec_test

import (
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

func TestNamesThatNothingCanHave(t *testing.T) {
	t.Parallel()
	for reason, names := range map[string]string{
		"keyword":            "func go type range select",
		"predeclared":        "string error nil any true len clear",
		"called init":        "init",
		"is a program":       "main",
		"does not build":     "documentation",
		"mean something":     "internal vendor testdata",
		"for a device":       "con prn aux nul com0 com1 com9 lpt0 lpt1 lpt9",
		"generated code use": "opts t all oauth runtime providertest",
		"README.md":          "readme",
	} {
		for name := range strings.FieldsSeq(names) {
			t.Run("D12: "+name, func(t *testing.T) {
				t.Parallel()
				if err := spec.CheckName(name); err == nil || !strings.Contains(err.Error(), reason) {
					t.Errorf("the error is %v, want %q", err, reason)
				}
			})
		}
	}
	t.Run("D12: names that only begin so are free", func(t *testing.T) {
		t.Parallel()
		for name := range strings.FieldsSeq("console com10 nullable initech golang mains tt documentations auth0 in cfg p") {
			if err := spec.CheckName(name); err != nil {
				t.Error(err)
			}
		}
	})
}
