package spec

import (
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/problem"
)

// Document is a parsed file: the spec and where each part of it stands.
type Document struct {
	File string
	Spec Spec

	lines    []string
	places   map[string]place
	problems problem.List
	// broken are the paths whose value could not be read: nothing more is said about them.
	broken map[string]bool
}

// place is where a path's key and value stand. Entries of a list have no key.
type place struct{ key, value problem.Position }

func newDocument(file string, data []byte) *Document {
	return &Document{
		File: file, lines: strings.Split(string(data), "\n"),
		places: map[string]place{}, broken: map[string]bool{},
	}
}

// reportf adds an error about the value at a path.
func (d *Document) reportf(rule, path, format string, args ...any) {
	d.add(problem.Error, rule, d.where(path).value, fmt.Sprintf(format, args...), "")
}

// reportKeyf adds an error about the key of a path.
func (d *Document) reportKeyf(rule, path, format string, args ...any) {
	d.add(problem.Error, rule, d.where(path).key, fmt.Sprintf(format, args...), "")
}

// warnf adds a warning about the value at a path.
func (d *Document) warnf(rule, path, format string, args ...any) {
	d.add(problem.Warning, rule, d.where(path).value, fmt.Sprintf(format, args...), "")
}

func (d *Document) add(severity problem.Severity, rule string, at problem.Position, message, suggestion string) {
	at.File = d.File
	p := problem.Problem{Rule: rule, Severity: severity, Position: at, Message: message, Suggestion: suggestion}
	if at.Line > 0 && at.Line <= len(d.lines) {
		p.Source = strings.TrimRight(d.lines[at.Line-1], "\r")
	}
	d.problems = append(d.problems, p)
}

// where returns the place of a path or, when the file lacks it, of the nearest part that would hold it.
func (d *Document) where(path string) place {
	for {
		if p, ok := d.places[path]; ok {
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			start := problem.Position{File: d.File, Line: 1, Column: 1}
			return place{key: start, value: start}
		}
		path = path[:cut]
	}
}

// has tells whether the file contains a path.
func (d *Document) has(path string) bool {
	_, ok := d.places[path]
	return ok
}

// known tells whether a path, and everything that holds it, could be read.
func (d *Document) known(path string) bool {
	for {
		if d.broken[path] {
			return false
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return true
		}
		path = path[:cut]
	}
}
