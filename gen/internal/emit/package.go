package emit

import (
	"strconv"
	"strings"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

func emitPackage(m *model.Model, importPath string) *jen.File {
	f := newFile(importPath, m.Name, m.Name)
	for _, line := range packageDoc(m) {
		f.PackageComment(line)
	}
	// // This package needs a runtime that …
	// const _ = runtime.SupportsGeneratedCodeV1
	f.Comment("// This package does not compile with a runtime that is too old or too new for it.")
	f.Const().Id("_").Op("=").Qual(runtimePath, "SupportsGeneratedCodeV1")
	f.Line()
	f.Add(emitConfig(m))
	f.Line()
	f.Add(emitNew(m))
	if emitDiscovered(m) != nil {
		f.Line()
		f.Add(emitNewContext())
	}
	if len(m.Claims.Extra) > 0 {
		f.Line()
		f.Add(emitClaims(m))
		f.Line()
		f.Add(emitClaimsFrom(m))
	}
	return f
}

// packageDoc is what go doc shows of the package: summary, setup, notes.
func packageDoc(m *model.Model) []string {
	var lines []string
	paragraph := func(text string) {
		if len(lines) > 0 {
			lines = append(lines, "//")
		}
		for _, line := range prose.Wrap(text, prose.LineWidth) {
			lines = append(lines, "// "+line)
		}
	}
	bullets := func(title string, list []string) {
		if len(list) == 0 {
			return
		}
		paragraph(title)
		for _, entry := range list {
			mark := "//   - "
			for _, line := range prose.Wrap(entry, prose.LineWidth-6) {
				lines = append(lines, mark+line)
				mark = "//     "
			}
		}
	}
	paragraph("Package " + m.Name + " is the provider " + m.Title + ". " + prose.Sentence(m.Summary))
	bullets("What to set up there:", m.Setup)
	bullets("What to know:", m.Notes)
	if m.DocsURL != "" {
		paragraph("Its own documentation: " + m.DocsURL)
	}
	return lines
}

// emitConfig is the type with all settings.
func emitConfig(m *model.Model) *jen.Statement {
	// // Config is …
	// type Config struct {
	// 	// ServerURL is required. Base URL of the server.
	// 	// Variable: …. Example: ….
	// 	ServerURL string
	// }
	doc := "Config is what [New] needs to know."
	if m.HasVariables() {
		doc += " A field that is left empty takes the value of its environment variable."
	}
	return comment(doc).Line().Type().Id("Config").StructFunc(func(g *jen.Group) {
		for i := range m.Fields {
			field := &m.Fields[i]
			g.Add(comment(fieldDoc(m, field)))
			if source := fieldSource(field); source != "" {
				g.Add(comment(source))
			}
			g.Id(field.Go).Add(fieldType(field))
		}
	})
}

// fieldDoc says what a field is.
func fieldDoc(m *model.Model, f *model.Field) string {
	return f.Go + " is " + m.Need(f, (*model.Field).GoName) + ". " + prose.Sentence(f.Doc)
}

// fieldSource says where a field's value comes from, and how one looks.
func fieldSource(f *model.Field) string {
	var facts []string
	if f.Env != "" {
		facts = append(facts, "Variable: "+f.Env+".")
	}
	if len(f.Default) > 0 {
		facts = append(facts, "Default: "+strconv.Quote(f.DefaultText())+".")
	}
	if f.Example != "" {
		facts = append(facts, "Example: "+strconv.Quote(f.Example)+".")
	}
	return strings.Join(facts, " ")
}

func fieldType(f *model.Field) *jen.Statement {
	switch f.Type {
	case spec.TypeSecret:
		return jen.Qual(oauthPath, "Secret")
	case spec.TypeList, spec.TypeRequirements:
		return jen.Index().String()
	case spec.TypeVerifier:
		return jen.Qual(oauthPath, "TokenVerifier")
	case spec.TypeUserMapper:
		return jen.Qual(oauthPath, "UserMapper")
	case spec.TypeParameters:
		return jen.Map(jen.String()).String()
	default:
		return jen.String()
	}
}

// emitNew is the constructor: it resolves the configuration and fills in the definition.
func emitNew(m *model.Model) *jen.Statement {
	doc := "New returns the provider. A wrong configuration is reported with all its problems at once, each an [*oauth.ConfigError]."
	if emitDiscovered(m) != nil {
		doc += " It reads the provider's own document and waits for it for 30 seconds at most."
	}
	// func New(cfg Config, opts ...runtime.Option) (*runtime.Provider, error) {
	return comment(doc).Line().Func().Id("New").Params(
		jen.Id("cfg").Id("Config"), jen.Id("opts").Op("...").Qual(runtimePath, "Option"),
	).Params(jen.Op("*").Qual(runtimePath, "Provider"), jen.Error()).BlockFunc(func(g *jen.Group) {
		// in := runtime.NewInputs("Keycloak", opts...)
		g.Id("in").Op(":=").Qual(runtimePath, "NewInputs").Call(quoted(m.Title), jen.Id("opts").Op("..."))
		for i := range m.Fields {
			if code := emitResolve(&m.Fields[i]); code != nil {
				g.Add(code)
			}
		}
		for _, group := range m.Groups {
			g.Add(emitGroup(group))
		}
		if tenants := emitResolveTenants(m.Tokens.Tenants); tenants != nil {
			g.Add(tenants)
		}
		// if err := in.Err(); err != nil {
		// 	return nil, err
		// }
		g.If(jen.Id("err").Op(":=").Id("in").Dot("Err").Call(), jen.Id("err").Op("!=").Nil()).Block(
			jen.Return(jen.Nil(), jen.Id("err")),
		)
		if len(m.Values) > 0 {
			g.Line()
		}
		for _, value := range m.Values {
			g.Add(emitValue(value))
		}
		if len(m.Values) == 0 {
			g.Line()
		}
		// return runtime.New(in, runtime.Definition{…})
		g.Return(jen.Qual(runtimePath, "New").Call(jen.Id("in"), emitDefinition(m)))
	})
}

// emitNewContext is the constructor that waits for the provider's document.
func emitNewContext() *jen.Statement {
	const doc = "NewContext returns the provider as [New] does, and waits for the provider's own document for as long as ctx lasts."
	// func NewContext(ctx context.Context, cfg Config, opts ...runtime.Option) (…) {
	// 	return New(cfg, append([]runtime.Option{runtime.WithDiscoveryContext(ctx)}, opts...)...)
	// }
	return comment(doc).Line().Func().Id("NewContext").Params(
		jen.Id("ctx").Qual("context", "Context"), jen.Id("cfg").Id("Config"), jen.Id("opts").Op("...").Qual(runtimePath, "Option"),
	).Params(jen.Op("*").Qual(runtimePath, "Provider"), jen.Error()).Block(
		jen.Return(jen.Id("New").Call(jen.Id("cfg"), jen.Append(
			jen.Index().Qual(runtimePath, "Option").Values(jen.Qual(runtimePath, "WithDiscoveryContext").Call(jen.Id("ctx"))), jen.Id("opts").Op("..."),
		).Op("..."))),
	)
}

// resolvers are the methods of runtime.Inputs by type.
var resolvers = map[string]string{
	spec.TypeString: "String", spec.TypeURL: "URL", spec.TypeEndpoint: "Endpoint", spec.TypeIdentifier: "Identifier", spec.TypeHost: "Host", spec.TypeSegment: "Segment",
	spec.TypeLabel: "Label", spec.TypeSecret: "Secret", spec.TypeList: "List", spec.TypeParameters: "Parameters",
	spec.TypeRequirements: "Requirements",
}

// emitResolve resolves one field. Functions have nothing to resolve; required ones must be there.
func emitResolve(f *model.Field) *jen.Statement {
	if f.IsFunction() {
		if !f.Required {
			return nil
		}
		// in.Require(cfg.VerifyToken != nil, runtime.Field{Name: "verifyToken"})
		return jen.Id("in").Dot("Require").Call(jen.Id("cfg").Dot(f.Go).Op("!=").Nil(), inline(
			jen.Qual(runtimePath, "Field"), member{"Name", text(f.Name)}, member{"Missing", text(f.Missing)},
		))
	}
	// serverURL := in.URL(cfg.ServerURL, runtime.Field{…})
	return jen.Id(f.Local).Op(":=").Id("in").Dot(resolvers[f.Type]).Call(
		jen.Id("cfg").Dot(f.Go),
		literal(
			jen.Qual(runtimePath, "Field"),
			member{"Name", text(f.Name)},
			member{"Env", text(f.Env)},
			member{"Default", text(f.DefaultText())},
			member{"Required", yes(f.Required)},
			member{"Missing", text(f.Missing)},
			member{"Example", text(f.Example)},
			member{"KeepSlash", yes(f.Normalize == "keep_slash")},
			member{"MinLength", number(f.MinLength)},
			member{"Pattern", text(f.Pattern)},
			member{"Not", text(f.Not)},
			member{"Must", text(f.Must)},
		),
	)
}

// emitGroup asks for one of several fields.
func emitGroup(group model.Group) *jen.Statement {
	// in.RequireOneOf(
	// 	"…",
	// 	[]runtime.Field{{Name: "projectId", Env: "…"}, {Name: "supabaseUrl", Env: "…"}},
	// 	projectID, supabaseURL,
	// )
	fields, values := make([]jen.Code, len(group.Fields)), make([]jen.Code, len(group.Fields))
	for i, f := range group.Fields {
		fields[i] = inline(jen.Null(), member{"Name", text(f.Name)}, member{"Env", text(f.Env)})
		values[i] = jen.Id(f.Local)
	}
	return jen.Id("in").Dot("RequireOneOf").Custom(
		jen.Options{Open: "(", Close: ")", Separator: ",", Multi: true},
		quoted(group.Message),
		jen.Index().Qual(runtimePath, "Field").Values(fields...),
		jen.List(values...),
	)
}

// emitValue derives one value.
func emitValue(v model.Value) *jen.Statement {
	final := v.Alternatives[len(v.Alternatives)-1].Is
	switch len(v.Alternatives) {
	case 1:
		// base := serverURL + "/realms/" + realm
		return jen.Id(v.Local).Op(":=").Add(expression(final))
	case 2:
		// base := "https://" + projectID + ".supabase.co"
		// if supabaseURL != "" {
		// 	base = supabaseURL
		// }
		first := v.Alternatives[0]
		return jen.Id(v.Local).Op(":=").Add(expression(final)).Line().
			If(conditions(first.Conditions)).Block(jen.Id(v.Local).Op("=").Add(expression(first.Is)))
	}
	// var base string
	// switch {
	// case supabaseURL != "":
	// 	base = supabaseURL
	// default: …
	return jen.Var().Id(v.Local).String().Line().Switch().BlockFunc(func(g *jen.Group) {
		for _, a := range v.Alternatives[:len(v.Alternatives)-1] {
			g.Case(conditions(a.Conditions)).Block(jen.Id(v.Local).Op("=").Add(expression(a.Is)))
		}
		g.Default().Block(jen.Id(v.Local).Op("=").Add(expression(final)))
	})
}

func conditions(locals []string) *jen.Statement {
	code := jen.Null()
	for i, local := range locals {
		if i > 0 {
			code.Op("&&")
		}
		code.Id(local).Op("!=").Lit("")
	}
	return code
}
