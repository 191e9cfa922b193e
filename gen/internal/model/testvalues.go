package model

import (
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// AskedScopes are the scopes that every login of the test asks for, under the provider's names.
func (m *Model) AskedScopes() []string {
	u := m.Upstream
	required := slices.Clone(u.RequiredScopes.Scopes)
	if u.RequiredField != nil {
		required = append(required, m.Test.list(u.RequiredField)...)
	}
	prefix := m.testValue(u.ScopePrefix)
	for i, scope := range required {
		at := slices.IndexFunc(u.ScopeNames, func(n Named) bool { return n.Name == scope })
		switch {
		case at >= 0:
			required[i] = m.testValue(u.ScopeNames[at].Is)
		case !slices.Contains(u.Upstream.ScopePrefix.Except, scope) && !strings.Contains(scope, "://"):
			required[i] = prefix + scope
		}
	}
	if u.Resource == "scope" {
		required = append(required, m.testValue(u.ResourceScope))
	}
	return required
}

// Given are parameters with the values that the test's configuration gives them.
func (m *Model) Given(list []Named) []Named {
	var given []Named
	for _, n := range list {
		if value := m.testValue(n.Is); value != "" {
			given = append(given, Named{Name: n.Name, Is: Expression{Parts: []Part{{Text: value}}}})
		}
	}
	return given
}

// ResponseIssuer is what the test's provider calls itself in authorization responses; empty where
// that is its issuer.
func (m *Model) ResponseIssuer() string {
	list := m.Upstream.ResponseIssuers
	if len(list) == 0 || m.testValue(list[0]) == m.testValue(m.Issuer) {
		return ""
	}
	return m.testValue(list[0])
}

// testValue is what an expression comes to in the test.
func (m *Model) testValue(e Expression) string {
	known := map[string]string{}
	for i := range m.Fields {
		f := &m.Fields[i]
		known[f.Local] = m.Test.Text(f)
		if f.Type == spec.TypeURL && f.Normalize != "keep_slash" {
			known[f.Local] = strings.TrimRight(known[f.Local], "/")
		}
	}
	for _, v := range m.Values {
		for _, a := range v.Alternatives {
			if !slices.ContainsFunc(a.Conditions, func(local string) bool { return known[local] == "" }) {
				known[v.Local] = a.Is.with(known)
				break
			}
		}
	}
	return e.with(known)
}

// with puts values into an expression.
func (e Expression) with(values map[string]string) string {
	var b strings.Builder
	for _, part := range e.Parts {
		b.WriteString(part.Text + values[part.Local])
	}
	return b.String()
}

// Text is the value of a field in the test.
func (t *Test) Text(f *Field) string {
	if f == nil {
		return ""
	}
	for _, v := range t.Config {
		if v.Field == f {
			return v.Text
		}
	}
	return f.DefaultText()
}

// list is the value of a list in the test.
func (t *Test) list(f *Field) []string {
	for _, v := range t.Config {
		if v.Field == f && len(v.List) > 0 {
			return v.List
		}
	}
	return f.Default
}

// DiscoveredIssuer is the issuer whose document the test serves; empty for a provider that reads
// none.
func (m *Model) DiscoveredIssuer() string {
	if len(m.Discover.Endpoints) == 0 {
		return ""
	}
	return m.testValue(m.Issuer)
}

// TestAlgorithms are the algorithms of the test's tokens: the provider's, or those that its
// document announces in the test.
func (m *Model) TestAlgorithms() []string {
	if m.Discover.Algorithms {
		return []string{"RS256", "ES256"}
	}
	return m.Tokens.Algorithms
}
