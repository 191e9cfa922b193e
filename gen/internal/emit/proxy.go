package emit

import (
	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/names"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// The names in Go of words of the language. A word that is missing is the default, which generated
// code leaves out.
var (
	authMethods = map[string]string{
		"client_secret_basic": "AuthBasic", "client_secret_post": "AuthPost", "private_key_jwt": "AuthPrivateKeyJWT",
		"bearer": "AuthBearer", "none": "AuthNone",
	}
	codeProtection = map[string]string{"nonce": "ProtectNonce", "none": "ProtectNothing"}
	resources      = map[string]string{"forward": "ResourceForward", "scope": "ResourceAsScope", "audience": "ResourceForward"}
	revocations    = map[string]string{"github": "RevokeGitHub"}
	tokenModes     = map[string]string{"sealed": "Sealed", "passthrough": "Passthrough"}
	tokenPlaces    = map[string]string{"form": "TokenInForm", "json": "TokenInJSON", "header": "TokenInHeader", "path": "TokenInPath"}
	expiryFormats  = map[string]string{"seconds": "ExpirySeconds", "seconds_from_now": "ExpiryIn", "rfc3339": "ExpiryRFC3339", "seconds_or_milliseconds": "ExpirySecondsOrMilliseconds"}
)

// constant is a constant of a package by the word that stands for it, nil for none.
func constant(path string, constants map[string]string, word string) jen.Code {
	if constants[word] == "" {
		return nil
	}
	return jen.Qual(path, constants[word])
}

// emitUpstream is the facts.Upstream literal, nil in mode direct.
func emitUpstream(u *model.Upstream) jen.Code {
	if u == nil {
		return nil
	}
	separator := ""
	if u.ScopeSeparator == "comma" {
		separator = ","
	}
	authorizeParams := expressionMap(jen.String(), u.AuthorizeParams)
	if u.ParamsField != nil {
		authorizeParams = jen.Id(u.ParamsField.Local)
	}
	tokenParams := expressionMap(jen.String(), u.TokenParams)
	if u.TokenField != nil {
		tokenParams = jen.Id(u.TokenField.Local)
	}
	return jen.Op("&").Add(literal(
		jen.Qual(factsPath, "Upstream"),
		member{"Credentials", emitCredentials(u.Credentials)},
		member{"Title", optional(u.Title)},
		member{"ResponseIssuers", expressions(u.ResponseIssuers)},
		member{"RequireResponseIssuer", yes(u.RequireResponseIssuer)},
		member{"RevocationStyle", constant(factsPath, revocations, u.RevocationStyle)},
		member{"CodeProtection", constant(factsPath, codeProtection, u.CodeProtection)},
		member{"UnprotectedReason", text(u.UnprotectedReason)},
		member{"Resource", constant(factsPath, resources, u.Resource)},
		member{"ResourceScope", optional(u.ResourceScope)},
		member{"ResourceIsAudience", yes(u.Resource == "audience")},
		member{"RequiredScopes", emitRequiredScopes(u)},
		member{"ScopeSeparator", text(separator)},
		member{"ScopeNames", expressionMap(jen.String(), u.ScopeNames)},
		member{"ScopeAliases", emitAliases(u.ScopeAliases)},
		member{"ScopeAtToken", yes(u.ScopeAtToken)},
		member{"JSONBody", yes(u.JSONBody)},
		member{"AuthorizeParams", authorizeParams},
		member{"TokenParams", tokenParams},
		member{"ErrorCodes", emitErrorCodes(u.ErrorCodes)},
	))
}

// emitCredentials is the facts.Credentials literal.
func emitCredentials(c model.Credentials) jen.Code {
	method := constant(factsPath, authMethods, c.Method)
	if c.MethodField != nil {
		method = jen.Qual(factsPath, "AuthMethod").Call(jen.Id(c.MethodField.Local))
	}
	return literal(
		jen.Qual(factsPath, "Credentials"),
		member{"ClientID", resolved(c.ClientID)},
		member{"ClientSecret", resolved(c.ClientSecret)},
		member{"AuthMethod", method},
		member{"ClientKey", resolved(c.ClientKey)},
		member{"ClientKeyID", resolved(c.ClientKeyID)},
	)
}

// resolved is the variable with a field's value, nil for no field.
func resolved(f *model.Field) jen.Code {
	if f == nil {
		return nil
	}
	return jen.Id(f.Local)
}

// optional is an expression, nil for an empty one.
func optional(e model.Expression) jen.Code {
	if len(e.Parts) == 0 {
		return nil
	}
	return expression(e)
}

func emitRequiredScopes(u *model.Upstream) jen.Code {
	listed := texts(u.RequiredScopes.Scopes)
	switch {
	case u.RequiredField == nil:
		return listed
	case listed == nil:
		return jen.Id(u.RequiredField.Local)
	}
	// append([]string{"openid"}, scopes...)
	return jen.Append(listed, jen.Id(u.RequiredField.Local).Op("..."))
}

// stringMap is a map literal with one pair a line, in the order of the spec; nil for none.
func stringMap(value *jen.Statement, pairs []jen.Code) jen.Code {
	if len(pairs) == 0 {
		return nil
	}
	return jen.Map(jen.String()).Add(value).Custom(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, pairs...)
}

func expressionMap(value *jen.Statement, list []model.Named) jen.Code {
	pairs := make([]jen.Code, len(list))
	for i, n := range list {
		pairs[i] = quoted(n.Name).Op(":").Add(expression(n.Is))
	}
	return stringMap(value, pairs)
}

func emitAliases(list []spec.ScopeAlias) jen.Code {
	pairs := make([]jen.Code, len(list))
	for i, a := range list {
		pairs[i] = quoted(a.Name).Op(":").Add(quoted(a.Scope))
	}
	return stringMap(jen.String(), pairs)
}

func emitErrorCodes(list []spec.ErrorCode) jen.Code {
	pairs := make([]jen.Code, len(list))
	for i, e := range list {
		pairs[i] = quoted(e.Name).Op(":").Qual(oauthPath, "Code"+names.Exported(e.Code))
	}
	return stringMap(jen.Qual(oauthPath, "Code"), pairs)
}

func emitHeaders(list []spec.Header) jen.Code {
	pairs := make([]jen.Code, len(list))
	for i, h := range list {
		pairs[i] = quoted(h.Name).Op(":").Add(quoted(h.Value))
	}
	return stringMap(jen.String(), pairs)
}

func emitScopePrefix(u *model.Upstream) jen.Code {
	if u == nil || len(u.ScopePrefix.Parts) == 0 {
		return nil
	}
	return literal(
		jen.Qual(factsPath, "ScopePrefix"),
		member{"Prefix", expression(u.ScopePrefix)},
		member{"Except", texts(u.Upstream.ScopePrefix.Except)},
	)
}

// emitCheck is the literal of the way in which tokens are checked, if it is the one at the given
// endpoint.
func emitCheck(c *model.OpaqueCheck, at string) jen.Code {
	if c == nil || c.At != at {
		return nil
	}
	switch at {
	case "introspection":
		i := &c.Introspection
		return jen.Op("&").Add(literal(
			jen.Qual(factsPath, "Introspection"),
			member{"Credentials", emitCredentials(c.Credentials)},
			member{"Expiry", emitExpiry(i.Expiry)},
			member{"NoExpiry", text(i.NoExpiry)},
			member{"NoTokenType", text(i.NoTokenType)},
			member{"TokenTypes", texts(i.TokenTypes)},
		))
	case "tokeninfo":
		t := &c.TokenInfo
		return jen.Op("&").Add(literal(
			jen.Qual(factsPath, "TokenInfo"),
			member{"Credentials", emitCredentials(c.Credentials)},
			member{"Place", constant(factsPath, tokenPlaces, t.TokenIn)},
			member{"Scheme", text(t.Scheme)},
			member{"Parameter", text(t.Parameter)},
			member{"Header", emitHeaders(t.Headers)},
			member{"InvalidStatus", numbers(t.InvalidStatus)},
			member{"InvalidErrors", texts(t.InvalidErrors)},
			member{"Expiry", emitExpiry(t.Expiry)},
			member{"NoExpiry", text(t.NoExpiry)},
			member{"TokenTypes", texts(t.TokenTypes)},
		))
	default:
		u := &c.UserInfo
		return jen.Op("&").Add(literal(
			jen.Qual(factsPath, "UserInfo"),
			member{"Asking", emitAsking(asking{u.Scheme, u.Post, u.GraphQL, u.Listed})},
			member{"Header", emitHeaders(u.Headers)},
			member{"InvalidStatus", numbers(u.InvalidStatus)},
			member{"InvalidErrors", texts(u.InvalidErrors)},
		))
	}
}

// asking is how a question whose credential is the token is put.
type asking struct {
	scheme  string
	post    bool
	graphQL string
	listed  bool
}

// emitAsking is the facts.Asking literal, nil for a GET with the scheme Bearer.
func emitAsking(a asking) jen.Code {
	if a == (asking{}) {
		return nil
	}
	return inline(
		jen.Qual(factsPath, "Asking"), member{"Scheme", text(a.scheme)}, member{"Post", yes(a.post)}, member{"GraphQL", text(a.graphQL)},
		member{"Listed", yes(a.listed)},
	)
}

// emitBinding is what ties opaque tokens to this server; nil where the audience of the rules does.
func emitBinding(m *model.Model) jen.Code {
	c := m.Tokens.Check
	if c == nil || len(c.Binding.ClientClaims) == 0 && !c.Binding.Exchange {
		return nil
	}
	members := []member{
		{"ClientClaims", texts(c.Binding.ClientClaims)},
		{"Exchange", yes(c.Binding.Exchange)},
	}
	if len(c.Binding.ClientClaims) > 0 {
		members = append([]member{{"ClientIDs", jen.Index().String().Values(jen.Id(m.Upstream.Credentials.ClientID.Local))}}, members...)
	}
	return literal(jen.Qual(factsPath, "Binding"), members...)
}

func emitExpiry(list []spec.Expiry) jen.Code {
	if len(list) == 0 {
		return nil
	}
	return jen.Index().Qual(factsPath, "Expiry").ValuesFunc(func(g *jen.Group) {
		for _, e := range list {
			g.Add(inline(nil, member{"Claim", text(e.Claim)}, member{"Format", constant(factsPath, expiryFormats, e.Format)}))
		}
	})
}

func numbers(list []int) jen.Code {
	if len(list) == 0 {
		return nil
	}
	return jen.Index().Int().ValuesFunc(func(g *jen.Group) {
		for _, n := range list {
			g.Lit(n)
		}
	})
}

func emitProfile(c *model.OpaqueCheck) jen.Code {
	if c == nil || c.Profile == nil {
		return nil
	}
	p := c.Profile
	return jen.Op("&").Add(literal(
		jen.Qual(factsPath, "Profile"),
		member{"Asking", emitAsking(asking{p.Scheme, p.Post, p.GraphQL, p.Listed})},
		member{"Header", emitHeaders(p.Headers)},
		member{"InvalidErrors", texts(p.InvalidErrors)},
		member{"Subject", texts(p.Subject)},
		member{"EmailsURL", optional(p.Emails)},
		member{"Optional", yes(p.Optional)},
	))
}

// tenantsVariable holds the accepted tenants in a generated constructor.
const tenantsVariable = "tenants"

// emitResolveTenants resolves the accepted tenants from the fields about them; nil where the
// provider has none.
func emitResolveTenants(t *model.Tenants) jen.Code {
	if t == nil {
		return nil
	}
	allowed, allowedField := jen.Code(jen.Nil()), inline(jen.Qual(runtimePath, "Field"))
	if t.Allowed != nil {
		allowed, allowedField = jen.Id(t.Allowed.Local), fieldName(t.Allowed)
	}
	arguments := []jen.Code{jen.Id(t.Field.Local), allowed, fieldName(t.Field), allowedField}
	for _, value := range t.Several {
		arguments = append(arguments, quoted(value))
	}
	// tenants := in.Tenants(tenantID, allowedTenants, runtime.Field{…}, …, "common")
	return jen.Id(tenantsVariable).Op(":=").Id("in").Dot("Tenants").Custom(
		jen.Options{Open: "(", Close: ")", Separator: ",", Multi: true}, arguments...,
	)
}

func fieldName(f *model.Field) *jen.Statement {
	return inline(jen.Qual(runtimePath, "Field"), member{"Name", text(f.Name)}, member{"Env", text(f.Env)})
}

func emitTenants(t *model.Tenants) jen.Code {
	if t == nil {
		return nil
	}
	return jen.Op("&").Add(literal(
		jen.Qual(factsPath, "Tenants"),
		member{"Issuer", expression(t.Issuer)},
		member{"Claim", text(t.Claim)},
		member{"AnyOf", jen.Id(tenantsVariable)},
		member{"Hint", text(t.Hint)},
	))
}
