package spec

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// Validate checks what a parsed document says: the rules of its types, then what its parts say of
// each other. Warnings are among the problems.
func Validate(d *Document) yamldoc.Problems {
	if d.Spec.Version != Version {
		return nil // Parse has said why
	}
	d.CheckTags()
	c := &symbols{Document: d, fields: map[string]int{}, values: map[string]subject{}, used: map[string]bool{}}
	t := templates{c}
	c.name()
	if d.Clear() {
		c.parts(t)
	}
	c.provenance()
	return d.Take()
}

// parts checks what the parts of a spec say of each other.
func (c *symbols) parts(t templates) {
	configRules{c}.check()
	configRules{c}.groups()
	valueRules{t}.check() // fills in what the templates below refer to
	endpointRules{t}.check()
	upstreamRules{t}.check()
	tokenRules{t}.check()
	claimRules{c}.check()
	claimRules{c}.scopes()
	testRules{c}.check()
	c.unused()
}

// CheckName returns why a name cannot be a provider's, nil for one that can.
func CheckName(name string) error {
	switch {
	case !words["package_name"].Valid(name):
		return fmt.Errorf("name must be %s, not %q", words["package_name"].Must, name)
	case reserved(name) != "":
		return fmt.Errorf("name %q is taken: %s", name, reserved(name))
	}
	return nil
}

// name checks the provider's name, which is also the file's.
func (c *symbols) name() {
	name := c.Spec.Name
	want, ok := strings.CutSuffix(filepath.Base(filepath.ToSlash(c.File)), ".yaml")
	if !ok {
		c.Add(yamldoc.Error, "file-extension", yamldoc.Position{}, "a spec's file name ends in .yaml", "")
		return
	}
	if !words["package_name"].Valid(name) {
		return
	}
	if reason := reserved(name); reason != "" {
		c.Reportf("reserved-name", "name", "name %q is taken: %s", name, reason)
		return
	}
	if name != want {
		c.Add(yamldoc.Error, "file-name", c.Place("name").Value, fmt.Sprintf(
			"name %q does not match the file: rename the file to %s.yaml, or the provider to %s", name, name, want), want)
	}
}

func (c *symbols) unused() {
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
func (c *symbols) provenance() {
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
