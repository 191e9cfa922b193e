package yamldoc

import (
	"reflect"

	"gopkg.in/yaml.v3"
)

// keyedField is a struct field with its key in the language.
type keyedField struct {
	key   string
	field reflect.StructField
}

// fieldsOf returns the keys that a mapping of the given type may have, in the order of the type.
func fieldsOf(t reflect.Type) []keyedField {
	var list []keyedField
	for f := range t.Fields() {
		if f.Tag.Get("yaml") != "-" {
			list = append(list, keyedField{key: f.Tag.Get("yaml"), field: f})
		}
	}
	return list
}

func keys(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, f := range fieldsOf(t) {
		fields[f.key] = f.field
	}
	return fields
}

func keyNames(t reflect.Type) []string {
	fields := fieldsOf(t)
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.key
	}
	return names
}

// shorthandOf returns the field for which a bare value may stand in place of a mapping, and the
// kind of that value.
func shorthandOf(t reflect.Type) (keyedField, yaml.Kind, bool) {
	for f := range t.Fields() {
		switch f.Tag.Get("shorthand") {
		case "scalar":
			return keyedField{key: f.Tag.Get("yaml"), field: f}, yaml.ScalarNode, true
		case "list":
			return keyedField{key: f.Tag.Get("yaml"), field: f}, yaml.SequenceNode, true
		}
	}
	return keyedField{}, 0, false
}

func shorthand(t reflect.Type, node *yaml.Node) (keyedField, bool) {
	f, kind, ok := shorthandOf(t)
	return f, ok && node.Kind == kind
}
