package emit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/names"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// emitTest is the provider's test: tokens of its test section against a fake provider.
func emitTest(m *model.Model, importPath string) *jen.File {
	f := newFile(importPath+"_test", m.Name+"_test", m.Name)
	f.ImportName(importPath, m.Name)
	suite := literal(
		jen.Qual(providertestPath, "Suite"),
		member{"Provider", emitTestProvider(m, importPath)},
		member{"Algorithms", texts(m.TestAlgorithms())},
		member{"Issuer", text(m.DiscoveredIssuer())},
		member{"SharedSecret", text(m.Test.Secret)},
		member{"AudienceClaim", text(m.Tokens.Audience.Claim)},
		member{"IDTokenShaped", yes(m.Tokens.IDTokenShaped != "")},
		member{"IssuerBound", yes(m.Tokens.Audience.IssuerBound)},
		member{"OwnVerifier", yes(m.Tokens.Verifier != nil)},
		member{"Opaque", emitTestOpaque(m)},
		member{"Proxy", emitTestProxy(m)},
		member{"Accept", emitTokenList(m.Test.Accept)},
		member{"Reject", emitTokenList(m.Test.Reject)},
	)
	// func TestProvider(t *testing.T) {
	// 	t.Parallel()
	// 	providertest.Run(t, providertest.Suite{…})
	// }
	f.Func().Id("TestProvider").Params(jen.Id("t").Op("*").Qual("testing", "T")).Block(
		jen.Id("t").Dot("Parallel").Call(),
		jen.Qual(providertestPath, "Run").Call(jen.Id("t"), suite),
	)
	return f
}

// emitTestProvider is the function that makes the provider under test.
func emitTestProvider(m *model.Model, importPath string) *jen.Statement {
	members := make([]member, len(m.Test.Config))
	for i, v := range m.Test.Config {
		members[i] = member{v.Field.Go, emitTestValue(v)}
	}
	// func(opts ...runtime.Option) (*runtime.Provider, error) {
	// 	return keycloak.New(keycloak.Config{…}, opts...)
	// }
	return constructor().Block(jen.Return(jen.Qual(importPath, "New").Call(
		literal(jen.Qual(importPath, "Config"), members...), jen.Id("opts").Op("..."),
	)))
}

// constructor is the signature of a function that makes a provider from options.
func constructor() *jen.Statement {
	return jen.Func().Params(jen.Id("opts").Op("...").Qual(runtimePath, "Option")).
		Params(jen.Op("*").Qual(runtimePath, "Provider"), jen.Error())
}

func emitTestValue(v model.TestValue) jen.Code {
	switch v.Field.Type {
	case spec.TypeVerifier:
		return jen.Qual(providertestPath, "Verifier").Call(jen.Id("t"))
	case spec.TypeUserMapper, spec.TypeParameters:
		return nil
	case spec.TypeList, spec.TypeRequirements:
		return texts(v.List)
	default:
		return text(v.Text)
	}
}

func emitTokenList(tokens []spec.Token) jen.Code {
	elements := make([]jen.Code, len(tokens))
	for i, t := range tokens {
		var reason jen.Code
		if t.Reason != "" {
			reason = jen.Qual(oauthPath, reasonName(t.Reason))
		}
		elements[i] = literal(
			nil,
			member{"Name", text(t.Name)},
			member{"Header", emitObject(t.Header)},
			member{"Claims", emitObject(t.Claims)},
			member{"Profile", emitObject(t.Profile)},
			member{"WantUser", emitObject(t.User)},
			member{"Reason", reason},
		)
	}
	return list(jen.Qual(providertestPath, "Token"), elements)
}

// reasonName is the name in Go of a reason: ReasonTokenType for token_type.
func reasonName(reason string) string {
	if reason == "not_a_jwt" {
		return "ReasonNotAJWT"
	}
	return "Reason" + names.Exported(reason)
}

func emitObject(object map[string]any) jen.Code {
	if len(object) == 0 {
		return nil
	}
	return jen.Map(jen.String()).Any().Add(emitPairs(object))
}

func emitPairs(object map[string]any) *jen.Statement {
	pairs := make([]jen.Code, 0, len(object))
	for _, key := range slices.Sorted(maps.Keys(object)) {
		pairs = append(pairs, quoted(key).Op(":").Add(emitJSON(object[key])))
	}
	return jen.Custom(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, pairs...)
}

// emitJSON is a JSON value as Go.
func emitJSON(value any) jen.Code {
	switch v := value.(type) {
	case nil:
		return jen.Nil()
	case bool:
		return jen.Lit(v)
	case string:
		return quoted(v)
	case map[string]any:
		return jen.Map(jen.String()).Any().Add(emitPairs(v))
	case []any:
		return jen.Index().Any().ValuesFunc(func(g *jen.Group) {
			for _, entry := range v {
				g.Add(emitJSON(entry))
			}
		})
	default: // a number, in JSON's spelling, which Go shares
		number, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("value of type %T in a test object", v)) // the parser makes none
		}
		return jen.Op(string(number))
	}
}
