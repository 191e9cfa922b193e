package matrix

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Page writes the page of a run that proves the whole matrix, and fails for any other.
func (m *Matrix) Page(r *Results) ([]byte, error) {
	if err := m.Proves(r); err != nil {
		return nil, fmt.Errorf("the run does not prove the matrix:\n%w", err)
	}
	p := &page{matrix: m, results: r}
	p.number()
	p.head()
	p.table()
	p.replicas()
	p.steps()
	p.notes()
	p.software()
	return p.text.Bytes(), nil
}

type page struct {
	matrix  *Matrix
	results *Results
	text    bytes.Buffer
	list    []note
}

// note is a numbered remark below the matrix.
type note struct {
	step   string // empty for an exclusion
	manner Manner
	reason string
	cells  []string
}

func (p *page) printf(format string, args ...any) { _, _ = fmt.Fprintf(&p.text, format+"\n", args...) }

// number collects the notes in the order in which a reader meets them.
func (p *page) number() {
	for _, server := range p.matrix.Servers {
		for _, client := range p.matrix.Clients {
			for _, n := range notesOf(server.Cells[client.Name]) {
				i := p.find(n)
				if i < 0 {
					p.list = append(p.list, n)
					i = len(p.list) - 1
				}
				p.list[i].cells = append(p.list[i].cells, server.Name+"/"+client.Name)
			}
		}
	}
}

func notesOf(cell Cell) []note {
	if !cell.Runs() {
		return []note{{reason: cell.Excluded}}
	}
	var notes []note
	for _, step := range sortedKeys(cell.Differs) {
		notes = append(notes, note{step: step, manner: cell.Differs[step].Is, reason: cell.Differs[step].Because})
	}
	return notes
}

func (p *page) find(n note) int {
	return slices.IndexFunc(p.list, func(known note) bool {
		return known.step == n.step && known.manner == n.manner && known.reason == n.reason
	})
}

func (p *page) head() {
	all := 0
	for _, server := range p.matrix.Servers {
		all += len(server.Cells)
	}
	excluded := p.matrix.excluded()
	run := "make e2e"
	if p.results.All {
		run = "make e2e-all"
	}
	p.printf("<!-- Written by `make compatibility` from e2e/cells.yaml and the results of `%s`. -->", run)
	p.printf("# Compatibility")
	p.printf("")
	p.printf("%d authorization servers by %d MCP clients, most of which other projects wrote, are put together by `%s`: of",
		len(p.matrix.Servers), len(p.matrix.Clients), run)
	p.printf("%d pairs %d can run; excluded, each with its evidence: %d. [`e2e/README.md`](../e2e/README.md) says how to run one.",
		all, all-excluded, excluded)
	if !p.results.All && p.matrix.anyInAll() {
		p.printf("Some of them take `make e2e-all`, and are not marked here.")
	}
	p.printf("")
	r := p.results
	p.printf("Last run: %s, %d pairs went well, in %.0f minutes on %s. What happened at each step, and whom the tool named as",
		r.Started.Format(time.DateOnly), len(r.Cells), r.Seconds/60, r.Machine)
	p.printf("its caller, is in [`compatibility/results.json`](compatibility/results.json).")
}

// mark is what stands behind a server's name.
func (k Kind) mark() string {
	if k == Emulation || k == Replica {
		return " (" + string(k) + ")"
	}
	return ""
}

func (p *page) table() {
	p.printf("")
	p.printf("## The matrix")
	p.printf("")
	columns := []string{""}
	for _, client := range p.matrix.Clients {
		columns = append(columns, client.Title)
	}
	p.row(columns)
	p.printf("|%s", strings.Repeat("---|", len(columns)))
	for _, server := range p.matrix.Servers {
		if server.FromSpec {
			continue
		}
		columns = []string{server.Title + server.Kind.mark()}
		for _, client := range p.matrix.Clients {
			columns = append(columns, p.mark(server.Name, client.Name, server.Cells[client.Name]))
		}
		p.row(columns)
	}
	p.printf("")
	p.printf("An *emulation* is another project's imitation of a service that cannot run here; a *replica* is this project's, built")
	p.printf("from the test section of the provider's spec: it shows what latchkey makes of the facts that are recorded there, not")
	p.printf("that they are right. Everything else is the software that people run.")
}

