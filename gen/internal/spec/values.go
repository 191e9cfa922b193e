package spec

import (
	"fmt"
	"slices"
)

// valueRules are the rules for derived values.
type valueRules struct{ templates }

// check checks the values. Each may use the fields and the values above it.
func (c valueRules) check() {
	for i, v := range c.Spec.Values {
		path := fmt.Sprintf("values[%d]", i)
		if _, taken := c.fields[v.Name]; taken {
			c.ReportKeyf("value-name-taken", path, "%s is a config field already: give the value another name", v.Name)
			continue
		}
		for j, alternative := range v.First {
			c.alternative(v, j, alternative, fmt.Sprintf("%s.first[%d]", path, j))
		}
		switch {
		case v.Is != "":
			c.template(v.Is, path, anyText)
		case len(v.First) == 0 && c.Known(path) && c.Known(path+".first") && !c.Has(path+".first"):
			c.Reportf("empty-value", path, "the value %s has neither a template nor `first`", v.Name)
		}
		c.values[v.Name] = c.resolve(v)
	}
}

// resolve says what a value stands for.
func (c valueRules) resolve(v Value) subject {
	result := subject{kind: TypeString}
	for i, text := range append([]string{v.Is}, v.First...) {
		t, err := ParseTemplate(text)
		if text == "" {
			continue
		}
		if err != nil || !c.resolves(t) {
			return subject{}
		}
		kind := c.kind(t)
		if i > 1 && result.kind == TypeIdentifier && c.strayReference(t) == "" && ValidIdentifier(c.sample(t)) {
			kind = TypeIdentifier // http://{host}/trust, for one
		}
		if i > 1 {
			kind = common(result.kind, kind)
		}
		result.kind = kind
		result.length = max(result.length, c.length(t))
		result.mayBeEmpty = i == 0 && t.Bare() && len(c.open(t)) > 0
	}
	return result
}

// common says as which type of field a value may be used that has the one type or the other. A URL
// is an identifier, too.
func common(a, b string) string {
	isIdentifier := func(kind string) bool { return kind == TypeIdentifier || kind == TypeURL }
	switch {
	case a == b:
		return a
	case isIdentifier(a) && isIdentifier(b):
		return TypeIdentifier
	default:
		return TypeString
	}
}

// alternative checks one template of a `first` list. All but the last need something that may be
// missing; the last must hold when all others do not.
func (c valueRules) alternative(v Value, index int, alternative, path string) {
	t, ok := c.references(alternative, path)
	if !ok {
		return
	}
	if c.resolves(t) && c.kind(t) == TypeURL {
		c.address(t, path, anyText)
	}
	open := c.open(t)
	if index < len(v.First)-1 {
		if len(open) == 0 {
			c.Reportf("first-unreachable", path, "this template always has a value: those after it would never be used")
		}
		return
	}
	for _, name := range open {
		if !c.guarded(name, v.First[:index]) && c.readable(v.First[:index]...) {
			c.Reportf("optional-in-template", path, "%s may be empty here: make it required, give it a default, "+
				"or name it together with the fields of the other templates under require_one_of", name)
		}
	}
}

// guarded reports whether a field must be set when none of the templates before could be used: some
// group holds it, and all its other members are each the one condition of such a template.
func (c valueRules) guarded(name string, before []string) bool {
	var conditions []string
	for _, text := range before {
		if t, err := ParseTemplate(text); err == nil {
			if open := c.open(t); len(open) == 1 {
				conditions = append(conditions, open[0])
			}
		}
	}
	return slices.ContainsFunc(c.Spec.RequireOneOf, func(g Group) bool {
		return slices.Contains(g.Fields, name) && !slices.ContainsFunc(g.Fields, func(member string) bool {
			return member != name && !slices.Contains(conditions, member)
		})
	})
}
