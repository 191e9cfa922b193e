// Command ratios prints how much longer the full verification of a token takes than the signature check inside it, for
// latchkey and for other libraries, all measured in one run on one token. Times differ from machine to machine, ratios
// hardly do.
//
//	go run ./cmd/ratios [-rounds 40] [-round 10ms] [-max 1.5]
//
// With -max it ends with status 1 when latchkey's ratio for RS256 is above that.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

func main() {
	rounds := flag.Int("rounds", 40, "rounds of each measurement")
	round := flag.Duration("round", 10*time.Millisecond, "time of one round")
	limit := flag.Float64("max", 0, "highest ratio that is fine for RS256; 0 is any")
	flag.Parse()
	if *rounds < 1 || *round <= 0 {
		fmt.Fprintln(os.Stderr, "ratios: -rounds and -round must be positive")
		os.Exit(2)
	}
	rs256, err := run(*rounds, *round)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ratios:", err)
		os.Exit(2)
	}
	if *limit > 0 && rs256 > *limit {
		fmt.Fprintf(os.Stderr, "ratios: RS256 takes %.2f times its signature check, more than %.2f\n", rs256, *limit)
		os.Exit(1)
	}
}

// run prints the table and returns latchkey's ratio for RS256.
func run(rounds int, round time.Duration) (rs256 float64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "algorithm\twork\ttime\tratio\tallocations")
	for _, a := range bench.Algorithms {
		ratio, err := measure(ctx, out, a, rounds, round)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", a, err)
		}
		if a == jose.RS256 {
			rs256 = ratio
		}
	}
	return rs256, out.Flush()
}

func measure(ctx context.Context, out *tabwriter.Writer, a jose.Algorithm, rounds int, round time.Duration) (float64, error) {
	v, err := bench.NewVerification(a)
	if err != nil {
		return 0, err
	}
	defer v.Close()
	names := []string{"signature check alone", "latchkey"}
	pieces := []func() error{v.Raw, func() error { _, err := v.Full(ctx); return err }}
	peers, err := v.Peers(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range peers {
		names, pieces = append(names, p.Name), append(pieces, p.Verify)
	}
	c, err := bench.Compare(rounds, round, pieces...)
	if err != nil {
		return 0, err
	}
	for i, name := range names {
		allocations := testing.AllocsPerRun(100, func() { _ = pieces[i]() })
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%.2f\t%.0f\n", a, name, c.Time(i).Round(100*time.Nanosecond), c.Ratio(i), allocations)
	}
	return c.Ratio(1), nil
}
