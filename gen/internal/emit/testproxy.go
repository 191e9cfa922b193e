package emit

import (
	"cmp"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// emitTestOpaque says how the fake provider answers questions about tokens, nil where tokens are no
// opaque ones.
func emitTestOpaque(m *model.Model) jen.Code {
	c := m.Tokens.Check
	if c == nil {
		return nil
	}
	place, parameter := "TokenInForm", "token"
	var how, expiry, status jen.Code
	noExpiry, invalid := false, c.UserInfo.InvalidStatus
	switch c.At {
	case "userinfo":
		place, parameter = "TokenInHeader", ""
		how = emitAsking(asking{c.UserInfo.Scheme, c.UserInfo.Post, c.UserInfo.GraphQL, c.UserInfo.Listed})
	case "tokeninfo":
		place, parameter = cmp.Or(tokenPlaces[c.TokenInfo.TokenIn], place), cmp.Or(c.TokenInfo.Parameter, "access_token")
		if place == "TokenInPath" {
			parameter = ""
		}
		how = emitAsking(asking{scheme: c.TokenInfo.Scheme})
		expiry, noExpiry, invalid = emitExpiry(c.TokenInfo.Expiry), c.TokenInfo.NoExpiry != "", c.TokenInfo.InvalidStatus
	case "introspection":
		expiry, noExpiry, invalid = emitExpiry(c.Introspection.Expiry), c.Introspection.NoExpiry != "", nil
	}
	if len(invalid) > 0 {
		status = number(invalid[0])
	}
	var profile, client string
	var profileAsking jen.Code
	if c.Profile != nil {
		profile = c.Profile.Subject[0]
		profileAsking = emitAsking(asking{c.Profile.Scheme, c.Profile.Post, c.Profile.GraphQL, c.Profile.Listed})
	}
	if len(c.Binding.ClientClaims) > 0 {
		client = m.Test.Text(m.Upstream.Credentials.ClientID)
	}
	audience := len(m.Tokens.Audience.AnyOf) > 0 || m.Tokens.Audience.Otherwise != "" || m.Tokens.Audience.Also != ""
	return jen.Op("&").Add(literal(
		jen.Qual(providertestPath, "Opaque"),
		member{"Check", text(c.At)},
		member{"Place", jen.Qual(factsPath, place)},
		member{"Parameter", text(parameter)},
		member{"Asking", how},
		member{"AuthMethod", constant(factsPath, authMethods, c.Credentials.Method)},
		member{"ClientID", text(m.Test.Text(c.Credentials.ClientID))},
		member{"ClientSecret", text(m.Test.Text(c.Credentials.ClientSecret))},
		member{"Client", text(client)},
		member{"ClientClaims", texts(c.Binding.ClientClaims)},
		member{"Audience", yes(audience)},
		member{"Exchange", yes(c.Binding.Exchange)},
		member{"Expiry", expiry},
		member{"NoExpiry", yes(noExpiry)},
		member{"InvalidStatus", status},
		member{"Subject", text(m.Claims.UserID[0])},
		member{"Profile", text(profile)},
		member{"ProfileAsking", profileAsking},
	))
}

// emitTestProxy says what the fake provider must get to see, nil in mode direct.
func emitTestProxy(m *model.Model) jen.Code {
	u := m.Upstream
	if u == nil || m.Mode != "proxy" {
		return nil
	}
	secret := m.Test.Text(u.Credentials.ClientSecret)
	method := cmp.Or(u.Credentials.Method, "client_secret_basic")
	if u.Credentials.MethodField != nil {
		method = m.Test.Text(u.Credentials.MethodField)
	}
	auth := authMethods[method]
	if secret == "" && method != spec.PrivateKeyJWT || auth == "" {
		auth = "AuthNone"
	}
	return jen.Op("&").Add(literal(
		jen.Qual(providertestPath, "Proxy"),
		member{"ClientID", text(m.Test.Text(u.Credentials.ClientID))},
		member{"ClientSecret", text(secret)},
		member{"AuthMethod", jen.Qual(factsPath, auth)},
		member{"CodeProtection", jen.Qual(factsPath, cmp.Or(codeProtection[u.CodeProtection], "ProtectPKCE"))},
		member{"Resource", jen.Qual(factsPath, cmp.Or(resources[u.Resource], "ResourceStrip"))},
		member{"Scopes", texts(m.AskedScopes())},
		member{"ScopeAtToken", yes(u.ScopeAtToken)},
		member{"JSONBody", yes(u.JSONBody)},
		member{"AuthorizeParams", expressionMap(jen.String(), m.Given(u.AuthorizeParams))},
		member{"TokenParams", expressionMap(jen.String(), m.Given(u.TokenParams))},
		member{"ResponseIssuer", text(m.ResponseIssuer())},
		member{"Passthrough", yes(m.Passthrough())},
	))
}
