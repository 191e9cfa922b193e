package gen

import (
	"strings"
	"unicode"

	"github.com/dave/jennifer/jen"
)

// lineWidth is where comments are wrapped, indentation not counted.
const lineWidth = 112

// comment turns text into line comments, so that nothing in it can end the comment: each line gets its own // and a space,
// which also keeps it from being a directive. Characters that do not show are replaced.
func comment(text string) *jen.Statement { return jen.Add(commentLines("", text)...) }

// commentLines wraps text. The first line starts with mark, the others with as many spaces.
func commentLines(mark, text string) []jen.Code {
	var lines []jen.Code
	indent := mark
	for _, line := range wrap(text, lineWidth-len(mark)) {
		lines = append(lines, jen.Comment("// "+indent+line), jen.Line())
		indent = strings.Repeat(" ", len(mark))
	}
	if len(lines) > 0 {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// wrap splits text into lines of at most width characters, where its words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(harmless(text)) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width && !markup(word):
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// markup tells whether a word at the start of a comment's line would mean something to gofmt or the compiler: a list, a
// heading, a build constraint.
func markup(word string) bool {
	return word == "" || strings.ContainsRune("-*+•#0123456789", []rune(word)[0])
}

// harmless replaces everything that is no visible character by a space.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || r == '\ufeff' {
			return ' '
		}
		return r
	}, text)
}

// sentence returns text with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(harmless(text))
	if text == "" || strings.ContainsRune(".!?", rune(text[len(text)-1])) {
		return text
	}
	return text + "."
}
