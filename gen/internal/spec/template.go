package spec

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Part is a piece of a template: literal text, or a reference to a config field or value.
type Part struct {
	Text string
	Ref  string
}

// Template is text with references in braces.
type Template []Part

var referencePattern = regexp.MustCompile(`^[a-z][A-Za-z0-9]*$`)

// ParseTemplate splits a template into its parts.
func ParseTemplate(s string) (Template, error) {
	var t Template
	for s != "" {
		brace := strings.IndexAny(s, "{}")
		switch {
		case brace < 0:
			return append(t, Part{Text: s}), nil
		case s[brace] == '}':
			return nil, errors.New("a } without its {")
		case brace > 0:
			t = append(t, Part{Text: s[:brace]})
		}
		reference, rest, closed := strings.Cut(s[brace+1:], "}")
		switch {
		case !closed:
			return nil, errors.New("a { without its }")
		case !referencePattern.MatchString(reference):
			return nil, fmt.Errorf("{%s} is no reference: braces hold the name of a config field or value", reference)
		}
		t = append(t, Part{Ref: reference})
		s = rest
	}
	return t, nil
}

// Refs returns the names that a template refers to.
func (t Template) Refs() []string {
	var refs []string
	for _, p := range t {
		if p.Ref != "" {
			refs = append(refs, p.Ref)
		}
	}
	return refs
}

// Bare reports whether the template is one reference and nothing else.
func (t Template) Bare() bool { return len(t) == 1 && t[0].Ref != "" }
