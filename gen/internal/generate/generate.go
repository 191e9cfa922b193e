// Package generate runs the generator over a set of specs: it parses and validates them, makes
// models of them, emits and formats the packages, and writes the pages. It returns files and
// touches no disk.
package generate

import (
	"cmp"
	"slices"

	"github.com/latchkey-auth/latchkey/gen/internal/emit"
	"github.com/latchkey-auth/latchkey/gen/internal/format"
	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/pages"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// Spec is one spec file.
type Spec struct {
	// File is the name in messages, as the user would write it.
	File string
	Data []byte
}

// Options say what surrounds the generated packages.
type Options struct {
	// ImportPath is the import path of their folder.
	ImportPath string
	// Unsuitable is the list of providers that get no spec; without data there is none.
	Unsuitable Spec
}

// Checked is what specs say.
type Checked struct {
	// Models are the specs without errors, sorted by name.
	Models []*model.Model
	// Unsuitable are the providers that get no spec.
	Unsuitable []spec.UnsuitableProvider
}

// Check parses and validates specs and the list of unsuitable providers, and returns all problems.
// Without data there is no such list.
func Check(specs []Spec, unsuitable Spec) (Checked, yamldoc.Problems) {
	var models []*model.Model
	list, problems := checkUnsuitable(unsuitable)
	files := map[string]string{}
	for _, s := range specs {
		document, found := spec.Parse(s.File, s.Data)
		found = append(found, spec.Validate(document)...)
		problems = append(problems, found...)
		if found.HasErrors() {
			continue
		}
		name := document.Spec.Name
		if other, taken := files[name]; taken {
			problems = append(problems, yamldoc.Problem{
				Rule: "provider-taken", Severity: yamldoc.Error, Position: yamldoc.Position{File: s.File},
				Message: "provider " + name + " is described in " + other + " already",
			})
			continue
		}
		if problem, found := refusal(document, list); found {
			problems = append(problems, problem)
			continue
		}
		files[name] = s.File
		models = append(models, model.New(&document.Spec))
	}
	slices.SortFunc(models, func(a, b *model.Model) int { return cmp.Compare(a.Name, b.Name) })
	return Checked{models, list}, problems.Sorted()
}

func checkUnsuitable(file Spec) ([]spec.UnsuitableProvider, yamldoc.Problems) {
	if file.Data == nil {
		return nil, nil
	}
	list, problems := spec.ParseUnsuitable(file.File, file.Data)
	return list.Providers, problems
}

// refusal is the problem of a spec of an unsuitable provider, which somebody wrote without having
// read why there was none.
func refusal(document *spec.Document, list []spec.UnsuitableProvider) (yamldoc.Problem, bool) {
	for _, unsuitable := range list {
		if slices.Contains(unsuitable.Names, document.Spec.Name) {
			return yamldoc.Problem{
				Rule: "unsuitable", Severity: yamldoc.Error, Position: document.Place("name").Value,
				Message: unsuitable.Title + " is listed in " + spec.UnsuitableFile + ": " + unsuitable.Reason + " " + unsuitable.Instead,
			}, true
		}
	}
	return yamldoc.Problem{}, false
}

// Files turns specs into files. With an error among the problems there are no files at all.
func Files(specs []Spec, options Options) ([]File, yamldoc.Problems, error) {
	checked, problems := Check(specs, options.Unsuitable)
	models := checked.Models
	if problems.HasErrors() {
		return nil, problems, nil
	}
	var sources []emit.Source
	for _, m := range models {
		sources = append(sources, emit.Provider(m, options.ImportPath)...)
	}
	sources = append(sources, emit.Registry(models, options.ImportPath)...)
	files := make([]File, 0, len(sources))
	for _, source := range sources {
		data, err := format.Go(source.File, source.Path)
		if err != nil {
			return nil, problems, err
		}
		files = append(files, File{Kind: Package, Path: source.Path, Data: data})
	}
	schema, err := spec.Schema(prose.Marker + ". DO NOT EDIT.")
	if err != nil {
		return nil, problems, err
	}
	for _, m := range models {
		files = append(files, File{Kind: Page, Path: m.Name + ".md", Data: pages.Provider(m, options.ImportPath)})
	}
	return append(
		files,
		File{Kind: Page, Path: "README.md", Data: pages.Index(models, checked.Unsuitable, options.ImportPath)},
		File{Kind: Reference, Path: "spec-reference.md", Data: pages.Reference()},
		File{Kind: Sample, Path: ".env.example", Data: pages.Sample(models, options.ImportPath)},
		File{Kind: Schema, Path: "schema.json", Data: schema},
	), problems, nil
}
