package model

import (
	"slices"
	"strings"
)

// HasVariables reports whether a variable of the environment sets one of the fields.
func (m *Model) HasVariables() bool {
	for i := range m.Fields {
		if m.Fields[i].Env != "" {
			return true
		}
	}
	return false
}

// Need says whether a field must be set. name is how the reader knows fields.
func (m *Model) Need(f *Field, name func(*Field) string) string {
	if f.Required {
		return "required"
	}
	for _, group := range m.Groups {
		if !slices.Contains(group.Fields, f) {
			continue
		}
		var others []string
		for _, other := range group.Fields {
			if other != f && name(other) != "" {
				others = append(others, name(other))
			}
		}
		return "required unless " + strings.Join(others, " or ") + " is set"
	}
	return "optional"
}
