package spec

import (
	"fmt"
)

// configRules are the rules for the fields of the configuration.
type configRules struct{ *symbols }

func (c configRules) check() {
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
func (c configRules) fieldKeys(f *Field, path string) {
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
	if f.IsFunction() {
		for _, key := range []string{"env", "default", "example"} {
			if c.Has(path + "." + key) {
				c.ReportKeyf("function-field", path+"."+key, "%s is set by Go code only: it cannot have %s", f.Name, key)
			}
		}
	}
}

func (c configRules) fieldValues(f *Field, path string) {
	if must, ok := f.accepts(f.Example); !ok && c.Known(path+".example") {
		c.Reportf("field-value", path+".example", "example %q must be %s, as %s asks for", f.Example, must, f.Name)
	}
	for i, value := range f.Default {
		if must, ok := f.accepts(value); !ok {
			c.Reportf("field-value", fmt.Sprintf("%s.default[%d]", path, i), "default %q must be %s, as %s asks for", value, must, f.Name)
		}
	}
}

func (c configRules) groups() {
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
