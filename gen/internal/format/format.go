// Package format renders emitted Go the way gofmt and goimports leave it.
package format

import (
	"bytes"
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"
)

// Go renders a file as gofmt and goimports leave it. Its path is for messages.
func Go(file *jen.File, path string) ([]byte, error) {
	var b bytes.Buffer
	if err := file.Render(&b); err != nil {
		return nil, fmt.Errorf("render %s: %w", path, err)
	}
	data, err := format.Source(groupImports(b.Bytes()))
	if err != nil {
		return nil, fmt.Errorf("format %s: %w", path, err)
	}
	return data, nil
}

var importBlock = regexp.MustCompile(`(?m)^import \(\n((?:[^\n()]*\n)*)\)\n`)

// groupImports puts the standard library first and an empty line after it, as goimports does.
func groupImports(source []byte) []byte {
	place := importBlock.FindSubmatchIndex(source)
	if place == nil {
		return source
	}
	var standard, others []string
	for line := range strings.SplitSeq(strings.TrimSpace(string(source[place[2]:place[3]])), "\n") {
		line = strings.TrimSpace(line)
		importPath := line[strings.IndexByte(line, '"'):]
		if first, _, _ := strings.Cut(importPath, "/"); strings.Contains(first, ".") {
			others = append(others, line)
		} else {
			standard = append(standard, line)
		}
	}
	if len(standard) > 0 && len(others) > 0 {
		standard = append(standard, "")
	}
	block := strings.Join(append(standard, others...), "\n") + "\n"
	return slices.Concat(source[:place[2]], []byte(block), source[place[3]:])
}
