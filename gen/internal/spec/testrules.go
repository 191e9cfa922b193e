package spec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// testRules are the rules for the generated test.
type testRules struct{ *symbols }

func (c testRules) check() {
	if !c.Known("test") || !c.Has("test") {
		return
	}
	c.config()
	seen := map[string]bool{}
	for i := range c.Spec.Test.Accept {
		path := fmt.Sprintf("test.accept[%d]", i)
		t := &c.Spec.Test.Accept[i]
		c.token(t, path, seen)
		if len(t.User) == 0 && c.Known(path) && c.Known(path+".user") {
			c.Reportf("accept-user", path, "an accepted token needs user: what must come out")
		}
		if t.Reason != "" {
			c.ReportKeyf("accept-reason", path+".reason", "reason is for rejected tokens")
		}
		for _, key := range slices.Sorted(maps.Keys(t.User)) {
			c.userKey(key, path+".user."+key)
		}
	}
	for i := range c.Spec.Test.Reject {
		path := fmt.Sprintf("test.reject[%d]", i)
		t := &c.Spec.Test.Reject[i]
		c.token(t, path, seen)
		if t.Reason == "" && c.Known(path) && c.Known(path+".reason") {
			c.Reportf("reject-reason", path, "a rejected token needs reason: why it must not pass")
		}
		if len(t.User) > 0 {
			c.ReportKeyf("reject-user", path+".user", "user is for accepted tokens")
		}
	}
}

func (c testRules) token(t *Token, path string, seen map[string]bool) {
	if len(t.Header) > 0 && c.Spec.Tokens.Format == "opaque" {
		c.ReportKeyf("test-header", path+".header", "an opaque token has no header")
	}
	if len(t.Profile) > 0 && !c.Has("tokens.profile") && c.Known("tokens") {
		c.ReportKeyf("test-profile", path+".profile", "the provider is not asked for a profile: tokens have no `profile`")
	}
	if seen[t.Name] && t.Name != "" {
		c.Reportf("test-name", path+".name", "there is a token %q already", t.Name)
	}
	seen[t.Name] = true
}

// userKey checks that an expected member of the user is one that the claims section can give.
func (c testRules) userKey(key, path string) {
	known := slices.Clone(userFields)
	for i := range c.Spec.Claims.Extra {
		known = append(known, c.Spec.Claims.Extra[i].UserName())
	}
	if slices.Contains(known, key) {
		return
	}
	suggestion := yamldoc.Nearest(key, known)
	message := fmt.Sprintf("the user has no %q", key)
	if suggestion != "" {
		message += fmt.Sprintf(": did you mean %q?", suggestion)
	} else {
		message += ": it has the common fields and the extra claims"
	}
	c.Add(yamldoc.Error, "test-user-key", c.Place(path).Key, message, suggestion)
}

func (c testRules) config() {
	config := c.Spec.Test.Config
	for _, name := range slices.Sorted(maps.Keys(config)) {
		path := "test.config." + name
		i, ok := c.fields[name]
		if !ok {
			c.unknownName("unknown-field", "config field", name, path, c.fieldNames())
			continue
		}
		c.value(&c.Spec.Config[i], config[name], path)
	}
	for i := range c.Spec.Config {
		f := &c.Spec.Config[i]
		if _, set := config[f.Name]; f.Required && !set && f.Example == "" && !f.IsFunction() && f.Name != "" {
			c.Reportf("test-config-missing", "test.config", "the test needs a value for %s: give the field an example, "+
				"or set it under test.config", f.Name)
		}
	}
	for i, g := range c.Spec.RequireOneOf {
		if !slices.ContainsFunc(g.Fields, func(name string) bool { _, set := config[name]; return set }) {
			c.Reportf("test-config-missing", "test.config", "the test needs a value for one of the fields of require_one_of[%d]", i)
		}
	}
}

func (c testRules) value(f *Field, value any, path string) {
	switch v := value.(type) {
	case string:
		if f.Type == TypeList || f.Type == TypeParameters || f.Type == TypeRequirements || f.IsFunction() {
			c.Reportf("test-config-type", path, "%s is a %s: it cannot be set to a text", f.Name, f.Type)
		} else if must, ok := f.accepts(v); !ok {
			c.Reportf("field-value", path, "%s must be %s", f.Name, must)
		} else if len(v) < f.MinLength {
			c.Reportf("field-value", path, "%s must be at least %d bytes long", f.Name, f.MinLength)
		}
	case []any:
		for _, entry := range v {
			if _, text := entry.(string); !text || f.Type != TypeList && f.Type != TypeRequirements {
				c.Reportf("test-config-type", path, "%s is a %s: it cannot be set to this list", f.Name, f.Type)
				return
			}
		}
	default:
		c.Reportf("test-config-type", path, "%s must be set to a text or a list of texts", f.Name)
	}
}
