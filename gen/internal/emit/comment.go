package emit

import (
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/prose"
)

// comment turns text into line comments, so that nothing in it can end the comment: each line gets
// its own // and a space, which also keeps it from being a directive. Characters that do not show
// are replaced.
func comment(text string) *jen.Statement { return jen.Add(commentLines("", text)...) }

// commentLines wraps text. The first line starts with mark, the others with as many spaces.
func commentLines(mark, text string) []jen.Code {
	var lines []jen.Code
	indent := mark
	for _, line := range prose.Wrap(text, prose.LineWidth-len(mark)) {
		lines = append(lines, jen.Comment("// "+indent+line), jen.Line())
		indent = strings.Repeat(" ", len(mark))
	}
	if len(lines) > 0 {
		lines = lines[:len(lines)-1]
	}
	return lines
}
