package spec

import (
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// subject is what a reference in a template stands for.
type subject struct {
	// kind is a type of config fields. Values have one too.
	// It is empty where the spec is wrong about it, of which enough has been said.
	kind string
	// mayBeEmpty reports whether it can resolve to nothing.
	mayBeEmpty bool
	// length is that of its template with all values in it put in.
	length int
}

// symbols are the names that a spec defines, and what refers to them.
type symbols struct {
	*Document

	// fields are the positions of the config fields by name.
	fields map[string]int
	// values are what the derived values above the one being checked stand for.
	values map[string]subject
	// used are the names that something refers to.
	used map[string]bool
}

// field returns a config field by name and marks it as used. An unknown name is reported.
func (c *symbols) field(name, path string) *Field {
	if name == "" || !c.Known(path) {
		return nil
	}
	i, ok := c.fields[name]
	if !ok {
		c.unknownName("unknown-field", "config field", name, path, c.fieldNames())
		return nil
	}
	c.used[name] = true
	return &c.Spec.Config[i]
}

// typed returns a config field that must have the given type.
func (c *symbols) typed(rule, name, path, want string) *Field {
	f := c.field(name, path)
	if f != nil && f.Type != want {
		c.Reportf(rule, path, "%s is a %s: this must be a config field of type %s", name, f.Type, want)
		return nil
	}
	return f
}

// uses marks config fields as used by something that is reported already.
func (c *symbols) uses(names ...string) {
	for _, name := range names {
		c.used[name] = true
	}
}

// with checks a template in which one name more means something.
func (c *symbols) with(name string, check func()) {
	if _, taken := c.subject(name); taken {
		check() // a config field of that name: its owner decides what it means
		return
	}
	c.values[name] = subject{kind: TypeSegment, length: 100}
	check()
	delete(c.values, name)
	delete(c.used, name)
}

// subject returns what a name stands for.
func (c *symbols) subject(name string) (subject, bool) {
	if i, ok := c.fields[name]; ok {
		f := &c.Spec.Config[i]
		return subject{kind: f.Type, mayBeEmpty: f.MayBeEmpty(), length: len(name)}, true
	}
	s, ok := c.values[name]
	return s, ok
}

func (c *symbols) fieldNames() []string {
	list := make([]string, len(c.Spec.Config))
	for i := range c.Spec.Config {
		list[i] = c.Spec.Config[i].Name
	}
	return list
}

func (c *symbols) valueNames() []string {
	list := make([]string, len(c.Spec.Values))
	for i, v := range c.Spec.Values {
		list[i] = v.Name
	}
	return list
}

func (c *symbols) unknownName(rule, what, name, path string, known []string) {
	suggestion := yamldoc.Nearest(name, known)
	message := fmt.Sprintf("there is no %s %q", what, name)
	switch {
	case suggestion != "":
		message += fmt.Sprintf(": did you mean %q?", suggestion)
		c.used[suggestion] = true // it is not unused as well
	case len(known) > 0:
		message += ": there are " + strings.Join(known, ", ")
	}
	c.Add(yamldoc.Error, rule, c.Place(path).Value, message, suggestion)
}