// replicas lists the servers that are made from specs alone, in a line: all their cells are alike.
func (p *page) replicas() {
	var names []string
	for _, server := range p.matrix.Servers {
		if server.FromSpec {
			names = append(names, server.Title)
		}
	}
	if len(names) == 0 {
		return
	}
	with := "one client each"
	if p.results.All {
		with = p.titles(p.matrix.Replicas.Clients)
	}
	p.printf("")
	p.printf("Each of %d further providers went well as a replica too, with %s:", len(names), with)
	p.printf("%s. `CELL='NAME-replica/*'` selects one.", strings.Join(names, ", "))
}

// titles are those of clients, as the end of a sentence.
func (p *page) titles(clients []string) string {
	var titles []string
	for _, name := range clients {
		client, _ := p.matrix.Client(name)
		titles = append(titles, client.Title)
	}
	last := len(titles) - 1
	if last == 0 {
		return titles[0]
	}
	return strings.Join(titles[:last], ", ") + " and " + titles[last]
}

func (p *page) row(columns []string) { p.printf("| %s |", strings.Join(columns, " | ")) }

// mark is what stands for a cell: whether it runs, and its notes.
func (p *page) mark(server, client string, cell Cell) string {
	marks := []string{"✓"}
	if _, ran := p.results.Find(server, client); !ran {
		marks[0] = "e2e-all"
	}
	if !cell.Runs() {
		marks[0] = "–"
	}
	for _, n := range notesOf(cell) {
		marks = append(marks, fmt.Sprintf("[%d](#notes)", p.find(n)+1))
	}
	return strings.Join(marks, " ")
}

func (p *page) steps() {
	p.printf("")
	p.printf("## What ✓ means")
	p.printf("")
	p.printf("The client went through all of these, and the server, the client and latchkey agreed on every answer. A number points")
	p.printf("to what is different about a step.")
	p.printf("")
	p.printf("| step | the client |\n|---|---|")
	for _, step := range p.matrix.Steps {
		p.printf("| %s | %s |", step.Name, step.Means)
	}
}

func (p *page) notes() {
	p.printf("")
	p.printf("## Notes")
	p.printf("")
	manners := map[Manner]string{
		LeftOut: "left out", Fails: "fails", Helped: "with the help of the application or its user", Relayed: "through the browser relay",
		Login: "takes one more login",
	}
	for i, n := range p.list {
		what := "Excluded"
		if n.step != "" {
			what = fmt.Sprintf("*%s*: %s", n.step, manners[n.manner])
		}
		reason := p.matrix.Reasons[n.reason]
		p.printf("%d. %s (%s). %s", i+1, what, strings.Join(n.cells, ", "), strings.TrimSpace(reason.Says))
		for _, e := range reason.Evidence {
			p.printf("   - %s", e.markdown())
		}
	}
}

func (e Evidence) markdown() string {
	switch {
	case e.Link != "":
		return "<" + e.Link + ">"
	case e.Source != "":
		return fmt.Sprintf("`%s:%d`: ``%s``", e.Source, e.Line, strings.TrimSpace(e.Text))
	}
	return fmt.Sprintf("log: ``%s``", strings.TrimSpace(e.Log))
}

func (p *page) software() {
	p.printf("")
	p.printf("## Servers")
	p.printf("")
	p.printf("| in `CELL` | server | version | kind | reached by |\n|---|---|---|---|---|")
	for _, s := range p.matrix.Servers {
		if s.FromSpec {
			continue
		}
		p.printf("| `%s` | [%s](%s) | %s | %s | %s |", s.Name, s.Title, s.Project, s.Version, s.Kind, s.Reached)
	}
	p.printf("")
	p.printf("## Clients")
	p.printf("")
	p.printf("| in `CELL` | client | version | speaks MCP |\n|---|---|---|---|")
	for _, c := range p.matrix.Clients {
		p.printf("| `%s` | [%s](%s) | %s | %s |", c.Name, c.Title, c.Project, c.Version, p.protocols(c.Name))
	}
}

// protocols are the revisions of MCP that a client agreed on with the MCP server, as far as it
// tells.
func (p *page) protocols(client string) string {
	var spoken []string
	for _, r := range p.results.Cells {
		if r.Client == client && r.Protocol != "" && !slices.Contains(spoken, r.Protocol) {
			spoken = append(spoken, r.Protocol)
		}
	}
	slices.Sort(spoken)
	return cmp.Or(strings.Join(spoken, ", "), "does not tell")
}
