package matrix_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/matrix"
)

// small is a matrix of one server and two clients.
const small = `
steps:
  - {name: login, always: true, means: logs in}
  - {name: step-up, means: steps up}
clients:
  - {name: a, title: A, project: https://a.example, version: "1", pinned: npm:a}
  - {name: b, title: B, project: https://b.example, version: "2", pinned: npm:b}
servers:
  - name: s
    title: S
    project: https://s.example
    kind: real
    version: "3"
    pinned: npm:s
    provider: s
    reached: directly
    cells:
      a: run
      b: {run: {step-up: {is: left out, because: why}}}
reasons:
  why:
    says: B cannot.
    evidence: [{link: https://b.example/1}]
`

// failing is small with a step that fails.
var failing = strings.NewReplacer(
	"is: left out", "is: fails", "[{link: https://b.example/1}]", `[{log: "no … for B"}]`,
).Replace(small)

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := matrix.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	server, _ := m.Server("s")
	if !server.Cells["a"].Runs() || server.Cells["a"].Manner("step-up") != "" || server.Cells["b"].Manner("step-up") != matrix.LeftOut {
		t.Errorf("got %+v", server.Cells)
	}
	for name, c := range map[string]struct{ old, changed, problem string }{
		"a pair that is missing":           {"      a: run\n", "", "s/a is missing"},
		"a pair that is there twice":       {"      a: run\n", "      a: run\n      a: run\n", "already defined"},
		"a client that nobody knows":       {"      a: run\n", "      a: run\n      c: run\n", "s/c: there is no such client"},
		"a client that is there twice":     {"{name: b, title", "{name: a, title", "client a is there twice"},
		"neither run nor excluded":         {"a: run", "a: maybe", "a cell is run"},
		"an exclusion without a reason":    {"a: run", "a: {excluded: }", "a cell is run"},
		"a reason that is not there":       {"a: run", "a: {excluded: because}", `s/a: there is no reason "because"`},
		"a reason without evidence":        {"[{link: https://b.example/1}]", "[]", "reason why needs says and evidence"},
		"evidence that proves nothing":     {"link: https://b.example/1", "source: npm:b/x.js", "evidence is {source, line, text}"},
		"a reason that nothing refers to":  {"b: {run: {step-up: {is: left out, because: why}}}", "b: run", "reason why: nothing refers to it"},
		"a step that is not there":         {"{step-up: {is", "{step-down: {is", `there is no step "step-down"`},
		"a step that always must be taken": {"{step-up: {is", "{login: {is", "can only be left out, or fail, with the whole cell"},
		"a log that nothing shows":         {"link: https://b.example/1", `log: "no"`, "nothing shows the log of reason why"},
		"a failure without a log":          {"is: left out", "is: fails", "s/b step-up: reason why needs a log"},
		"an exclusion without a log":       {"a: run", "a: {excluded: why}", "s/a (excluded): reason why needs a log"},
		"a manner that is not there":       {"is: left out", "is: odd", `"odd" is none of`},
		"a kind that is not there":         {"kind: real", "kind: fake", `kind "fake" is none of`},
		"a server without a version":       {`version: "3"`, `version: ""`, "server s needs name"},
		"a field that nobody knows":        {"kind: real", "kind: real\n    colour: blue", "colour"},
		"another run than that of all":     {"a: run", "a: {in: some}", "a cell is run"},
		"run and excluded":                 {"a: run", "a: {run: {step-up: {is: left out, because: why}}, excluded: why}", "a cell is run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(small, c.old) {
				t.Fatalf("nothing to change: %q", c.old)
			}
			_, err := matrix.Parse([]byte(strings.Replace(small, c.old, c.changed, 1)))
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got %v, want %q", err, c.problem)
			}
		})
	}
}

func TestLogIsShown(t *testing.T) {
	t.Parallel()
	m, err := matrix.Parse([]byte(failing))
	if err != nil {
		t.Fatal(err)
	}
	evidence := m.Reasons["why"].Evidence[0]
	for text, want := range map[string]bool{
		"error: no scope for B": true, "no  for B, at last": true, "no scope": false, "for B there is no scope": false, "": false,
	} {
		if evidence.Shown(text) != want {
			t.Errorf("%q: %t, want %t", text, !want, want)
		}
	}
	if link := (matrix.Evidence{Link: "https://b.example/1"}); !link.Shown("anything") {
		t.Error("evidence without a log wants one")
	}
}

func TestSelects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		globs string
		want  bool
	}{{"", true}, {"s/a", true}, {"s/*", true}, {"*/b s/a", true}, {"*/b,x/a", false}, {"s", false}} {
		if got, err := matrix.Selects(c.globs, "s/a"); err != nil || got != c.want {
			t.Errorf("%q: %t, %v", c.globs, got, err)
		}
	}
	if _, err := matrix.Selects("[", "s/a"); err == nil {
		t.Error("a glob that is none passes")
	}
}

