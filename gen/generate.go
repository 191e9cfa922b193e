package gen

import (
	"cmp"
	"slices"

	"github.com/latchkey-auth/latchkey/gen/problem"
	"github.com/latchkey-auth/latchkey/gen/spec"
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
}

// Check parses and validates specs and returns those without errors as models, sorted by name, and all problems.
func Check(specs []Spec) ([]*Model, problem.List) {
	var models []*Model
	var problems problem.List
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
			problems = append(problems, problem.Problem{
				Rule: "provider-taken", Severity: problem.Error, Position: problem.Position{File: s.File},
				Message: "provider " + name + " is described in " + other + " already",
			})
			continue
		}
		files[name] = s.File
		models = append(models, NewModel(&document.Spec))
	}
	slices.SortFunc(models, func(a, b *Model) int { return cmp.Compare(a.Name, b.Name) })
	return models, problems.Sorted()
}

// Generate turns specs into files. With an error among the problems there are no files at all.
func Generate(specs []Spec, options Options) ([]File, problem.List, error) {
	models, problems := Check(specs)
	if problems.HasErrors() {
		return nil, problems, nil
	}
	var sources []Source
	for _, m := range models {
		sources = append(sources, Emit(m, options.ImportPath)...)
	}
	sources = append(sources, EmitRegistry(models, options.ImportPath))
	files := make([]File, 0, len(sources))
	for _, source := range sources {
		file, err := Format(source)
		if err != nil {
			return nil, problems, err
		}
		files = append(files, file)
	}
	schema, err := spec.Schema(Marker + ". DO NOT EDIT.")
	if err != nil {
		return nil, problems, err
	}
	for _, m := range models {
		files = append(files, providerPage(m, options.ImportPath))
	}
	return append(files, indexPage(models), referencePage(), sample(models), File{Kind: Schema, Path: "schema.json", Data: schema}), problems, nil
}
