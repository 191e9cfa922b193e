// Command compatibility writes docs/compatibility.md from cells.yaml and the results of a run,
// which it keeps beside the page: those of the last run of the whole matrix in this checkout, or
// else those that are kept already. It is started in the folder of the end-to-end tests, and
// refuses results that do not prove the whole matrix as it is.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/latchkey-auth/latchkey/e2e/matrix"
	"github.com/latchkey-auth/latchkey/e2e/servers/replica"
)

func main() {
	if err := write("cells.yaml", ".run/results.json", "../docs/compatibility.md", "../docs/compatibility/results.json"); err != nil {
		fmt.Fprintln(os.Stderr, "compatibility:", err)
		os.Exit(1)
	}
}

func write(cells, last, page, kept string) error {
	m, err := matrix.Read(cells)
	if err != nil {
		return err
	}
	for _, provider := range replica.Generic() {
		m.AddReplica(provider.Name, provider.Title)
	}
	results, err := matrix.ReadResults(last)
	if errors.Is(err, fs.ErrNotExist) {
		results, err = matrix.ReadResults(kept)
	}
	if err != nil {
		return fmt.Errorf("there is no run to write of, start make e2e-all first: %w", err)
	}
	text, err := m.Page(results)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil { //nolint:gosec // a folder of the repository
		return err
	}
	if err := results.Write(kept); err != nil {
		return err
	}
	return os.WriteFile(page, text, 0o644) //nolint:gosec // a page of the repository
}
