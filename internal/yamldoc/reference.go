package yamldoc

import (
	"reflect"
	"slices"
	"strings"
)

// Section is a kind of mapping in the language, with its keys.
type Section struct {
	// Path is where such a mapping stands: "tokens.audience", "config[]". It is empty for the whole
	// file.
	Path string
	Doc  string
	// Bare is what a bare value in place of the mapping stands for, empty where there must be a
	// mapping.
	Bare string
	Keys []Key
}

// Key is one key of a mapping.
type Key struct {
	Name string
	// Kind is what its value is: "text", "list of texts", "mapping".
	Kind     string
	Required bool
	// Words are the values that a closed set allows.
	Words []string
	Doc   string
}

// Reference describes the whole language, for people.
func (l *Language) Reference() []Section {
	var sections []Section
	docs := l.docs()
	var visit func(t reflect.Type, path string)
	visit = func(t reflect.Type, path string) {
		section := Section{Path: path, Doc: docs[t.Name()]}
		if short, _, ok := shorthandOf(t); ok {
			section.Bare = docs[t.Name()+"."+short.field.Name]
		}
		sections = append(sections, section)
		at := len(sections) - 1
		for _, f := range fieldsOf(t) {
			own, entries := dive(validations(f.field))
			sections[at].Keys = append(sections[at].Keys, Key{
				Name: f.key, Kind: kindOf(f.field), Required: slices.Contains(own, "required"),
				Words: l.wordsOf(append(own, entries...)), Doc: docs[t.Name()+"."+f.field.Name],
			})
		}
		for _, f := range fieldsOf(t) {
			if inner, suffix, ok := structOf(f.field); ok && len(fieldsOf(inner)) > 0 {
				visit(inner, join(path, f.key)+suffix)
			}
		}
	}
	visit(l.Type, "")
	return sections
}

func kindOf(f reflect.StructField) string {
	switch {
	case f.Type == reflect.TypeFor[Many]():
		return "text, or list of texts"
	case f.Tag.Get("keyed") != "" && len(fieldsOf(f.Type.Elem())) == 0:
		return "texts by name"
	case f.Tag.Get("keyed") != "":
		return "mapping by name"
	case f.Type == reflect.TypeFor[[]int]():
		return "list of numbers"
	}
	switch f.Type.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "number"
	case reflect.Slice:
		if f.Type.Elem().Kind() == reflect.Struct {
			return "list of mappings"
		}
		return "list of texts"
	default:
		return "mapping"
	}
}

func (l *Language) wordsOf(rules []string) []string {
	for _, rule := range rules {
		if name, parameter, _ := strings.Cut(rule, "="); name == "enum" {
			return l.Vocabularies[parameter].Words
		}
	}
	return nil
}

// structOf returns the mapping that a key holds, directly or in a list.
func structOf(f reflect.StructField) (t reflect.Type, suffix string, ok bool) {
	t = f.Type
	if t.Kind() == reflect.Slice {
		t, suffix = t.Elem(), "[]"
	}
	if f.Tag.Get("keyed") != "" {
		suffix = ".<name>"
	}
	return t, suffix, t.Kind() == reflect.Struct
}
