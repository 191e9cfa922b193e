package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxLinks bounds the symbolic links of one path, as operating systems do.
const maxLinks = 40

// Resolve returns the absolute path behind all symbolic links, of something that need not exist
// yet: a link to nothing leads to where that will be.
func Resolve(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return resolve(absolute, maxLinks)
}

func resolve(path string, links int) (string, error) {
	if links == 0 {
		return "", fmt.Errorf("%s: too many symbolic links", path)
	}
	behind, err := filepath.EvalSymlinks(path)
	nothing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) // the latter is for [Tree.Plan] to report
	if !nothing || path == filepath.Dir(path) {
		return behind, err
	}
	parent, err := resolve(filepath.Dir(path), links)
	if err != nil {
		return "", err
	}
	here := filepath.Join(parent, filepath.Base(path))
	target, err := os.Readlink(here)
	switch {
	case err != nil:
		return here, nil //nolint:nilerr // nothing is there
	case filepath.IsAbs(target):
		return resolve(target, links-1)
	default:
		return resolve(filepath.Join(parent, target), links-1)
	}
}
