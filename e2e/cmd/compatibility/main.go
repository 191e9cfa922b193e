// Command compatibility writes docs/compatibility.md from cells.yaml and the results of the last run. It is started in the
// folder of the end-to-end tests, and refuses a run that does not prove the whole matrix.
package main

import (
	"fmt"
	"os"

	"github.com/latchkey-auth/latchkey/e2e/matrix"
)

func main() {
	if err := write("cells.yaml", ".run/results.json", "../docs/compatibility.md"); err != nil {
		fmt.Fprintln(os.Stderr, "compatibility:", err)
		os.Exit(1)
	}
}

func write(cells, results, page string) error {
	m, err := matrix.Read(cells)
	if err != nil {
		return err
	}
	r, err := matrix.ReadResults(results)
	if err != nil {
		return fmt.Errorf("there is no run to write of, start make e2e first: %w", err)
	}
	run, err := m.LastRun(r)
	if err != nil {
		return err
	}
	return os.WriteFile(page, m.Page(run), 0o644) //nolint:gosec // a page of the repository
}
