// Package matrix reads cells.yaml, the list of all pairs of an authorization server and an MCP
// client, and the results of a run, and writes both as a page.
package matrix

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Matrix is cells.yaml.
type Matrix struct {
	// Steps are those of a client's journey, in order.
	Steps []Step `yaml:"steps"`
	// Clients and Servers span the matrix.
	Clients []Client `yaml:"clients"`
	Servers []Server `yaml:"servers"`
	// Replicas says how the replicas of all other providers are tried.
	Replicas Replicas `yaml:"replicas"`
	// Reasons are why cells and steps differ, by name.
	Reasons map[string]Reason `yaml:"reasons"`
}

// Step is one step of a journey.
type Step struct {
	Name string `yaml:"name"`
	// Means says what must happen.
	Means string `yaml:"means"`
	// Always tells that no cell that runs may leave the step out.
	Always bool `yaml:"always"`
}

// Client is an MCP client that other people wrote.
type Client struct {
	Pinned `yaml:",inline"`

	Name    string `yaml:"name"`
	Title   string `yaml:"title"`
	Project string `yaml:"project"`
}

// Server is an authorization server, with its pair for every client.
type Server struct {
	Pinned `yaml:",inline"`

	Name    string `yaml:"name"`
	Title   string `yaml:"title"`
	Project string `yaml:"project"`
	Kind    Kind   `yaml:"kind"`
	// Provider is the spec of the provider by which latchkey reaches it; empty for latchkey's own.
	Provider string `yaml:"provider"`
	// Reached says what stands between it and the clients.
	Reached string `yaml:"reached"`
	// Cells are by the client's name.
	Cells map[string]Cell `yaml:"cells"`
	// FromSpec tells that the server was added by AddReplica: it has no cell of most clients.
	FromSpec bool `yaml:"-"`
}

// Replicas are the replicas that are made from the specs of all providers which are no server of
// the list.
type Replicas struct {
	// Clients are those that try them. Each replica is tried by one in make e2e, in turn, and by
	// all with make e2e-all.
	Clients []string `yaml:"clients"`
}

// Pinned is a version and where it is fixed: "npm:PACKAGE", "go:MODULE", "py:DISTRIBUTION",
// "run:VARIABLE of e2e/run", "built:FOLDER below built/MODULE", or "repository" for what is in this
// one and has the version "this one".
type Pinned struct {
	Version string `yaml:"version"`
	By      string `yaml:"pinned"`
}

// Kind says what a server is.
type Kind string

// The kinds of servers.
const (
	// Real is the software that people run.
	Real Kind = "real"
	// Emulation is somebody else's imitation of a service that cannot run here.
	Emulation Kind = "emulation"
	// Embedded is the provider inside latchkey.
	Embedded Kind = "embedded"
	// Replica is our imitation of a service that cannot run here, built from its spec.
	Replica Kind = "replica"
)

// Cell is a pair: either it runs, or it is excluded.
type Cell struct {
	// Excluded is the reason's name, empty for a cell that runs. Of one that is excluded nothing
	// but the login is tried, which must fail with what the reason's logs show.
	Excluded string
	// Differs are the steps that do not go as Step.Means says, by their names.
	Differs map[string]Difference
	// InAll tells that the cell is one of make e2e-all, which runs everything, and that make e2e
	// leaves it out.
	InAll bool
}

// Difference is how a step of a cell differs.
type Difference struct {
	Is Manner `yaml:"is"`
	// Because is the reason's name.
	Because string `yaml:"because"`
}

// Manner is how a step goes where it differs.
type Manner string

// The manners.
const (
	// LeftOut: the step is not taken.
	LeftOut Manner = "left out"
	// Fails: the step is taken, and must fail with what the reason's logs show. The client goes on
	// after it.
	Fails Manner = "fails"
	// Helped: the application has to do something that the SDK does not.
	Helped Manner = "helped"
	// Relayed: a page reaches the authorization server through the browser relay.
	Relayed Manner = "relayed"
	// Login: the user has to log in once more.
	Login Manner = "login"
)

var manners = []Manner{LeftOut, Fails, Helped, Relayed, Login}

// UnmarshalYAML reads "run", {run: {STEP: {is: …, because: …}}} or {excluded: REASON}, each of
// which may have in: all, or {in: all} alone, which is "run" there.
func (c *Cell) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode && node.Value == "run" {
		return nil
	}
	var long struct {
		Run      map[string]Difference `yaml:"run"`
		Excluded string                `yaml:"excluded"`
		In       string                `yaml:"in"`
	}
	err := node.Decode(&long)
	members := 0
	for _, there := range []bool{len(long.Run) > 0, long.Excluded != "", long.In == "all"} {
		if there {
			members++
		}
	}
	both := len(long.Run) > 0 && long.Excluded != ""
	if err != nil || both || members == 0 || len(node.Content) != 2*members {
		return fmt.Errorf("line %d: a cell is run, {run: {STEP: {is: …, because: …}}} or {excluded: REASON}, "+
			"and has in: all where make e2e leaves it to make e2e-all", node.Line)
	}
	c.Excluded, c.Differs, c.InAll = long.Excluded, long.Run, long.In == "all"
	return nil
}

