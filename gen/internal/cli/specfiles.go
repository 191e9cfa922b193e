package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/generate"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// readFolder reads all specs of a folder. Files that editors and file managers put beside them,
// under names that begin with a dot or an underscore, and folders are none.
func readFolder(folder string) ([]generate.Spec, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("specs: %w", err)
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		if extension := strings.ToLower(filepath.Ext(name)); extension != ".yaml" && extension != ".yml" || name[0] == '.' || name[0] == '_' {
			continue
		}
		file := filepath.Join(folder, name)
		if info, err := os.Stat(file); err != nil || !info.IsDir() {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no specs in %s: a spec is a file <provider>.yaml", display(folder))
	}
	return readFiles(files)
}

// readUnsuitable reads the list of unsuitable providers in a folder of specs, where there is one.
func readUnsuitable(folder string) (generate.Spec, error) {
	file := filepath.Join(folder, spec.UnsuitableFile)
	data, err := readRegular(file)
	if errors.Is(err, fs.ErrNotExist) {
		return generate.Spec{}, nil
	}
	return generate.Spec{File: display(file), Data: data}, err
}

// maxRead is more than any spec or discovery document may have.
const maxRead = 2 << 20

func readFiles(files []string) ([]generate.Spec, error) {
	var specs []generate.Spec
	for _, file := range files {
		data, err := readRegular(file)
		if err != nil {
			return nil, err
		}
		specs = append(specs, generate.Spec{File: display(file), Data: data})
	}
	return specs, nil
}

// readRegular reads a regular file. Opening anything else might wait forever.
func readRegular(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s: a spec is a regular file", display(file), kind(info.Mode()))
	}
	return readBounded(file)
}

// readBounded reads a file, and not much of one that is too large for anything.
func readBounded(file string) (data []byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxRead))
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}
