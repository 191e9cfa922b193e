// Command check compares ratios and allocations with the ceilings in ceilings.json and ends with
// status 1 if one is broken. It takes well below two minutes. Ceilings of ratios have slack for a
// busy machine, and a ratio that is too high is measured again before it counts; allocations have
// none, since they do not depend on the machine.
//
//	go run ./cmd/check [-ceilings ceilings.json]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

func main() {
	path := flag.String("ceilings", "ceilings.json", "file with the ceilings")
	flag.Parse()
	broken, err := run(context.Background(), *path)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	case broken > 0:
		fmt.Fprintf(os.Stderr, "check: %d ceilings are broken\n", broken)
		os.Exit(1)
	}
}

// tries is how often a figure is measured before it counts as too high.
const tries = 3

func run(ctx context.Context, path string) (broken int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var ceilings map[string]float64
	if err := json.Unmarshal(text, &ceilings); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	best := map[string]float64{}
	for range tries {
		figures, err := measure(ctx)
		if err != nil {
			return 0, err
		}
		for name, value := range figures {
			if old, ok := best[name]; !ok || value < old {
				best[name] = value
			}
		}
		if !slices.ContainsFunc(slices.Collect(maps.Keys(ceilings)), func(name string) bool { return best[name] > ceilings[name] }) {
			break
		}
	}
	return compare(best, ceilings)
}

func compare(figures, ceilings map[string]float64) (broken int, err error) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "figure\tmeasured\tceiling\t")
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		ceiling, ok := ceilings[name]
		if !ok {
			return 0, fmt.Errorf("no ceiling for %q", name)
		}
		verdict := ""
		if figures[name] > ceiling {
			verdict = "BROKEN"
			broken++
		}
		_, _ = fmt.Fprintf(out, "%s\t%.4g\t%g\t%s\n", name, figures[name], ceiling, verdict)
	}
	if len(figures) != len(ceilings) {
		return 0, fmt.Errorf("%d ceilings for %d figures", len(ceilings), len(figures))
	}
	return broken, out.Flush()
}

const (
	runs  = 3
	slice = 10 * time.Millisecond
)

func measure(ctx context.Context) (map[string]float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	figures := map[string]float64{}
	for _, a := range bench.Algorithms {
		if err := firstSeen(ctx, a, figures); err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
	}
	world, err := bench.NewWorld(jose.RS256)
	if err != nil {
		return nil, err
	}
	defer world.Close()
	pieces, err := world.Refused(ctx)
	if err != nil {
		return nil, err
	}
	rawCheck := pieces[0]
	refused, err := results(pieces)
	if err != nil {
		return nil, err
	}
	raw := refused[0].Nanos
	for _, r := range refused {
		if r.Name == bench.RandomKeyIDs {
			figures["random key id / raw"], figures["random key id, allocations"] = r.Nanos.Over(raw).Median(), r.Allocs
		}
	}
	cached, err := world.Cached(ctx)
	if err != nil {
		return nil, err
	}
	known, err := results(append([]bench.Piece{rawCheck}, cached[:3]...))
	if err != nil {
		return nil, err
	}
	figures["known token / raw"], figures["known token, allocations"] = known[1].Nanos.Over(known[0].Nanos).Median(), known[1].Allocs
	figures["known token, one of 8192 / raw"] = known[3].Nanos.Over(known[0].Nanos).Median()
	served, err := world.InProcess(ctx)
	if err != nil {
		return nil, err
	}
	in, err := results(append([]bench.Piece{rawCheck}, served[:2]...))
	if err != nil {
		return nil, err
	}
	figures["Echo middleware / raw"] = in[2].Nanos.Minus(in[1].Nanos).Over(in[0].Nanos).Median()
	figures["Echo middleware, allocations added"] = in[2].Allocs - in[1].Allocs
	return figures, nil
}

func firstSeen(ctx context.Context, a jose.Algorithm, figures map[string]float64) error {
	world, err := bench.NewWorld(a)
	if err != nil {
		return err
	}
	defer world.Close()
	pieces, err := world.FirstSeen(ctx)
	if err != nil {
		return err
	}
	if a != jose.RS256 {
		pieces = pieces[:2]
	}
	list, err := results(pieces)
	if err != nil {
		return err
	}
	figures[fmt.Sprintf("first-seen %s / raw", a)] = list[1].Nanos.Over(list[0].Nanos).Median()
	figures[fmt.Sprintf("first-seen %s, allocations beyond raw", a)] = list[1].Allocs - list[0].Allocs
	for _, other := range list[2:] {
		const name = "first-seen RS256 / best other library"
		figures[name] = max(figures[name], list[1].Nanos.Over(other.Nanos).Median())
	}
	return nil
}

func results(pieces []bench.Piece) ([]bench.Result, error) {
	return bench.Interleave(runs, slice, pieces...)
}
