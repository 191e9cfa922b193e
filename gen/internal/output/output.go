// Package output brings generated files to disk, or says how they differ from what is there. It is
// all or nothing, and touches no file that somebody else wrote.
package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is a file to write: Path is where, with the slashes of the system.
type File struct {
	Path string
	Data []byte
}

// Tree is the part of a file system that one run of the generator owns.
type Tree struct {
	// Marker is in the first lines of every generated file. Files without it are foreign.
	Marker string
	// Roots are the folders below which files with the marker that are no longer generated are
	// removed.
	Roots []string
}

// Change is one difference between the disk and what was generated.
type Change struct {
	Path string
	// Old is nil for a new file, New for one that goes away.
	Old []byte
	New []byte
}

// Plan compares the files with the disk. It fails where a foreign file, or anything that is no
// regular file, is in the way.
func (t Tree) Plan(files []File) ([]Change, error) {
	var changes []Change
	var problems []error
	wanted := map[string]bool{}
	for _, file := range files {
		wanted[filepath.Clean(file.Path)] = true
		old, err := t.own(file.Path)
		switch {
		case err != nil:
			problems = append(problems, err)
		case old == nil || !bytes.Equal(old, file.Data):
			changes = append(changes, Change{Path: file.Path, Old: old, New: file.Data})
		}
	}
	for _, root := range t.Roots {
		stale, err := t.stale(root, wanted)
		if err != nil {
			problems = append(problems, err)
		}
		changes = append(changes, stale...)
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return changes, errors.Join(problems...)
}

// own returns what a file of ours holds, nil when there is none.
func (t Tree) own(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is in the way: it is no regular file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !t.marked(data) {
		return nil, fmt.Errorf("%s is in the way: latchkey did not write it, so it stays; move it, or generate elsewhere", path)
	}
	return data, nil
}

// marked reports whether the marker is in the first three lines: JSON cannot have it in the first.
func (t Tree) marked(data []byte) bool {
	head := data
	for range 3 {
		_, rest, _ := bytes.Cut(head, []byte("\n"))
		head = rest
	}
	return bytes.Contains(data[:len(data)-len(head)], []byte(t.Marker))
}

// stale returns the removal of all files with our marker below a root that are not wanted.
func (t Tree) stale(root string, wanted map[string]bool) ([]Change, error) {
	var changes []Change
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == root:
			return filepath.SkipAll
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case !entry.Type().IsRegular() || wanted[filepath.Clean(path)]:
			return nil
		}
		data, err := os.ReadFile(path) //nolint:gosec // the tree is the developer's own
		if err == nil && t.marked(data) {
			changes = append(changes, Change{Path: path, Old: data})
		}
		return err
	})
	return changes, err
}

// Commit makes the changes, all or none: everything is written beside its place first, then moved.
// When a move fails, what was moved before is put back.
func (t Tree) Commit(changes []Change) (err error) {
	var done []Change
	staged := map[string]string{}
	defer func() {
		for _, temporary := range staged {
			_ = os.Remove(temporary)
		}
		if err != nil {
			err = errors.Join(err, restore(done))
		}
	}()
	for _, c := range changes {
		if c.New == nil {
			continue
		}
		temporary, err := stage(c)
		if err != nil {
			return err
		}
		staged[c.Path] = temporary
	}
	for _, c := range changes {
		if c.New == nil {
			err = os.Remove(c.Path)
		} else {
			err = os.Rename(staged[c.Path], c.Path)
		}
		if err != nil {
			return err
		}
		delete(staged, c.Path)
		done = append(done, c)
	}
	t.prune(changes)
	return nil
}

// stage writes a file's new content beside it.
func stage(c Change) (string, error) {
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o755); err != nil { //nolint:gosec // sources, for everybody to read
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(c.Path), ".latchkey-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(c.New)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// restore puts back what the given changes replaced or removed.
func restore(done []Change) error {
	var problems []error
	for _, c := range done {
		if c.Old == nil {
			problems = append(problems, os.Remove(c.Path))
			continue
		}
		problems = append(problems, os.WriteFile(c.Path, c.Old, 0o644)) //nolint:gosec // a source, for everybody to read
	}
	return errors.Join(problems...)
}

// prune removes the folders that a removal left empty, up to a root.
func (t Tree) prune(changes []Change) {
	for _, c := range changes {
		if c.New != nil {
			continue
		}
		for dir := filepath.Dir(c.Path); !slices.Contains(t.Roots, dir); dir = filepath.Dir(dir) {
			if os.Remove(dir) != nil { // not empty: os.Remove never removes a folder with something in it
				break
			}
		}
	}
}
