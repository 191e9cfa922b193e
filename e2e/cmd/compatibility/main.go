// Command compatibility writes docs/compatibility.md from cells.yaml and the results of the last run. It is started in the
// folder of the end-to-end tests, and refuses a run that does not prove the whole matrix. With -unproven it writes the page
// of a matrix that no run has proved yet, which then says so.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/latchkey-auth/latchkey/e2e/matrix"
)

func main() {
	unproven := flag.Bool("unproven", false, "write the page without a run, and say so in it")
	flag.Parse()
	if err := write("cells.yaml", ".run/results.json", "../docs/compatibility.md", *unproven); err != nil {
		fmt.Fprintln(os.Stderr, "compatibility:", err)
		os.Exit(1)
	}
}

func write(cells, results, page string, unproven bool) error {
	m, err := matrix.Read(cells)
	if err != nil {
		return err
	}
	if unproven {
		return os.WriteFile(page, m.Page(matrix.Unproven), 0o644) //nolint:gosec // a page of the repository
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
