package cli

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	xmodule "golang.org/x/mod/module"

	"github.com/latchkey-auth/latchkey/gen/internal/output"
)

// module is a Go module on disk.
type module struct {
	// folder is that of go.mod; path is the module's path.
	folder, path string
}

// moduleAround finds the module that a folder, which need not exist yet, belongs to.
func moduleAround(folder string) (module, error) {
	for dir := folder; ; dir = filepath.Dir(dir) {
		file := filepath.Join(dir, "go.mod")
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			data, err := os.ReadFile(file)
			if err != nil {
				return module{}, err
			}
			parsed, err := modfile.ParseLax(display(file), data, nil)
			switch {
			case err != nil:
				return module{}, err
			case parsed.Module == nil || parsed.Module.Mod.Path == "":
				return module{}, fmt.Errorf("%s names no module", display(file))
			}
			return module{folder: dir, path: parsed.Module.Mod.Path}, nil
		}
		if dir == filepath.Dir(dir) {
			return module{}, fmt.Errorf("%s is in no Go module: run `go mod init` first, the generated packages need an import path", display(folder))
		}
	}
}

// has reports whether the module still has generated packages where an import path says. It has
// none of another module, nor of itself under a name that it no longer has.
func (m module) has(importPath string) bool {
	way, own := strings.CutPrefix(importPath+"/", m.path+"/")
	_, err := os.Stat(filepath.Join(m.folder, filepath.FromSlash(way), "all", "all_gen.go"))
	return own && err == nil
}

// packagesIn returns the module around a folder for packages, which need not exist yet, and the
// folder's import path. A symbolic link within the module counts as the folder that it leads to.
func packagesIn(folder string) (around module, importPath string, err error) {
	here, err := filepath.Abs(folder)
	if err != nil {
		return module{}, "", err
	}
	around, err = moduleAround(here)
	if err != nil {
		return module{}, "", err
	}
	behind, err := output.Resolve(here)
	if err != nil {
		return module{}, "", err
	}
	home, err := output.Resolve(around.folder)
	if err != nil {
		return module{}, "", err
	}
	if there, err := moduleAround(behind); err == nil && there.folder == home {
		around, here = there, behind
	}
	down, err := filepath.Rel(around.folder, here)
	if err != nil {
		return module{}, "", err
	}
	down = filepath.ToSlash(down)
	importPath = path.Join(around.path, down)
	return around, importPath, checkImportPath(folder, down, importPath)
}

// checkImportPath refuses a folder whose packages Go would not build.
func checkImportPath(folder, down, importPath string) error {
	for element := range strings.SplitSeq(down, "/") {
		switch {
		case element == ".": // the module's own folder
		case element == "vendor":
			return fmt.Errorf("--out %s: Go keeps the name vendor for copies of other modules: choose another folder", folder)
		case element == "testdata" || element[0] == '_' || element[0] == '.':
			return fmt.Errorf("--out %s: Go leaves out folders named %s when it builds and tests a module: choose another folder", folder, element)
		}
	}
	if err := xmodule.CheckImportPath(importPath); err != nil {
		return fmt.Errorf("--out %s: Go cannot import packages from there: %w: choose another folder", folder, err)
	}
	return nil
}
