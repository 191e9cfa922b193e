package cli

import (
	"path/filepath"

	"github.com/latchkey-auth/latchkey/gen/internal/generate"
	"github.com/latchkey-auth/latchkey/gen/internal/output"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
)

// places are where the generator's files go, behind all symbolic links. An empty one is for files
// that nobody wants.
type places struct{ specs, packages, docs, pages, env string }

// places resolves what the flags say.
func (g *Generate) places() (places, error) {
	var to places
	for _, one := range []struct {
		place *string
		path  string
	}{
		{&to.specs, g.Specs}, {&to.packages, g.Out}, {&to.docs, g.Docs}, {&to.pages, filepath.Join(g.Docs, "providers")}, {&to.env, g.Env},
	} {
		resolved, err := output.Resolve(one.path)
		if err != nil {
			return to, err
		}
		*one.place = resolved
	}
	if g.Docs == "" {
		to.docs, to.pages = "", ""
	}
	if g.Env == "" {
		to.env = ""
	}
	return to, nil
}

// tree is what the command owns there. A file about the packages of another folder, which is still
// there, belongs to that folder.
func (to places) tree(around module, importPath string) output.Tree {
	tree := output.Tree{
		Marker: prose.Marker,
		Roots:  []output.Root{{Path: to.packages, Depth: 1}},
		Foreign: func(data []byte) string {
			if other := prose.PackagesOf(data); other != "" && other != importPath && around.has(other) {
				return "it is about the packages in " + other
			}
			return ""
		},
	}
	if to.pages != "" {
		tree.Roots = append(tree.Roots, output.Root{Path: to.pages})
	}
	return tree
}

// files turns the generator's files into files on disk, without those that nobody wants.
func (to places) files(generated []generate.File) []output.File {
	placed := make([]output.File, 0, len(generated))
	for _, f := range generated {
		file := output.File{Path: filepath.FromSlash(f.Path), Data: f.Data}
		folder := to.packages
		switch f.Kind {
		case generate.Package:
			file.Instead = ", or generate into another folder with --out=FOLDER"
		case generate.Schema:
			folder = to.specs
		case generate.Page:
			folder, file.Instead = to.pages, ", choose another folder with --docs=FOLDER, or have no pages with --docs="
		case generate.Reference:
			folder, file.Instead = to.docs, ", choose another folder with --docs=FOLDER, or have no pages with --docs="
		case generate.Sample:
			folder, file.Instead = filepath.Dir(to.env), ", choose another file with --env=FILE, or have none with --env="
			file.Path = filepath.Base(to.env)
		}
		if folder == "" || f.Kind == generate.Sample && to.env == "" {
			continue
		}
		file.Path = filepath.Join(folder, file.Path)
		placed = append(placed, file)
	}
	return placed
}
