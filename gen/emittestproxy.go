package gen

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/spec"
)

// emitTestOpaque says how the fake provider answers questions about tokens, nil where tokens are no opaque ones.
func emitTestOpaque(m *Model) jen.Code {
	c := m.Tokens.Check
	if c == nil {
		return nil
	}
	place, parameter := "TokenInForm", "token"
	var expiry, status jen.Code
	noExpiry, invalid := false, c.UserInfo.InvalidStatus
	switch c.At {
	case "userinfo":
		place, parameter = "TokenInHeader", ""
	case "tokeninfo":
		place, parameter = cmp.Or(tokenPlaces[c.TokenInfo.TokenIn], place), cmp.Or(c.TokenInfo.Parameter, "access_token")
		expiry, noExpiry, invalid = emitExpiry(c.TokenInfo.Expiry), c.TokenInfo.NoExpiry != "", c.TokenInfo.InvalidStatus
	case "introspection":
		invalid = nil
	}
	if len(invalid) > 0 {
		status = number(invalid[0])
	}
	var profile, client string
	if c.Profile != nil {
		profile = c.Profile.Subject[0]
	}
	if len(c.Binding.ClientClaims) > 0 {
		client = m.Test.text(m.Upstream.ClientID)
	}
	audience := len(m.Tokens.Audience.AnyOf) > 0 || m.Tokens.Audience.Otherwise != ""
	return jen.Op("&").Add(literal(
		jen.Qual(providertestPath, "Opaque"),
		member{"Check", text(c.At)},
		member{"Place", jen.Qual(verifyPath, place)},
		member{"Parameter", text(parameter)},
		member{"AuthMethod", constant(verifyPath, endpointAuth, c.authMethod())},
		member{"ClientID", text(m.Test.text(c.ClientID))},
		member{"ClientSecret", text(m.Test.text(c.ClientSecret))},
		member{"Client", text(client)},
		member{"ClientClaims", texts(c.Binding.ClientClaims)},
		member{"Audience", yes(audience)},
		member{"Exchange", yes(c.Binding.Exchange)},
		member{"Expiry", expiry},
		member{"NoExpiry", yes(noExpiry)},
		member{"InvalidStatus", status},
		member{"Subject", text(m.Claims.UserID[0])},
		member{"Profile", text(profile)},
	))
}

// emitTestProxy says what the fake provider must get to see, nil in mode direct.
func emitTestProxy(m *Model) jen.Code {
	u := m.Upstream
	if u == nil {
		return nil
	}
	secret := m.Test.text(u.ClientSecret)
	method := cmp.Or(u.AuthMethod, "client_secret_basic")
	if u.AuthMethodField != nil {
		method = m.Test.text(u.AuthMethodField)
	}
	auth := clientAuth[method]
	if secret == "" || auth == "" {
		auth = "AuthNone"
	}
	return jen.Op("&").Add(literal(
		jen.Qual(providertestPath, "Proxy"),
		member{"ClientID", text(m.Test.text(u.ClientID))},
		member{"ClientSecret", text(secret)},
		member{"AuthMethod", jen.Qual(brokerPath, auth)},
		member{"CodeProtection", jen.Qual(brokerPath, cmp.Or(codeProtection[u.CodeProtection], "ProtectPKCE"))},
		member{"Resource", jen.Qual(brokerPath, cmp.Or(resources[u.Resource], "ResourceStrip"))},
		member{"Scopes", texts(m.asked())},
		member{"ScopeAtToken", yes(u.ScopeAtToken)},
		member{"AuthorizeParams", expressionMap(jen.String(), m.given(u.AuthorizeParams))},
		member{"TokenParams", expressionMap(jen.String(), m.given(u.TokenParams))},
		member{"ResponseIssuer", text(m.responseIssuer())},
		member{"Passthrough", yes(m.Passthrough())},
	))
}

// asked are the scopes that every login of the test asks for, under the provider's names.
func (m *Model) asked() []string {
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

// given are parameters with the values that the test's configuration gives them.
func (m *Model) given(list []Named) []Named {
	var given []Named
	for _, n := range list {
		if value := m.testValue(n.Is); value != "" {
			given = append(given, Named{Name: n.Name, Is: Expression{Parts: []Part{{Text: value}}}})
		}
	}
	return given
}

// responseIssuer is what the test's provider calls itself in authorization responses; empty where that is its issuer.
func (m *Model) responseIssuer() string {
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
		known[f.Local] = m.Test.text(f)
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

// text is the value of a field in the test.
func (t *Test) text(f *Field) string {
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
