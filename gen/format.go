package gen

import (
	"bytes"
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strings"
)

// Kind says what a file is, and so where it goes.
type Kind string

// The kinds of files.
const (
	// Package is Go.
	Package Kind = "package"
	// Page is a Markdown page about providers.
	Page Kind = "page"
	// Reference is the Markdown page about the spec language.
	Reference Kind = "reference"
	// Sample is the file of variables.
	Sample Kind = "sample"
	// Schema is the JSON Schema of specs.
	Schema Kind = "schema"
)

// File is a finished file.
type File struct {
	Kind Kind
	// Path is relative to the folder of its kind, with slashes.
	Path string
	Data []byte
}

// Format renders a source as gofmt and goimports leave it.
func Format(source Source) (File, error) {
	var b bytes.Buffer
	if err := source.File.Render(&b); err != nil {
		return File{}, fmt.Errorf("render %s: %w", source.Path, err)
	}
	data, err := format.Source(groupImports(b.Bytes()))
	if err != nil {
		return File{}, fmt.Errorf("format %s: %w", source.Path, err)
	}
	return File{Kind: Package, Path: source.Path, Data: data}, nil
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
