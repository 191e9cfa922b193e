// Package output brings generated files to disk, or says how they differ from what is there. It is
// all or nothing, and touches no file that somebody else wrote.
package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// File is a file to write: Path is where, with the slashes of the system.
type File struct {
	Path string
	Data []byte
	// Instead says what to do when something is in the way, after "move it".
	Instead string
}

// Tree is the part of a file system that one run of the generator owns.
type Tree struct {
	// Marker is in the first lines of every generated file. Files without it are foreign.
	Marker string
	// Roots are the folders in which files with the marker that are no longer generated are
	// removed.
	Roots []Root
	// Foreign says why a file with the marker is not this run's all the same, and nothing of one
	// that is; nil where all are.
	Foreign func(data []byte) string
}

// Root is a folder for generated files. Depth is how many folders below it they may be: what is
// deeper down belongs to somebody else.
type Root struct {
	Path  string
	Depth int
}

// Change is one difference between the disk and what was generated.
type Change struct {
	Path string
	// Old is nil for a new file, New for one that goes away.
	Old []byte
	New []byte
}

// Plan compares the files with the disk. It fails where a foreign file, or anything that is no
// regular file, is in the way. Paths lead through no symbolic link below a root; [Resolve] follows
// those before it.
func (t Tree) Plan(files []File) ([]Change, error) {
	changes := map[string]Change{}
	var problems []error
	wanted, folders := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		wanted[filepath.Clean(file.Path)] = true
		folders[filepath.Dir(file.Path)] = true
		old, err := t.own(file)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%w: move it%s", err, file.Instead))
		case old == nil || !sameText(old, file.Data):
			changes[file.Path] = Change{Path: file.Path, Old: old, New: file.Data}
		}
	}
	for _, root := range t.Roots {
		stale, err := t.stale(root.Path, root.Depth)
		if err != nil {
			problems = append(problems, err)
		}
		for _, c := range stale {
			if !wanted[c.Path] {
				changes[c.Path] = c
			}
		}
	}
	for folder := range folders {
		for _, c := range t.leftovers(folder) {
			changes[c.Path] = c
		}
	}
	return slices.SortedFunc(maps.Values(changes), func(a, b Change) int { return strings.Compare(a.Path, b.Path) }),
		errors.Join(problems...)
}

// sameText compares without the carriage returns of a checkout for Windows.
func sameText(a, b []byte) bool { return bytes.Equal(unix(a), unix(b)) }

// unix is text with the ends of lines that the generator writes.
func unix(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) }

// own returns what a file of ours holds, nil when there is none.
func (t Tree) own(file File) ([]byte, error) {
	for dir := filepath.Dir(file.Path); t.belowRoot(dir); dir = filepath.Dir(dir) {
		if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is in the way: it is %s", dir, kind(info.Mode()))
		}
	}
	info, err := os.Lstat(file.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("something is in the way: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is in the way: it is %s", file.Path, kind(info.Mode()))
	}
	data, err := os.ReadFile(file.Path)
	if err != nil {
		return nil, err
	}
	if !t.marked(data) {
		return nil, fmt.Errorf("%s is in the way: latchkey did not write it, so it stays", file.Path)
	}
	if reason := t.foreign(data); reason != "" {
		return nil, fmt.Errorf("%s is in the way: %s", file.Path, reason)
	}
	return data, nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link, and links are never written through or replaced"
	case mode.IsDir():
		return "a folder"
	default:
		return "no regular file"
	}
}

func (t Tree) foreign(data []byte) string {
	if t.Foreign == nil {
		return ""
	}
	return t.Foreign(data)
}

// belowRoot reports whether a folder lies below a root, and is none itself.
func (t Tree) belowRoot(dir string) bool {
	return slices.ContainsFunc(t.Roots, func(root Root) bool {
		way, err := filepath.Rel(root.Path, dir)
		return err == nil && way != "." && filepath.IsLocal(way)
	})
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

// stale returns the removal of all files with our marker in a folder and the given levels below it.
// Names with a dot in front are those of editors and other programs.
func (t Tree) stale(folder string, depth int) ([]Change, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var changes []Change
	problems := []error{err}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "."):
		case entry.IsDir() && depth > 0:
			below, err := t.stale(path, depth-1)
			changes, problems = append(changes, below...), append(problems, err)
		case entry.Type().IsRegular():
			data, err := os.ReadFile(path)
			problems = append(problems, err)
			if err == nil && t.marked(data) && t.foreign(data) == "" {
				changes = append(changes, Change{Path: path, Old: data})
			}
		}
	}
	return changes, errors.Join(problems...)
}

// staged is how a file is called until it is moved to its place.
var staged = regexp.MustCompile(`^\.latchkey-[0-9]+\.tmp$`)

// leftovers returns the removal of what a run left that was killed. No other run is at work: see
// [Lock].
func (t Tree) leftovers(folder string) []Change {
	entries, _ := os.ReadDir(folder) // a folder that cannot be read is reported by what is to be in it
	var changes []Change
	for _, entry := range entries {
		if !staged.MatchString(entry.Name()) || !entry.Type().IsRegular() {
			continue
		}
		path := filepath.Join(folder, entry.Name())
		if data, err := os.ReadFile(path); err == nil && t.marked(data) {
			changes = append(changes, Change{Path: path, Old: data})
		}
	}
	return changes
}

// Commit makes the changes, all or none: everything is written beside its place first, then moved.
// When a move fails, what was moved before is put back.
func (t Tree) Commit(changes []Change) (err error) {
	var done []Change
	beside := map[string]string{}
	defer func() {
		for _, temporary := range beside {
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
		beside[c.Path] = temporary
	}
	for _, c := range changes {
		if c.New == nil {
			err = os.Remove(c.Path)
		} else {
			err = os.Rename(beside[c.Path], c.Path)
		}
		if err != nil {
			return err
		}
		delete(beside, c.Path)
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
	f, err := os.CreateTemp(filepath.Dir(c.Path), ".latchkey-*.tmp")
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

// prune removes the folders below a root that a removal left empty.
func (t Tree) prune(changes []Change) {
	for _, c := range changes {
		if c.New != nil {
			continue
		}
		for dir := filepath.Dir(c.Path); t.belowRoot(dir); dir = filepath.Dir(dir) {
			if os.Remove(dir) != nil { // not empty: os.Remove never removes a folder with something in it
				break
			}
		}
	}
}
