// Command report measures everything in one run and writes docs/performance.md with its plots and
// raw numbers.
//
//	go run ./cmd/report [-quick] [-runs 10] [-slice 20ms] [-out ../docs]
//
// Times differ from machine to machine, ratios hardly do: the page leads with ratios. With -quick
// it measures little and writes nothing but the table of targets to standard output.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
)

// settings say what is measured and where the results go.
type settings struct {
	bench.Settings

	runs      int
	socketRun time.Duration
	cache     string
	out       string
	quick     bool
}

func main() {
	var o settings
	flag.IntVar(&o.runs, "runs", 10, "runs, whose median counts")
	flag.DurationVar(&o.Slice, "slice", 20*time.Millisecond, "how long a piece of work has its turn, five times a run")
	flag.DurationVar(&o.socketRun, "socket", time.Second, "how long a server is under load, once a run")
	flag.StringVar(&o.cache, "cache", "../.cache/bench", "directory for downloads and builds")
	flag.StringVar(&o.out, "out", "../docs", "directory of the page")
	flag.BoolVar(&o.quick, "quick", false, "measure little and write no files")
	flag.Parse()
	if o.quick {
		o.runs, o.Slice, o.socketRun = 3, 5*time.Millisecond, 200*time.Millisecond
	}
	o.Runs = o.runs
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// measured is everything of one run of the command.
type measured struct {
	Machine machine
	Suite   *bench.Suite
	Keys    *bench.KeySets
	Storm   *bench.Storm
	Route   []*scenario
	Tool    []*scenario
	Notes   []string
	Runs    int
}

func run(ctx context.Context, o settings) error {
	cache, err := filepath.Abs(o.cache)
	if err != nil {
		return err
	}
	o.cache = cache
	if err := os.MkdirAll(o.cache, 0o750); err != nil {
		return err
	}
	m := measured{Machine: describeMachine(), Runs: o.runs}
	say("in process: signatures, the cache, the middleware, refusals, sealing, the relay")
	if m.Suite, err = bench.Measure(ctx, o.Settings); err != nil {
		return err
	}
	say("key sets")
	if m.Keys, err = bench.MeasureKeySets(ctx); err != nil {
		return err
	}
	say("a storm of revocations")
	if m.Storm, err = bench.MeasureStorm(ctx, o.Runs); err != nil {
		return err
	}
	say("over sockets (this installs mcp-use and FastMCP the first time)")
	if m.Route, m.Tool, m.Notes, err = sockets(ctx, o); err != nil {
		return err
	}
	m.Machine.LoadAfter = loadAverage()
	printTargets(os.Stdout, m)
	if o.quick {
		return nil
	}
	return write(o.out, m)
}

func say(what string) { fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), what) }

// write puts the page, its plots and the raw numbers in place.
func write(out string, m measured) error {
	raw, err := json.MarshalIndent(m, "", " ") //nolint:musttag // the fields' own names are good
	if err != nil {
		return err
	}
	dir := filepath.Join(out, "performance")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	files := map[string]string{
		filepath.Join(out, "performance.md"): page(m),
		filepath.Join(dir, "raw.json"):       string(raw) + "\n",
	}
	for name, plot := range plots(m) {
		files[filepath.Join(dir, name)] = plot
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil { //nolint:gosec // documentation is for everybody
			return err
		}
	}
	return nil
}
