package emit

import (
	"strconv"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// claimTypes are the Go types of extra claims, and the methods of oauth.Claims that read them.
var claimTypes = map[string]struct {
	typ    func() *jen.Statement
	method string
	// optional readers have a second result that reports whether the claim is there.
	optional bool
}{
	spec.ClaimString:  {jen.String, "String", false},
	spec.ClaimStrings: {func() *jen.Statement { return jen.Index().String() }, "Strings", false},
	spec.ClaimBool:    {jen.Bool, "Bool", true},
	spec.ClaimNumber:  {jen.Float64, "Number", true},
	spec.ClaimTime:    {func() *jen.Statement { return jen.Qual("time", "Time") }, "Time", true},
	spec.ClaimObject:  {func() *jen.Statement { return jen.Qual(oauthPath, "Claims") }, "Object", false},
	spec.ClaimJSON:    {func() *jen.Statement { return jen.Qual("encoding/json", "RawMessage") }, "Raw", false},
}

// emitClaims is the type with the provider's further claims.
func emitClaims(m *model.Model) *jen.Statement {
	doc := "Claims are what tokens of " + m.Title + " say beyond the common fields of [oauth.UserInfo]. A claim that a token " +
		"does not carry, or carries as another type, is the zero value."
	// type Claims struct {
	// 	// EmailVerified is the claim "email_verified".
	// 	EmailVerified bool
	// }
	return comment(doc).Line().Type().Id("Claims").StructFunc(func(g *jen.Group) {
		for _, e := range m.Claims.Extra {
			line := e.Go + " is the claim " + strconv.Quote(e.Claim) + "."
			if e.Doc != "" {
				line += " " + prose.Sentence(e.Doc)
			}
			g.Add(comment(line))
			g.Id(e.Go).Add(claimTypes[e.Type].typ())
		}
	})
}

// emitClaimsFrom reads them.
func emitClaimsFrom(m *model.Model) *jen.Statement {
	// // ClaimsFrom …
	// func ClaimsFrom(info *oauth.AuthInfo) Claims {
	return comment("ClaimsFrom reads the further claims of a verified caller.").Line().
		Func().Id("ClaimsFrom").Params(jen.Id("info").Op("*").Qual(oauthPath, "AuthInfo")).Id("Claims").
		BlockFunc(func(g *jen.Group) {
			var members []member
			for _, e := range m.Claims.Extra {
				t := claimTypes[e.Type]
				read := jen.Id("info").Dot("Claims").Dot(t.method).Call(quoted(e.Claim))
				if !t.optional {
					members = append(members, member{e.Go, read})
					continue
				}
				// emailVerified, _ := info.Claims.Bool("email_verified")
				g.List(jen.Id(e.Local), jen.Id("_")).Op(":=").Add(read)
				members = append(members, member{e.Go, jen.Id(e.Local)})
			}
			// return Claims{EmailVerified: emailVerified, …}
			g.Return(literal(jen.Id("Claims"), members...))
		})
}
