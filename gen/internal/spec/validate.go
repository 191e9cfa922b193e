package spec

import (
	"fmt"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/names"
	"github.com/latchkey-auth/latchkey/gen/internal/problem"
)

// Validate checks what a parsed document says: the rules of its types, then what its parts say of each other. Warnings are
// among the problems.
func Validate(d *Document) problem.List {
	if d.Spec.Version != Version {
		return nil // Parse has said why
	}
	d.checkTags()
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
	return d.take()
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

// reserved are package names that generated code could not use, or that would be confused with its imports.
var reserved = []string{
	"all", "internal", "main", "testdata", "vendor",
	"broker", "http", "json", "metadata", "oauth", "providertest", "runtime", "testing", "time", "verify",
}

// CheckName tells why a name cannot be a provider's.
func CheckName(name string) error {
	switch {
	case !words["package_name"].valid(name):
		return fmt.Errorf("name must be %s, not %q", words["package_name"].must, name)
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
		c.add(problem.Error, "file-extension", problem.Position{}, "a spec's file name ends in .yaml", "")
		return
	}
	if !words["package_name"].valid(name) {
		return
	}
	if isReserved(name) {
		c.reportf("reserved-name", "name", "name %q is taken: Go or the generated code uses it", name)
		return
	}
	if name != want {
		c.add(problem.Error, "file-name", c.where("name").value, fmt.Sprintf(
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
			c.reportf("duplicate-field", path+".name", "there is a config field %q already", f.Name)
			continue
		}
		c.fields[f.Name] = i
		goName := f.GoName()
		if other, taken := goNames[goName]; taken {
			c.reportf("go-name-taken", path+".name", "%s and %s both become %s in Go: give one of them another name with `go:`",
				other, f.Name, goName)
		}
		goNames[goName] = f.Name
		if other, taken := envs[f.Env]; taken && f.Env != "" {
			c.reportf("env-taken", path+".env", "%s sets %s already", f.Env, other)
		}
		envs[f.Env] = f.Name
		c.fieldKeys(f, path)
		c.fieldValues(f, path)
	}
}

// fieldKeys refuses keys that would do nothing for a field's type.
func (c *checker) fieldKeys(f *Field, path string) {
	if f.Normalize != "" && f.Type != TypeURL {
		c.reportKeyf("normalize-type", path+".normalize", "normalize is for fields of type url; %s is a %s", f.Name, f.Type)
	}
	if f.MinLength != 0 && f.Type != TypeSecret {
		c.reportKeyf("min-length-type", path+".min_length", "min_length is for fields of type secret; %s is a %s", f.Name, f.Type)
	}
	switch {
	case f.Pattern != "" && !f.isText():
		c.reportKeyf("pattern-type", path+".pattern", "pattern is for fields that are text; %s is a %s", f.Name, f.Type)
	case f.Not != "" && !f.isText():
		c.reportKeyf("not-type", path+".not", "not is for fields that are text; %s is a %s", f.Name, f.Type)
	case f.Not != "" && f.Must == "" && c.known(path+".must"):
		c.reportf("not-must", path, "not needs must: what the value has to be, for people")
	case f.Not == "" && (f.Pattern == "") != (f.Must == "") &&
		c.known(path+".pattern") && c.known(path+".not") && c.known(path+".must"):
		c.reportf("pattern-must", path, "pattern and must go together: what the value has to be, for the program and for people")
	}
	if f.Missing != "" && !f.Required {
		c.reportKeyf("missing-optional", path+".missing", "missing is for required fields; %s is optional", f.Name)
	}
	if f.Required && len(f.Default) > 0 {
		c.reportKeyf("required-default", path+".default", "%s is required and has a default: it can be only one of them", f.Name)
	}
	if len(f.Default) > 0 && f.Type == TypeSecret {
		c.reportKeyf("secret-default", path+".default", "a secret must not have a default: everybody who reads the spec would know it")
	}
	if len(f.Default) > 1 && f.Type != TypeList {
		c.reportf("default-many", path+".default", "several defaults are for fields of type list; %s is a %s", f.Name, f.Type)
	}
	if f.isFunction() {
		for _, key := range []string{"env", "default", "example"} {
			if c.has(path + "." + key) {
				c.reportKeyf("function-field", path+"."+key, "%s is set by Go code only: it cannot have %s", f.Name, key)
			}
		}
	}
}

func (c *checker) fieldValues(f *Field, path string) {
	if must, ok := f.accepts(f.Example); !ok && c.known(path+".example") {
		c.reportf("field-value", path+".example", "example %q must be %s, as %s asks for", f.Example, must, f.Name)
	}
	for i, value := range f.Default {
		if must, ok := f.accepts(value); !ok {
			c.reportf("field-value", fmt.Sprintf("%s.default[%d]", path, i), "default %q must be %s, as %s asks for", value, must, f.Name)
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
				c.reportf("group-required", path, "%s is required anyway: a group is for fields of which each alone may be missing", name)
			case !f.isText():
				c.reportf("group-type", path, "%s is a %s: a group is for fields that are text", name, f.Type)
			}
		}
	}
}

// field returns a config field by name and marks it as used. An unknown name is reported.
func (c *checker) field(name, path string) *Field {
	if name == "" || !c.known(path) {
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
		c.reportf(rule, path, "%s is a %s: this must be a config field of type %s", name, f.Type, want)
		return nil
	}
	return f
}

func (c *checker) unknownName(rule, what, name, path string, known []string) {
	suggestion := problem.Nearest(name, known)
	message := fmt.Sprintf("there is no %s %q", what, name)
	switch {
	case suggestion != "":
		message += fmt.Sprintf(": did you mean %q?", suggestion)
	case len(known) > 0:
		message += ": there are " + strings.Join(known, ", ")
	}
	c.add(problem.Error, rule, c.where(path).value, message, suggestion)
}

func (c *checker) unused() {
	for i := range c.Spec.Config {
		if f := &c.Spec.Config[i]; referencePattern.MatchString(f.Name) && !c.used[f.Name] {
			c.reportf("unused-field", fmt.Sprintf("config[%d].name", i), "nothing uses the config field %s: it would do nothing", f.Name)
		}
	}
	for i, v := range c.Spec.Values {
		if !c.used[v.Name] {
			c.reportKeyf("unused-value", fmt.Sprintf("values[%d]", i), "nothing uses the value %s", v.Name)
		}
	}
}

// provenance warns of a spec that nobody has checked.
func (c *checker) provenance() {
	if c.Spec.Docs.Verified.On == "" && c.known("docs.verified") && c.known("docs.verified.on") {
		c.warnf("unverified", "docs", "docs.verified does not say when the facts were checked, and against what")
	}
	for i, line := range c.lines {
		if before, _, marked := strings.Cut(line, todoMark); marked {
			c.add(problem.Warning, "todo", problem.Position{Line: i + 1, Column: len([]rune(before)) + 1},
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