// Runs reports whether the cell is not excluded.
func (c Cell) Runs() bool { return c.Excluded == "" }

// Manner is how a step goes; empty is as it should.
func (c Cell) Manner(step string) Manner { return c.Differs[step].Is }

// Reason is why something differs.
type Reason struct {
	Says     string     `yaml:"says"`
	Evidence []Evidence `yaml:"evidence"`
}

// Evidence is one proof of a reason: a line of a peer's source, a page, or what a log shows.
type Evidence struct {
	// Source is a file: "npm:PACKAGE/PATH", "go:MODULE/PATH", "py:PACKAGE/PATH", or a path in this
	// repository. Text must be in its Line.
	Source string `yaml:"source"`
	Line   int    `yaml:"line"`
	Text   string `yaml:"text"`
	// Link is a page.
	Link string `yaml:"link"`
	// Log is what every cell with this reason shows: the error with which its step fails, or fails
	// without the help or the relay that it then gets. An ellipsis (…) stands for anything.
	Log string `yaml:"log"`
}

// Shown reports whether a text has the log that is the evidence.
func (e Evidence) Shown(text string) bool {
	for part := range strings.SplitSeq(e.Log, "…") {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// Excluded is the outcome of a cell that is excluded: its login failed as the reason says.
const Excluded Outcome = "excluded"

// Foretold is the outcome of a step that failed as it must.
const Foretold Outcome = "failed as foretold"

// Read reads and checks cells.yaml.
func Read(file string) (*Matrix, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

// Parse reads and checks the text of cells.yaml. The error names all problems.
func Parse(text []byte) (*Matrix, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	m := new(Matrix)
	if err := decoder.Decode(m); err != nil {
		return nil, err
	}
	return m, m.check()
}

// check returns everything that is missing, unknown or named twice.
func (m *Matrix) check() error {
	c := checker{matrix: m, used: map[string]bool{}}
	c.steps()
	var clients []string
	for _, client := range m.Clients {
		c.described("client "+client.Name, client.Name, client.Title, client.Project, client.Pinned)
		c.once(&clients, "client "+client.Name, client.Name)
	}
	var servers []string
	for _, server := range m.Servers {
		c.described("server "+server.Name, server.Name, server.Title, server.Project, server.Pinned)
		c.once(&servers, "server "+server.Name, server.Name)
		if !slices.Contains([]Kind{Real, Emulation, Embedded, Replica}, server.Kind) {
			c.reportf("server %s: kind %q is none of real, emulation, embedded, replica", server.Name, server.Kind)
		}
		if (server.Provider == "") != (server.Kind == Embedded) {
			c.reportf("server %s: provider names the spec of the provider that reaches it, and latchkey's own has none", server.Name)
		}
		if server.Reached == "" {
			c.reportf("server %s: reached is missing", server.Name)
		}
		c.cells(server, clients)
	}
	for _, client := range m.Replicas.Clients {
		if !slices.Contains(clients, client) {
			c.reportf("replicas: there is no client %s", client)
		}
	}
	c.reasons()
	return errors.Join(c.problems...)
}

type checker struct {
	matrix   *Matrix
	used     map[string]bool // reasons
	problems []error
}

func (c *checker) reportf(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (c *checker) once(seen *[]string, what, name string) {
	if slices.Contains(*seen, name) {
		c.reportf("%s is there twice", what)
	}
	*seen = append(*seen, name)
}

func (c *checker) described(what, name, title, project string, pinned Pinned) {
	if name == "" || title == "" || project == "" || pinned.Version == "" || pinned.By == "" {
		c.reportf("%s needs name, title, project, version and pinned", what)
	}
}

func (c *checker) steps() {
	var names []string
	for _, step := range c.matrix.Steps {
		c.once(&names, "step "+step.Name, step.Name)
		if step.Means == "" {
			c.reportf("step %s does not say what it means", step.Name)
		}
	}
}

func (c *checker) cells(server Server, clients []string) {
	for _, client := range clients {
		if _, found := server.Cells[client]; !found {
			c.reportf("%s/%s is missing: a pair is either run or excluded", server.Name, client)
		}
	}
	for client, cell := range server.Cells {
		name := server.Name + "/" + client
		if !slices.Contains(clients, client) {
			c.reportf("%s: there is no such client", name)
		}
		if cell.Excluded != "" {
			c.because(name, cell.Excluded)
			c.log(name+" (excluded)", cell.Excluded, true)
		}
		for step, difference := range cell.Differs {
			c.because(name+" "+step, difference.Because)
			c.difference(name, step, difference)
		}
	}
}

func (c *checker) difference(cell, step string, d Difference) {
	i := slices.IndexFunc(c.matrix.Steps, func(s Step) bool { return s.Name == step })
	switch {
	case i < 0:
		c.reportf("%s: there is no step %q", cell, step)
	case !slices.Contains(manners, d.Is):
		c.reportf("%s %s: %q is none of %q", cell, step, d.Is, manners)
	case (d.Is == LeftOut || d.Is == Fails) && c.matrix.Steps[i].Always:
		c.reportf("%s: the step %q can only be left out, or fail, with the whole cell", cell, step)
	case d.Is == Fails:
		c.log(cell+" "+step, d.Because, true)
	case d.Is == LeftOut || d.Is == Login:
		c.log(cell+" "+step, d.Because, false)
	}
}

// log says that a reason has a log where it needs one, and none where nobody would look for it.
func (c *checker) log(where, reason string, wanted bool) {
	hasLog := func(e Evidence) bool { return e.Log != "" }
	if has := slices.ContainsFunc(c.matrix.Reasons[reason].Evidence, hasLog); has && !wanted {
		c.reportf("%s: nothing fails, so nothing shows the log of reason %s", where, reason)
	} else if !has && wanted {
		c.reportf("%s: reason %s needs a log, to know the failure by", where, reason)
	}
}

func (c *checker) because(where, reason string) {
	if _, found := c.matrix.Reasons[reason]; !found {
		c.reportf("%s: there is no reason %q", where, reason)
	}
	c.used[reason] = true
}

func (c *checker) reasons() {
	for name, reason := range c.matrix.Reasons {
		if !c.used[name] {
			c.reportf("reason %s: nothing refers to it", name)
		}
		if reason.Says == "" || len(reason.Evidence) == 0 {
			c.reportf("reason %s needs says and evidence", name)
		}
		for _, e := range reason.Evidence {
			source := e.Source != "" && e.Line > 0 && e.Text != ""
			if !source && !strings.HasPrefix(e.Link, "https://") && e.Log == "" {
				c.reportf("reason %s: evidence is {source, line, text}, {link} or {log}", name)
			}
		}
	}
}

// AddReplica adds the replica of a provider that has a spec and no server in the list.
func (m *Matrix) AddReplica(provider, title string) {
	server := Server{
		Pinned: Pinned{Version: "this one", By: "repository"}, Name: provider + "-replica", Title: title,
		Project: "https://github.com/latchkey-auth/latchkey", Kind: Replica, Provider: provider, FromSpec: true,
		Reached: "`latchkey serve --provider " + provider + "`", Cells: map[string]Cell{},
	}
	turn := 0
	for _, other := range m.Servers {
		if other.FromSpec {
			turn++
		}
	}
	for i, client := range m.Replicas.Clients {
		server.Cells[client] = Cell{InAll: i != turn%len(m.Replicas.Clients)}
	}
	m.Servers = append(m.Servers, server)
}

// Software is what a real server or an emulation is: its name, and its version.
func (s Server) Software() string {
	name, _, _ := strings.Cut(s.Title, ",")
	if s.Kind == Emulation {
		name = path.Base(s.Project)
	}
	return name + " " + s.Version
}

// Server returns the server of a name.
func (m *Matrix) Server(name string) (Server, bool) {
	i := slices.IndexFunc(m.Servers, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, false
	}
	return m.Servers[i], true
}

// Client returns the client of a name.
func (m *Matrix) Client(name string) (Client, bool) {
	i := slices.IndexFunc(m.Clients, func(c Client) bool { return c.Name == name })
	if i < 0 {
		return Client{}, false
	}
	return m.Clients[i], true
}

// Selects reports whether the value of CELL selects a cell: globs such as keycloak/*, separated by
// commas or spaces. Nothing selects everything.
func Selects(globs, cell string) (bool, error) {
	patterns := strings.FieldsFunc(globs, func(r rune) bool { return r == ',' || r == ' ' })
	for _, pattern := range patterns {
		matched, err := path.Match(pattern, cell)
		if err != nil || matched {
			return matched, err
		}
	}
	return len(patterns) == 0, nil
}

// anyInAll reports whether a cell is left to make e2e-all.
func (m *Matrix) anyInAll() bool {
	return slices.ContainsFunc(m.Servers, func(s Server) bool {
		for _, cell := range s.Cells {
			if cell.InAll {
				return true
			}
		}
		return false
	})
}

// sortedKeys are a map's keys in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
