package emit

import (
	"slices"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// forms are the names in Go of the well-known documents.
var forms = map[string]string{
	"oauth": "OAuthInserted", "oauth_appended": "OAuthAppended", "oidc": "OpenIDAppended", "oidc_inserted": "OpenIDInserted",
}

// modes are the names in Go of the modes.
var modes = map[string]string{"direct": "Direct", "proxy": "Proxy"}

// emitDefinition is the runtime.Definition literal, in the order of its type.
func emitDefinition(m *model.Model) *jen.Statement {
	return literal(
		jen.Qual(runtimePath, "Definition"),
		member{"Name", text(m.Name)},
		member{"Title", text(m.Title)},
		member{"Mode", emitMode(m)},
		member{"Issuer", expression(m.Issuer)},
		member{"Endpoints", emitEndpoints(m.Endpoints)},
		member{"Discovery", emitDiscovery(m.Discovery)},
		member{"Discovered", emitDiscovered(m)},
		member{"Tokens", emitTokens(&m.Tokens)},
		member{"Claims", emitClaimMap(&m.Claims)},
		member{"Introspection", emitCheck(m.Tokens.Check, "introspection")},
		member{"TokenInfo", emitCheck(m.Tokens.Check, "tokeninfo")},
		member{"UserInfo", emitCheck(m.Tokens.Check, "userinfo")},
		member{"Profile", emitProfile(m.Tokens.Check)},
		member{"Binding", emitBinding(m)},
		member{"Upstream", emitUpstream(m.Upstream)},
		member{"TokenMode", constant(proxyPath, tokenModes, m.TokenMode)},
		member{"ScopePrefix", emitScopePrefix(m.Upstream)},
		member{"ScopeWords", expressionMap(jen.String(), words(m.ScopeWords))},
		member{"Scopes", choice(m.Scopes)},
		member{"GrantTypes", choice(m.Grants)},
		member{"Verifier", fromConfig(m.Tokens.Verifier)},
		member{"UserMapper", fromConfig(m.Claims.UserMapper)},
	)
}

func emitEndpoints(endpoints []model.Endpoint) jen.Code {
	if len(endpoints) == 0 {
		return nil
	}
	members := make([]member, len(endpoints))
	for i, e := range endpoints {
		members[i] = member{e.Go, expression(e.URL)}
	}
	return literal(jen.Qual(oauthPath, "Endpoints"), members...)
}

func emitDiscovery(discovery []string) jen.Code {
	if len(discovery) == 0 {
		return nil
	}
	return jen.Index().Qual(factsPath, "Form").ValuesFunc(func(g *jen.Group) {
		for _, form := range discovery {
			g.Qual(factsPath, forms[form])
		}
	})
}

// emitDiscovered names what is taken from the provider's own document, nil where it is nothing.
func emitDiscovered(m *model.Model) jen.Code {
	d := &m.Discover
	names := slices.Clone(d.Endpoints)
	for _, fact := range []struct {
		name string
		is   bool
	}{{"algorithms", d.Algorithms}, {"client_auth", d.ClientAuth}, {"scopes", d.Scopes}} {
		if fact.is {
			names = append(names, fact.name)
		}
	}
	return texts(names)
}

// emitMode is the mode, or the variable that holds it; nil where nothing says it before the
// provider's own document.
func emitMode(m *model.Model) jen.Code {
	if m.ModeField != nil {
		return jen.Qual(oauthPath, "Mode").Call(jen.Id(m.ModeField.Local))
	}
	return constant(oauthPath, modes, m.Mode)
}

// emitTokens is the facts.Rules literal, nil where there is nothing to say.
func emitTokens(t *model.Tokens) jen.Code {
	members := []member{
		{"Issuers", expressions(t.Issuers)},
		{"Tenants", emitTenants(t.Tenants)},
		{"Algorithms", texts(t.Algorithms)},
		{"Types", choice(t.Types)},
		{"Audience", emitAudience(&t.Audience)},
		{"Require", emitRequirements(t)},
		{"SharedSecrets", emitSecrets(t.SharedSecrets)},
		{"IDTokenShaped", text(t.IDTokenShaped)},
		{"NumericSubject", text(t.NumericSubject)},
		{"OpaqueHint", text(t.OpaqueHint)},
		{"AlgorithmHint", text(t.AlgorithmHint)},
	}
	for _, m := range members {
		if m.value != nil {
			return literal(jen.Qual(factsPath, "Rules"), members...)
		}
	}
	return nil
}

func emitAudience(a *model.Audience) jen.Code {
	members := []member{
		{"Claim", text(a.Claim)},
		{"AnyOf", expressions(a.AnyOf)},
		{"OrResource", yes(a.Otherwise == "resource")},
		{"AlsoResource", yes(a.Also == "resource")},
		{"IssuerBound", text(a.Reason)},
		{"Hint", text(a.Hint)},
	}
	for _, m := range members {
		if m.value != nil {
			return literal(jen.Qual(factsPath, "Audience"), members...)
		}
	}
	return nil
}

func emitRequirements(t *model.Tokens) jen.Code {
	if t.RequireField != nil {
		return jen.Id(t.RequireField.Local)
	}
	requirements := t.Require
	elements := make([]jen.Code, len(requirements))
	for i, r := range requirements {
		accepted := texts(r.AnyOf)
		if len(r.Values) > 0 {
			accepted = expressions(r.Values)
		}
		elements[i] = literal(
			nil, member{"Claim", text(r.Claim)}, member{"AnyOf", accepted}, member{"WhenSet", yes(r.WhenSet)},
			member{"Absent", yes(r.Absent)}, member{"Hint", text(r.Hint)},
		)
	}
	return list(jen.Qual(factsPath, "Requirement"), elements)
}

func emitSecrets(secrets []model.SharedSecret) jen.Code {
	elements := make([]jen.Code, len(secrets))
	for i, s := range secrets {
		elements[i] = literal(
			nil, member{"Algorithm", text(s.Algorithm)}, member{"Secret", jen.Id(s.Field.Local)}, member{"Missing", text(s.Missing)},
		)
	}
	return list(jen.Qual(factsPath, "SharedSecret"), elements)
}

// emitClaimMap is the facts.ClaimMap literal.
func emitClaimMap(c *model.Claims) *jen.Statement {
	extra := make([]jen.Code, len(c.Extra))
	for i, e := range c.Extra {
		extra[i] = inline(nil, member{"Claim", text(e.Claim)}, member{"As", text(e.As)})
	}
	return literal(
		jen.Qual(factsPath, "ClaimMap"),
		member{"UserID", choice(c.UserIDs)},
		member{"UserRealm", texts(c.UserRealm)},
		member{"Email", choice(c.Emails)},
		member{"Name", choice(c.Names)},
		member{"Username", texts(c.Username)},
		member{"Nickname", texts(c.Nickname)},
		member{"Picture", texts(c.Picture)},
		member{"ClientID", texts(c.ClientID)},
		member{"Roles", emitRoles(c)},
		member{"Permissions", emitList(c.Permissions)},
		member{"Scopes", choice(c.Scopes)},
		member{"ScopeSeparator", text(c.ScopeSeparator)},
		member{"Extra", list(jen.Qual(factsPath, "Extra"), extra)},
	)
}

// emitRoles says where the roles are: as the spec says, or where the configuration says.
func emitRoles(c *model.Claims) jen.Code {
	if c.RolesField == nil {
		return emitList(c.Roles)
	}
	return inline(jen.Qual(factsPath, "List"), member{"From", jen.Id(c.RolesField.Local)})
}

func emitList(l spec.List) jen.Code {
	if len(l.From) == 0 && l.Each == "" {
		return nil
	}
	return inline(
		jen.Qual(factsPath, "List"), member{"From", texts(l.From)}, member{"Each", text(l.Each)},
		member{"Member", text(l.List)}, member{"As", text(l.As)},
	)
}

// choice is a list that the spec gives, or the variable that holds it.
func choice(c model.Choice) jen.Code {
	if c.Field != nil {
		return jen.Id(c.Field.Local)
	}
	return texts(c.List)
}

func fromConfig(f *model.Field) jen.Code {
	if f == nil {
		return nil
	}
	return jen.Id("cfg").Dot(f.Go)
}

// words are the words for the scopes that have some.
func words(list []spec.ScopeWord) []model.Named {
	named := make([]model.Named, len(list))
	for i, w := range list {
		named[i] = model.Named{Name: w.Name, Is: model.Expression{Parts: []model.Part{{Text: strings.Join(strings.Fields(w.Words), " ")}}}}
	}
	return named
}
