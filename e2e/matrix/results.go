package matrix

import (
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
	Selected string    `json:"selected,omitempty"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"`
	Machine  string    `json:"machine"`
	Cells    []Result  `json:"cells"`

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
	// ClientSays and ServerSays are the versions that the client printed: its own, and that of the MCP server. Protocol is
	// the revision of MCP that they agreed on.
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

// NewResults begins a run. The value of CELL selects cells.
func NewResults(selected string) *Results {
	return &Results{
		Selected: selected, Started: time.Now().UTC().Truncate(time.Second),
		Machine: fmt.Sprintf("%d CPUs, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
	}
}

// Add adds a cell that ended.
func (r *Results) Add(result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Cells = append(r.Cells, result)
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

// has tells whether a cell of a server ran.
func (r *Results) has(server string) bool {
	return slices.ContainsFunc(r.Cells, func(result Result) bool { return result.Server == server })
}

// Write writes the results to a file.
func (r *Results) Write(file string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Seconds = time.Since(r.Started).Seconds()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
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

// Unmet returns the cells that should have run and gone well, and did not. A cell that CELL did not select need not run.
func (m *Matrix) Unmet(r *Results) error {
	var unmet []error
	for _, server := range m.Servers {
		for _, client := range m.Clients {
			name := server.Name + "/" + client.Name
			selected, err := Selects(r.Selected, name)
			if err != nil {
				return err
			}
			if !selected || !server.Cells[client.Name].Runs() {
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

// Table prints the matrix of a run: servers down, clients across. Of a run of a part it prints the servers that had one.
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
			if !server.Cells[c.Name].Runs() {
				return "excluded"
			}
			result, found := r.Find(server.Name, c.Name)
			switch {
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
		fmt.Sprintf("%d excluded", m.excluded()), fmt.Sprintf("%.0f seconds", time.Since(r.Started).Seconds()),
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
