package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/gen/internal/generate"
	"github.com/latchkey-auth/latchkey/gen/internal/output"
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

// lockLimit is how long a run waits for another one.
const lockLimit = time.Minute

// Run generates, while no other run is at work in the module.
func (g *Generate) Run(streams *Streams) (err error) {
	around, importPath, err := packagesIn(g.Out)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockLimit)
	defer cancel()
	unlock, err := output.Lock(ctx, around.folder, func() {
		_, _ = fmt.Fprintf(streams.Err, "latchkey-gen: waiting for another one that is at work in %s\n", display(around.folder))
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return g.locked(streams, around, importPath)
}

// locked reads the specs only now, so that they are those of the last run when it ends.
func (g *Generate) locked(streams *Streams, around module, importPath string) error {
	specs, err := readFolder(g.Specs)
	if err != nil {
		return err
	}
	unsuitable, err := readUnsuitable(g.Specs)
	if err != nil {
		return err
	}
	files, problems, err := generate.Files(specs, generate.Options{ImportPath: importPath, Unsuitable: unsuitable})
	if err != nil {
		return err
	}
	if err := g.report(streams, problems); err != nil {
		return err
	}
	to, err := g.places()
	if err != nil {
		return err
	}
	tree := to.tree(around, importPath)
	changes, err := tree.Plan(to.files(files))
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
