package matrix

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Outcome is how a cell, or a step of it, ended.
type Outcome string

// The outcomes.
const (
	OK     Outcome = "ok"
	Failed Outcome = "FAILED"
	// NotRun is for what did not begin: what it needs is not installed.
	NotRun Outcome = "not run"
)

// Results are those of one run.
type Results struct {
	// Selected is what CELL said; a run of a part of the matrix is no proof of the whole.
	Selected string `json:"selected,omitempty"`
	// All tells that the run was one of make e2e-all.
	All     bool      `json:"all,omitempty"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Machine string    `json:"machine"`
	// Versions are those of the servers and clients, as "server NAME" and "client NAME".
	Versions map[string]string `json:"versions"`
	Cells    []Result          `json:"cells"`

	mu sync.Mutex
}

// Result is that of one cell.
type Result struct {
	Server  string  `json:"server"`
	Client  string  `json:"client"`
	Outcome Outcome `json:"outcome"`
	Seconds float64 `json:"seconds"`
	// Steps are in the order in which the client took them.
	Steps []StepResult `json:"steps"`
	// Caller is the user as the tool whoami answered.
	Caller *Caller `json:"caller,omitempty"`
	// ClientSays and ServerSays are the versions that the client printed: its own, and that of the
	// MCP server. Protocol is the revision of MCP that they agreed on.
	ClientSays string `json:"client_says,omitempty"`
	ServerSays string `json:"server_says,omitempty"`
	Protocol   string `json:"protocol,omitempty"`
}

// StepResult is that of one step.
type StepResult struct {
	Step    string  `json:"step"`
	Outcome Outcome `json:"outcome"`
	Logins  int     `json:"logins"`
}

// Caller is who called, in the words of RFC 7519.
type Caller struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// NewResults begins a run: of the cells that the value of CELL selects, else of all in make
// e2e-all, else of those of make e2e.
func (m *Matrix) NewResults(selected string, all bool) *Results {
	return &Results{
		Selected: selected, All: all, Started: time.Now().UTC().Truncate(time.Second), Versions: m.versions(),
		Machine: fmt.Sprintf("%d CPUs, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
	}
}

func (m *Matrix) versions() map[string]string {
	versions := map[string]string{}
	for _, s := range m.Servers {
		versions["server "+s.Name] = s.Version
	}
	for _, c := range m.Clients {
		versions["client "+c.Name] = c.Version
	}
	return versions
}

// Add adds a cell that ended.
func (r *Results) Add(result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Cells = append(r.Cells, result)
}

// Includes reports whether the cell of a name is part of the run.
func (r *Results) Includes(name string, cell Cell) (bool, error) {
	if r.Selected != "" {
		return Selects(r.Selected, name)
	}
	return r.All || !cell.InAll, nil
}

// Find returns the result of a cell.
func (r *Results) Find(server, client string) (Result, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, result := range r.Cells {
		if result.Server == server && result.Client == client {
			return result, true
		}
	}
	return Result{}, false
}

// has reports whether a cell of a server ran.
func (r *Results) has(server string) bool {
	return slices.ContainsFunc(r.Cells, func(result Result) bool { return result.Server == server })
}

// End ends the run.
func (r *Results) End() { r.Seconds = time.Since(r.Started).Seconds() }

// Write writes the results to a file, in an order that does not depend on the run.
func (r *Results) Write(file string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.Cells, func(a, b Result) int {
		return cmp.Or(strings.Compare(a.Server, b.Server), strings.Compare(a.Client, b.Client))
	})
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644) //nolint:gosec // it becomes a file of the repository
}

// ReadResults reads the results of a run.
func ReadResults(file string) (*Results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// Unmet returns the cells of the run that should have run and gone well, and did not.
func (m *Matrix) Unmet(r *Results) error {
	var unmet []error
	for _, server := range m.Servers {
		for _, client := range m.Clients {
			name := server.Name + "/" + client.Name
			cell, tried := server.Cells[client.Name]
			included, err := r.Includes(name, cell)
			if err != nil {
				return err
			}
			if !tried || !included || !cell.Runs() {
				continue
			}
			result, found := r.Find(server.Name, client.Name)
			if !found {
				result.Outcome = NotRun
			}
			if result.Outcome != OK {
				unmet = append(unmet, fmt.Errorf("%s: %s", name, result.Outcome))
			}
		}
	}
	return errors.Join(unmet...)
}

// Whole returns why a run was one of a part of the matrix. One of make e2e is not, although it
// leaves cells to make e2e-all: the page says which.
func (m *Matrix) Whole(r *Results) error {
	if r.Selected != "" {
		return fmt.Errorf("the run was one of CELL=%s", r.Selected)
	}
	return nil
}

// Proves returns why a run does not prove the whole matrix as it is: it was of a part, of other
// versions, a cell did not go well, or its tool did not name the user.
func (m *Matrix) Proves(r *Results) error {
	if err := m.Whole(r); err != nil {
		return err
	}
	problems := []error{m.Unmet(r)}
	for name, version := range m.versions() {
		if ran := r.Versions[name]; ran != version {
			problems = append(problems, fmt.Errorf("%s: the run was with version %q, cells.yaml has %q", name, ran, version))
		}
	}
	for _, cell := range r.Cells {
		if cell.Caller == nil || cell.Caller.Issuer == "" || cell.Caller.Subject == "" {
			problems = append(problems, fmt.Errorf("%s/%s: no tool named the user", cell.Server, cell.Client))
		}
	}
	return errors.Join(problems...)
}

// Table prints the matrix of a run: servers down, clients across. Of a run of a part it prints the
// servers that had one.
func (m *Matrix) Table(w io.Writer, r *Results) {
	width := 0
	for _, server := range m.Servers {
		width = max(width, len(server.Name))
	}
	line := func(first string, columns func(Client) string) {
		_, _ = fmt.Fprintf(w, "%-*s", width, first)
		for _, client := range m.Clients {
			_, _ = fmt.Fprintf(w, "  %-12s", columns(client))
		}
		_, _ = fmt.Fprintln(w)
	}
	line("", func(c Client) string { return c.Name })
	for _, server := range m.Servers {
		if r.Selected != "" && !r.has(server.Name) {
			continue
		}
		line(server.Name, func(c Client) string {
			cell, tried := server.Cells[c.Name]
			if !tried {
				return ""
			}
			if !cell.Runs() {
				return "excluded"
			}
			result, found := r.Find(server.Name, c.Name)
			switch {
			case !found && cell.InAll && !r.All:
				return "in all"
			case !found || result.Outcome == NotRun:
				return "-"
			case result.Outcome == OK:
				return fmt.Sprintf("ok %.0fs", result.Seconds)
			}
			return fmt.Sprintf("%s %.0fs", result.Outcome, result.Seconds)
		})
	}
	counts := map[Outcome]int{}
	for _, result := range r.Cells {
		counts[result.Outcome]++
	}
	_, _ = fmt.Fprintln(w, strings.Join([]string{
		fmt.Sprintf("%d ok", counts[OK]), fmt.Sprintf("%d failed", counts[Failed]),
		fmt.Sprintf("%d excluded", m.excluded()), fmt.Sprintf("%.0f seconds", r.Seconds),
	}, ", "))
}

func (m *Matrix) excluded() int {
	n := 0
	for _, server := range m.Servers {
		for _, cell := range server.Cells {
			if !cell.Runs() {
				n++
			}
		}
	}
	return n
}
