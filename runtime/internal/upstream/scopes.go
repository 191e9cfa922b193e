package upstream

import (
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// theirScopes returns our scopes under the provider's names, with the required ones and the
// resource's.
func (p *provider) theirScopes(ours []string, resource string) []string {
	var theirs []string
	add := func(s string) {
		if !slices.Contains(theirs, s) {
			theirs = append(theirs, s)
		}
	}
	for _, s := range slices.Concat(p.RequiredScopes, ours) {
		if name, ok := p.ScopeNames[s]; ok {
			s = name
		}
		add(s)
	}
	if p.Resource == facts.ResourceAsScope {
		add(strings.ReplaceAll(p.ResourceScope, "{resource}", resource))
	}
	return theirs
}

// ourScopes returns scopes that the provider named under our names.
func (p *provider) ourScopes(theirs []string) []string {
	ours := make([]string, 0, len(theirs))
	for _, s := range theirs {
		if alias, ok := p.ScopeAliases[s]; ok {
			s = alias
		} else {
			for our, their := range p.ScopeNames {
				if their == s {
					s = our
					break
				}
			}
		}
		if !slices.Contains(ours, s) {
			ours = append(ours, s)
		}
	}
	return ours
}

// splitScopes splits the scope member of an answer. GitHub separates with commas although requests
// have spaces.
func splitScopes(scope string) []string {
	return strings.FieldsFunc(scope, func(r rune) bool { return r == ' ' || r == ',' })
}