func TestRunFallsShort(t *testing.T) {
	t.Parallel()
	m, err := matrix.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	all := []matrix.Result{{Server: "s", Client: "a", Outcome: matrix.OK}, {Server: "s", Client: "b", Outcome: matrix.OK}}
	failed := matrix.Result{Server: "s", Client: "b", Outcome: matrix.Failed}
	for name, c := range map[string]struct {
		selected string
		cells    []matrix.Result
		unmet    string
	}{
		"all went well":                        {"", all, ""},
		"a cell did not run":                   {"", all[:1], "s/b: not run"},
		"a cell failed":                        {"", []matrix.Result{all[0], failed}, "s/b: FAILED"},
		"a cell that was not selected":         {"s/a", all[:1], ""},
		"a cell that was selected did not run": {"s/*", all[1:], "s/a: not run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := m.NewResults(c.selected, false)
			for _, cell := range c.cells {
				results.Add(cell)
			}
			got := ""
			if err := m.Unmet(results); err != nil {
				got = err.Error()
			}
			if got != c.unmet {
				t.Errorf("got %q, want %q", got, c.unmet)
			}
		})
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	m, err := matrix.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	results := m.NewResults("", false)
	for _, client := range []string{"b", "a"} {
		results.Add(matrix.Result{
			Server: "s", Client: client, Outcome: matrix.OK, Protocol: "2025-06-18", Caller: &matrix.Caller{Issuer: "i", Subject: "u"},
		})
	}
	file := filepath.Join(t.TempDir(), "results.json")
	if err := results.Write(file); err != nil {
		t.Fatal(err)
	}
	if results, err = matrix.ReadResults(file); err != nil {
		t.Fatal(err)
	}
	page, err := m.Page(results)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| S | ✓ | ✓ [1](#notes) |", "1. *step-up*: left out (s/b). B cannot.\n   - <https://b.example/1>", "2 pairs went well",
		"| `s` | [S](https://s.example) | 3 | real | directly |", "| login | logs in |", "| `a` | [A](https://a.example) | 1 | 2025-06-18 |",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

// A page is written of nothing less than a run of the whole matrix as it is.
func TestOnlyAWholeRunIsAProof(t *testing.T) {
	t.Parallel()
	m, err := matrix.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*matrix.Results)
		want   string
	}{
		"the whole":                  {func(*matrix.Results) {}, ""},
		"a part":                     {func(r *matrix.Results) { r.Selected = "s/*" }, "CELL=s/*"},
		"a cell did not run":         {func(r *matrix.Results) { r.Cells = r.Cells[:1] }, "s/b: not run"},
		"a cell failed":              {func(r *matrix.Results) { r.Cells[1].Outcome = matrix.Failed }, "s/b: FAILED"},
		"another version":            {func(r *matrix.Results) { r.Versions["server s"] = "2" }, "server s: the run was with version \"2\""},
		"nobody knows who logged in": {func(r *matrix.Results) { r.Cells[0].Caller = nil }, "s/a: no tool named the user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := m.NewResults("", false)
			for _, client := range []string{"a", "b"} {
				results.Add(matrix.Result{
					Server: "s", Client: client, Outcome: matrix.OK, Caller: &matrix.Caller{Issuer: "i", Subject: "u"},
				})
			}
			c.change(results)
			_, err := m.Page(results)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A cell that is left to make e2e-all is no part of make e2e, unless CELL names it, and the page of
// a run without it says so.
func TestCellIsLeftToARunOfAll(t *testing.T) {
	t.Parallel()
	for _, cell := range []string{"{in: all}", "{run: {step-up: {is: left out, because: why}}, in: all}"} {
		m, err := matrix.Parse([]byte(strings.Replace(small, "a: run", "a: "+cell, 1)))
		if err != nil {
			t.Fatal(err)
		}
		b := matrix.Result{Server: "s", Client: "b", Outcome: matrix.OK, Caller: &matrix.Caller{Issuer: "i", Subject: "u"}}
		a := b
		a.Client = "a"
		for name, c := range map[string]struct {
			selected string
			all      bool
			ran      []matrix.Result
			unmet    string
			proves   string
		}{
			"make e2e":                  {"", false, []matrix.Result{b}, "", ""},
			"make e2e-all":              {"", true, []matrix.Result{a, b}, "", ""},
			"make e2e-all without it":   {"", true, []matrix.Result{b}, "s/a: not run", "s/a: not run"},
			"CELL names it":             {"s/a", false, []matrix.Result{a}, "", "CELL=s/a"},
			"CELL names it, but no run": {"s/a", false, nil, "s/a: not run", "CELL=s/a"},
		} {
			t.Run(name+" "+cell, func(t *testing.T) {
				t.Parallel()
				results := m.NewResults(c.selected, c.all)
				for _, result := range c.ran {
					results.Add(result)
				}
				for _, problem := range []struct {
					got  error
					want string
				}{{m.Unmet(results), c.unmet}, {m.Proves(results), c.proves}} {
					if (problem.got == nil) != (problem.want == "") ||
						problem.got != nil && !strings.Contains(problem.got.Error(), problem.want) {
						t.Errorf("got %v, want %q", problem.got, problem.want)
					}
				}
				if page, err := m.Page(results); err == nil && strings.Contains(string(page), "| e2e-all") == c.all {
					t.Errorf("of %s the page says\n%s", name, page)
				}
			})
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	m, err := matrix.Parse([]byte(strings.Replace(failing, "a: run", "a: {excluded: why}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	results := m.NewResults("", false)
	results.Add(matrix.Result{Server: "s", Client: "b", Outcome: matrix.Failed, Seconds: 3.2})
	var table strings.Builder
	m.Table(&table, results)
	for _, want := range []string{"   a             b", "s  excluded      FAILED 3s", "0 ok, 1 failed, 1 excluded"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
}
