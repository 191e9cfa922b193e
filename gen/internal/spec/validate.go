package spec

import (
	"fmt"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/names"
	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// Validate checks what a parsed document says: the rules of its types, then what its parts say of
// each other. Warnings are among the problems.
func Validate(d *Document) yamldoc.Problems {
	if d.Spec.Version != Version {
		return nil // Parse has said why
	}
	d.CheckTags()
	c := &checker{Document: d, fields: map[string]int{}, values: map[string]subject{}, used: map[string]bool{}}
	c.name()
	c.config()
	c.groups()
	c.derived()
	c.endpoints()
	c.upstream()
	c.tokens()
	c.claims()
	c.scopes()
	c.test()
	c.unused()
	c.provenance()
	return d.Take()
}

// checker holds what the rules between parts of a spec need.
type checker struct {
	*Document

	// fields are the positions of the config fields by name.
	fields map[string]int
	// values are what the derived values above the one being checked stand for.
	values map[string]subject
	// used are the names that something refers to.
	used map[string]bool
}

// reserved are package names that generated code could not use, or that would be confused with its
// imports.
var reserved = []string{
	"all", "internal", "main", "testdata", "vendor",
	"broker", "http", "json", "metadata", "oauth", "providertest", "runtime", "testing", "time", "verify",
}

// CheckName returns why a name cannot be a provider's, nil for one that can.
func CheckName(name string) error {
	switch {
	case !words["package_name"].Valid(name):
		return fmt.Errorf("name must be %s, not %q", words["package_name"].Must, name)
	case isReserved(name):
		return fmt.Errorf("name %q is taken: Go or the generated code uses it", name)
	}
	return nil
}

func isReserved(name string) bool {
	return token.IsKeyword(name) || types.Universe.Lookup(name) != nil || slices.Contains(reserved, name)
}

// name checks the provider's name, which is also the file's.
func (c *checker) name() {
	name := c.Spec.Name
	want, ok := strings.CutSuffix(filepath.Base(filepath.ToSlash(c.File)), ".yaml")
	if !ok {
		c.Add(yamldoc.Error, "file-extension", yamldoc.Position{}, "a spec's file name ends in .yaml", "")
		return
	}
	if !words["package_name"].Valid(name) {
		return
	}
	if isReserved(name) {
		c.Reportf("reserved-name", "name", "name %q is taken: Go or the generated code uses it", name)
		return
	}
	if name != want {
		c.Add(yamldoc.Error, "file-name", c.Place("name").Value, fmt.Sprintf(
			"name %q does not match the file: rename the file to %s.yaml, or the provider to %s", name, name, want), want)
	}
}

func (c *checker) config() {
	goNames, envs := map[string]string{}, map[string]string{}
	for i := range c.Spec.Config {
		f, path := &c.Spec.Config[i], fmt.Sprintf("config[%d]", i)
		if f.Name == "" {
			continue
		}
		if _, twice := c.fields[f.Name]; twice {
			c.Reportf("duplicate-field", path+".name", "there is a config field %q already", f.Name)
			continue
		}
		c.fields[f.Name] = i
		goName := f.GoName()
		if other, taken := goNames[goName]; taken {
			c.Reportf("go-name-taken", path+".name", "%s and %s both become %s in Go: give one of them another name with `go:`",
				other, f.Name, goName)
		}
		goNames[goName] = f.Name
		if other, taken := envs[f.Env]; taken && f.Env != "" {
			c.Reportf("env-taken", path+".env", "%s sets %s already", f.Env, other)
		}
		envs[f.Env] = f.Name
		c.fieldKeys(f, path)
		c.fieldValues(f, path)
	}
}

// fieldKeys refuses keys that would do nothing for a field's type.
func (c *checker) fieldKeys(f *Field, path string) {
	if f.Normalize != "" && f.Type != TypeURL {
		c.ReportKeyf("normalize-type", path+".normalize", "normalize is for fields of type url; %s is a %s", f.Name, f.Type)
	}
	if f.MinLength != 0 && f.Type != TypeSecret {
		c.ReportKeyf("min-length-type", path+".min_length", "min_length is for fields of type secret; %s is a %s", f.Name, f.Type)
	}
	switch {
	case f.Pattern != "" && !f.isText():
		c.ReportKeyf("pattern-type", path+".pattern", "pattern is for fields that are text; %s is a %s", f.Name, f.Type)
	case f.Not != "" && !f.isText():
		c.ReportKeyf("not-type", path+".not", "not is for fields that are text; %s is a %s", f.Name, f.Type)
	case f.Not != "" && f.Must == "" && c.Known(path+".must"):
		c.Reportf("not-must", path, "not needs must: what the value has to be, for people")
	case f.Not == "" && (f.Pattern == "") != (f.Must == "") &&
		c.Known(path+".pattern") && c.Known(path+".not") && c.Known(path+".must"):
		c.Reportf("pattern-must", path, "pattern and must go together: what the value has to be, for the program and for people")
	}
	if f.Missing != "" && !f.Required {
		c.ReportKeyf("missing-optional", path+".missing", "missing is for required fields; %s is optional", f.Name)
	}
	if f.Required && len(f.Default) > 0 {
		c.ReportKeyf("required-default", path+".default", "%s is required and has a default: it can be only one of them", f.Name)
	}
	if len(f.Default) > 0 && f.Type == TypeSecret {
		c.ReportKeyf("secret-default", path+".default", "a secret must not have a default: everybody who reads the spec would know it")
	}
	if len(f.Default) > 1 && f.Type != TypeList {
		c.Reportf("default-many", path+".default", "several defaults are for fields of type list; %s is a %s", f.Name, f.Type)
	}
	if f.isFunction() {
		for _, key := range []string{"env", "default", "example"} {
			if c.Has(path + "." + key) {
				c.ReportKeyf("function-field", path+"."+key, "%s is set by Go code only: it cannot have %s", f.Name, key)
			}
		}
	}
}

func (c *checker) fieldValues(f *Field, path string) {
	if must, ok := f.accepts(f.Example); !ok && c.Known(path+".example") {
		c.Reportf("field-value", path+".example", "example %q must be %s, as %s asks for", f.Example, must, f.Name)
	}
	for i, value := range f.Default {
		if must, ok := f.accepts(value); !ok {
			c.Reportf("field-value", fmt.Sprintf("%s.default[%d]", path, i), "default %q must be %s, as %s asks for", value, must, f.Name)
		}
	}
}

func (c *checker) groups() {
	for i, g := range c.Spec.RequireOneOf {
		for j, name := range g.Fields {
			path := fmt.Sprintf("require_one_of[%d].fields[%d]", i, j)
			f := c.field(name, path)
			switch {
			case f == nil:
			case f.Required:
				c.Reportf("group-required", path, "%s is required anyway: a group is for fields of which each alone may be missing", name)
			case !f.isText():
				c.Reportf("group-type", path, "%s is a %s: a group is for fields that are text", name, f.Type)
			}
		}
	}
}

// field returns a config field by name and marks it as used. An unknown name is reported.
func (c *checker) field(name, path string) *Field {
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

func (c *checker) fieldNames() []string {
	list := make([]string, len(c.Spec.Config))
	for i := range c.Spec.Config {
		list[i] = c.Spec.Config[i].Name
	}
	return list
}

// typed returns a config field that must have the given type.
func (c *checker) typed(rule, name, path, want string) *Field {
	f := c.field(name, path)
	if f != nil && f.Type != want {
		c.Reportf(rule, path, "%s is a %s: this must be a config field of type %s", name, f.Type, want)
		return nil
	}
	return f
}

func (c *checker) unknownName(rule, what, name, path string, known []string) {
	suggestion := yamldoc.Nearest(name, known)
	message := fmt.Sprintf("there is no %s %q", what, name)
	switch {
	case suggestion != "":
		message += fmt.Sprintf(": did you mean %q?", suggestion)
	case len(known) > 0:
		message += ": there are " + strings.Join(known, ", ")
	}
	c.Add(yamldoc.Error, rule, c.Place(path).Value, message, suggestion)
}

func (c *checker) unused() {
	for i := range c.Spec.Config {
		if f := &c.Spec.Config[i]; referencePattern.MatchString(f.Name) && !c.used[f.Name] {
			c.Reportf("unused-field", fmt.Sprintf("config[%d].name", i), "nothing uses the config field %s: it would do nothing", f.Name)
		}
	}
	for i, v := range c.Spec.Values {
		if !c.used[v.Name] {
			c.ReportKeyf("unused-value", fmt.Sprintf("values[%d]", i), "nothing uses the value %s", v.Name)
		}
	}
}

// provenance warns of a spec that nobody has checked.
func (c *checker) provenance() {
	if c.Spec.Docs.Verified.On == "" && c.Known("docs.verified") && c.Known("docs.verified.on") {
		c.Warnf("unverified", "docs", "docs.verified does not say when the facts were checked, and against what")
	}
	for i, line := range c.Lines {
		if before, _, marked := strings.Cut(line, todoMark); marked {
			c.Add(yamldoc.Warning, "todo", yamldoc.Position{Line: i + 1, Column: len([]rune(before)) + 1},
				"a "+todoMark+" is left: check the fact, then remove the mark", "")
		}
	}
}

// todoMark is what marks a fact that somebody still has to check.
const todoMark = "TODO"

// GoName returns the field's name in Go.
func (f *Field) GoName() string {
	if f.Go != "" {
		return f.Go
	}
	return names.Exported(f.Name)
}
