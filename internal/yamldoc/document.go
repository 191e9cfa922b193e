package yamldoc

import (
	"fmt"
	"reflect"
	"strings"
)

// Document is a parsed file: where each part of it stands, and what is wrong with it. A path names
// a part: "issuer", "config[2].env".
type Document struct {
	// File is the name in messages, as the user would write it.
	File string
	// Lines are the lines of the file.
	Lines []string

	language *Language
	into     reflect.Value
	places   map[string]Place
	problems Problems
	// broken are the paths whose value could not be read: nothing more is said about them.
	broken map[string]bool
	// unclear reports whether a word or a switch could not be read.
	unclear bool
}

// Place is where a path's key and value stand. Entries of a list have no key: theirs is the
// value's.
type Place struct{ Key, Value Position }

// Take returns the problems found since the last call.
func (d *Document) Take() Problems {
	found := d.problems.Sorted()
	d.problems = nil
	return found
}

// Reportf adds an error about the value at a path.
func (d *Document) Reportf(rule, path, format string, args ...any) {
	d.Add(Error, rule, d.Place(path).Value, fmt.Sprintf(format, args...), "")
}

// ReportKeyf adds an error about the key of a path.
func (d *Document) ReportKeyf(rule, path, format string, args ...any) {
	d.Add(Error, rule, d.Place(path).Key, fmt.Sprintf(format, args...), "")
}

// Warnf adds a warning about the value at a path.
func (d *Document) Warnf(rule, path, format string, args ...any) {
	d.Add(Warning, rule, d.Place(path).Value, fmt.Sprintf(format, args...), "")
}

// Add adds a problem at a position of the file.
func (d *Document) Add(severity Severity, rule string, at Position, message, suggestion string) {
	at.File = d.File
	p := Problem{Rule: rule, Severity: severity, Position: at, Message: message, Suggestion: suggestion}
	if at.Line > 0 && at.Line <= len(d.Lines) {
		p.Source = strings.TrimRight(d.Lines[at.Line-1], "\r")
	}
	d.problems = append(d.problems, p)
}

// Place returns the place of a path or, when the file lacks it, of the nearest part that would hold
// it.
func (d *Document) Place(path string) Place {
	for {
		if p, ok := d.places[path]; ok {
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			start := Position{File: d.File, Line: 1, Column: 1}
			return Place{Key: start, Value: start}
		}
		path = path[:cut]
	}
}

// Has reports whether the file contains a path.
func (d *Document) Has(path string) bool {
	_, ok := d.places[path]
	return ok
}

// Known reports whether a path, and everything that holds it, could be read.
func (d *Document) Known(path string) bool {
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

// Clear reports whether all words of vocabularies and all switches could be read, or else guessed.
// Where one could not, nobody knows what the rest of the file has to be: rules that depend on it
// would report what is no mistake.
func (d *Document) Clear() bool { return !d.unclear }

// Naming calls a path what its reader sees: "env" for config[2].env, "an entry of algorithms" for
// algorithms[0].
func (d *Document) Naming(path string) string {
	if path == "" {
		return d.language.Noun
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	if name, _, entry := strings.Cut(last, "["); entry {
		return "an entry of " + name
	}
	return last
}

// inside says in which part of the file something is.
func (d *Document) inside(path string) string {
	if path == "" {
		return ""
	}
	return " in " + strings.TrimPrefix(d.Naming(path), "an ")
}
