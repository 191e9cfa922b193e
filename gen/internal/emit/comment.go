package emit

import (
	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/prose"
)

// comment turns text into line comments, so that nothing in it can end the comment: each line gets
// its own // and a space, which also keeps it from being a directive. Characters that do not show
// are replaced.
func comment(text string) *jen.Statement {
	lines := jen.Null()
	for i, line := range prose.Wrap(text, prose.LineWidth) {
		if i > 0 {
			lines.Line()
		}
		lines.Comment("// " + line)
	}
	return lines
}
