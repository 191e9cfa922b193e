package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"

	"github.com/latchkey-auth/latchkey/gen/internal/generate"
	"github.com/latchkey-auth/latchkey/gen/internal/output"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
)

// Generate is the command that writes the packages.
type Generate struct {
	Reporting

	Specs string `help:"Folder with the specs. Their JSON Schema is written there too." default:"specs"`
	Out   string `help:"Folder for the generated packages." default:"providers_gen"`
	Docs  string `help:"Folder for the pages about providers and the language; empty for none." default:"docs"`
	Env   string `help:"File for the sample of variables; empty for none." default:".env.example"`
	Check bool   `help:"Write nothing: print a diff and fail when the generated files are not up to date."`
}

// Run generates.
func (g *Generate) Run(streams *Streams) error {
	specs, err := readFolder(g.Specs)
	if err != nil {
		return err
	}
	importPath, err := packagePath(g.Out)
	if err != nil {
		return err
	}
	files, problems, err := generate.Files(specs, generate.Options{ImportPath: importPath})
	if err != nil {
		return err
	}
	if err := g.report(streams, problems); err != nil {
		return err
	}
	tree := output.Tree{Marker: prose.Marker, Roots: []string{g.Out}}
	if g.Docs != "" {
		tree.Roots = append(tree.Roots, g.pages())
	}
	changes, err := tree.Plan(g.place(files))
	if err != nil {
		return err
	}
	if !g.Check {
		return tree.Commit(changes)
	}
	if len(changes) == 0 {
		return nil
	}
	if _, err := fmt.Fprint(streams.Out, output.Diff(relative(changes))); err != nil {
		return err
	}
	return errors.New("generated files are not up to date: run latchkey-gen generate")
}

// pages is the folder of the pages about providers.
func (g *Generate) pages() string { return filepath.Join(g.Docs, "providers") }

// place turns the generator's files into files on disk, without those that nobody wants.
func (g *Generate) place(files []generate.File) []output.File {
	placed := make([]output.File, 0, len(files))
	for _, f := range files {
		path := filepath.FromSlash(f.Path)
		switch {
		case f.Kind == generate.Package:
			path = filepath.Join(g.Out, path)
		case f.Kind == generate.Schema:
			path = filepath.Join(g.Specs, path)
		case f.Kind == generate.Sample && g.Env != "":
			path = g.Env
		case f.Kind == generate.Page && g.Docs != "":
			path = filepath.Join(g.pages(), path)
		case f.Kind == generate.Reference && g.Docs != "":
			path = filepath.Join(g.Docs, path)
		default:
			continue
		}
		placed = append(placed, output.File{Path: path, Data: f.Data})
	}
	return placed
}

// readFolder reads all specs of a folder.
func readFolder(folder string) ([]generate.Spec, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("specs: %w", err)
	}
	var files []string
	for _, entry := range entries {
		if extension := filepath.Ext(entry.Name()); extension == ".yaml" || extension == ".yml" {
			files = append(files, filepath.Join(folder, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no specs in %s: a spec is a file <provider>.yaml", display(folder))
	}
	return readFiles(files)
}

func readFiles(files []string) ([]generate.Spec, error) {
	var specs []generate.Spec
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		specs = append(specs, generate.Spec{File: display(file), Data: data})
	}
	return specs, nil
}

// display is a path as the user would write it: relative to the working folder where that is
// shorter.
func display(file string) string {
	here, err := os.Getwd()
	if err != nil {
		return file
	}
	if short, err := filepath.Rel(here, file); err == nil && len(short) < len(file) {
		return filepath.ToSlash(short)
	}
	return filepath.ToSlash(file)
}

// relative returns the changes with paths as the user would write them.
func relative(changes []output.Change) []output.Change {
	shown := slices.Clone(changes)
	for i := range shown {
		shown[i].Path = display(shown[i].Path)
	}
	return shown
}

// packagePath returns the import path of a folder, which need not exist yet: that of the module
// around it and the way down.
func packagePath(folder string) (string, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for dir := absolute; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil:
			module := modfile.ModulePath(data)
			if module == "" {
				return "", fmt.Errorf("%s names no module", display(filepath.Join(dir, "go.mod")))
			}
			down, err := filepath.Rel(dir, absolute)
			return path.Join(module, filepath.ToSlash(down)), err
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		case dir == filepath.Dir(dir):
			return "", fmt.Errorf("%s is in no Go module: run `go mod init` first, the generated packages need an import path", display(folder))
		}
	}
}
