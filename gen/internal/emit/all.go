package emit

import (
	"path"

	"github.com/dave/jennifer/jen"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// registryName is the package that imports all providers.
const (
	registryName = "all"
	registryDoc  = "Package all knows every provider: what it is called, how it is configured, how to make it from the environment. " +
		"Import a provider's own package instead where one provider is enough."
)

// Registry returns the sources of the one package that knows every provider, for command lines: a
// file for each, and one that lists them.
func Registry(models []*model.Model, importPath string) []Source {
	own := path.Join(importPath, registryName)
	sources := []Source{{Path: registryFile(registryName), File: emitRegistry(models, own)}}
	for _, m := range models {
		f := newFile(own, registryName, m.Name)
		provider := path.Join(importPath, m.Name)
		f.ImportName(provider, m.Name)
		f.Add(emitEntry(m, provider))
		sources = append(sources, Source{Path: registryFile(m.Name), File: f})
	}
	return sources
}

func registryFile(name string) string { return registryName + "/" + name + "_gen.go" }

// emitRegistry is the file with the types and the list of all providers.
func emitRegistry(models []*model.Model, importPath string) *jen.File {
	f := newFile(importPath, registryName, "*")
	for _, line := range prose.Wrap(registryDoc, prose.LineWidth) {
		f.PackageComment("// " + line)
	}
	f.Add(emitRegistryTypes())
	f.Line()
	// // Providers returns …
	// func Providers() []Provider {
	// 	return []Provider{auth0Provider(), …}
	// }
	f.Comment("// Providers returns all providers, sorted by name.")
	f.Func().Id("Providers").Params().Index().Id("Provider").Block(jen.Return(
		jen.Index().Id("Provider").CustomFunc(jen.Options{Open: "{", Close: "}", Separator: ",", Multi: true}, func(g *jen.Group) {
			for _, m := range models {
				g.Id(entryName(m)).Call()
			}
		}),
	))
	f.Line()
	f.Add(emitLookup())
	return f
}

func entryName(m *model.Model) string { return m.Name + "Provider" }

func emitRegistryTypes() *jen.Statement {
	constructorType := jen.Func().Params(jen.Id("opts").Op("...").Qual(runtimePath, "Option")).
		Params(jen.Op("*").Qual(runtimePath, "Provider"), jen.Error())
	// type Provider struct { … }
	// type Field struct { … }
	return comment("Provider is what is known of a provider before it is configured.").Line().
		Type().Id("Provider").Struct(
		comment("Name is the short name, Title the name for people."),
		jen.Id("Name").String(),
		jen.Id("Title").String(),
		comment("Mode says whether clients register at the provider or at this server. It is empty where that depends on the configuration."),
		jen.Id("Mode").Qual(oauthPath, "Mode"),
		comment("Summary is a sentence or two, DocsURL the provider's own documentation, Setup what to do there."),
		jen.Id("Summary").String(),
		jen.Id("DocsURL").String(),
		jen.Id("Setup").Index().String(),
		comment("Issuer and Endpoints are templates: names of fields stand in braces."),
		jen.Id("Issuer").String(),
		jen.Id("Endpoints").Qual(oauthPath, "Endpoints"),
		comment("Fields are the fields of the provider's Config."),
		jen.Id("Fields").Index().Id("Field"),
		comment("RequireOneOf are names of fields of which one must be set."),
		jen.Id("RequireOneOf").Index().Index().String(),
		comment("New makes the provider from the environment. It is nil where the configuration needs Go code."),
		jen.Id("New").Add(constructorType),
	).Line().Line().
		Add(comment("Field is one field of a provider's Config.")).Line().
		Type().Id("Field").Struct(
		comment("Name is the name in messages, GoName that in Config."),
		jen.Id("Name").String(),
		jen.Id("GoName").String(),
		comment("Type is the type in the provider's spec."),
		jen.Id("Type").String(),
		comment("Env is the variable that sets the field; empty if there is none."),
		jen.Id("Env").String(),
		comment("Default is the value when nothing sets the field, Example a value as people write it."),
		jen.Id("Default").String(),
		jen.Id("Example").String(),
		comment("Doc says what the field is."),
		jen.Id("Doc").String(),
		comment("Required fields must be set; Secret ones must not be shown."),
		jen.Id("Required").Bool(),
		jen.Id("Secret").Bool(),
	)
}

func emitLookup() *jen.Statement {
	// for _, p := range Providers() {
	// 	if p.Name == name {
	// 		return p, true
	// 	}
	// }
	// return Provider{}, false
	return comment("Lookup returns the provider with the given name. The second result is false where there is none.").Line().
		Func().Id("Lookup").Params(jen.Id("name").String()).Params(jen.Id("Provider"), jen.Bool()).Block(
		jen.For(jen.List(jen.Id("_"), jen.Id("p")).Op(":=").Range().Id("Providers").Call()).Block(
			jen.If(jen.Id("p").Dot("Name").Op("==").Id("name")).Block(jen.Return(jen.Id("p"), jen.True())),
		),
		jen.Return(jen.Id("Provider").Values(), jen.False()),
	)
}

// emitEntry is the function with what is known of one provider.
func emitEntry(m *model.Model, importPath string) *jen.Statement {
	fields := make([]jen.Code, len(m.Fields))
	for i := range m.Fields {
		fields[i] = emitEntryField(&m.Fields[i])
	}
	setup := make([]jen.Code, len(m.Setup))
	for i, step := range m.Setup {
		setup[i] = quoted(step)
	}
	// func auth0Provider() Provider {
	// 	return Provider{Name: "auth0", …}
	// }
	return jen.Func().Id(entryName(m)).Params().Id("Provider").Block(jen.Return(literal(
		jen.Id("Provider"),
		member{"Name", text(m.Name)},
		member{"Title", text(m.Title)},
		member{"Mode", constant(oauthPath, modes, m.Mode)},
		member{"Summary", text(m.Summary)},
		member{"DocsURL", text(m.DocsURL)},
		member{"Setup", list(jen.String(), setup)},
		member{"Issuer", text(m.Issuer.Template)},
		member{"Endpoints", emitEndpointTemplates(m.Endpoints)},
		member{"Fields", list(jen.Id("Field"), fields)},
		member{"RequireOneOf", emitGroups(m.Groups)},
		member{"New", emitFromEnvironment(m, importPath)},
	)))
}

// emitEndpointTemplates is the oauth.Endpoints literal as people read it, nil without endpoints.
func emitEndpointTemplates(endpoints []model.Endpoint) jen.Code {
	if len(endpoints) == 0 {
		return nil
	}
	members := make([]member, len(endpoints))
	for i, e := range endpoints {
		members[i] = member{e.Go, text(e.URL.Template)}
	}
	return literal(jen.Qual(oauthPath, "Endpoints"), members...)
}

// emitGroups is [][]string{{"projectId", "supabaseUrl"}}, nil without groups.
func emitGroups(groups []model.Group) jen.Code {
	sets := make([]jen.Code, len(groups))
	for i, group := range groups {
		names := make([]jen.Code, len(group.Fields))
		for j, f := range group.Fields {
			names[j] = text(f.Name)
		}
		sets[i] = jen.Values(names...)
	}
	return list(jen.Index().String(), sets)
}

func emitEntryField(f *model.Field) *jen.Statement {
	return literal(
		nil,
		member{"Name", text(f.Name)},
		member{"GoName", text(f.Go)},
		member{"Type", text(f.Type)},
		member{"Env", text(f.Env)},
		member{"Default", text(f.DefaultText())},
		member{"Example", text(f.Example)},
		member{"Doc", text(f.Doc)},
		member{"Required", yes(f.Required)},
		member{"Secret", yes(f.Type == spec.TypeSecret)},
	)
}

// emitFromEnvironment is the constructor without configuration, nil where a required field has no
// variable.
func emitFromEnvironment(m *model.Model, importPath string) jen.Code {
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Required && f.Env == "" {
			return nil
		}
	}
	// func(opts ...runtime.Option) (*runtime.Provider, error) {
	// 	return auth0.New(auth0.Config{}, opts...)
	// }
	return constructor().Block(jen.Return(jen.Qual(importPath, "New").Call(
		jen.Qual(importPath, "Config").Values(), jen.Id("opts").Op("..."),
	)))
}
