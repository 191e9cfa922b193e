package bench_test

import (
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
)

func newRelaying(tb testing.TB) *bench.Relaying {
	tb.Helper()
	r, err := bench.NewRelaying()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// BenchmarkRelay measures a code exchange through the relay and through a bare forwarder by turns, and reports how many
// times longer the relay takes, one after the other and eight at once. The aim is 1.5 at most.
func BenchmarkRelay(b *testing.B) {
	r := newRelaying(b)
	for name, width := range map[string]int{"one": 1, "eight": 8} {
		b.Run(name, func(b *testing.B) {
			bare := atOnce(width, func() error { return r.Bare(b.Context()) })
			relayed := atOnce(width, func() error { return r.Relayed(b.Context()) })
			for b.Loop() {
				results, err := bench.Interleave(5, 10*time.Millisecond,
					bench.Piece{Name: "bare", Run: bare, Waits: true}, bench.Piece{Name: "relayed", Run: relayed, Waits: true})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(results[1].Nanos.Over(results[0].Nanos).Median(), "ratio")
				b.ReportMetric(results[1].Nanos.Median()/1000, "µs/relayed")
			}
		})
	}
}

// atOnce does a piece of work several times at the same time.
func atOnce(width int, piece func() error) func() error {
	if width == 1 {
		return piece
	}
	return func() error {
		errs := make(chan error, width)
		var all sync.WaitGroup
		for range width {
			all.Go(func() { errs <- piece() })
		}
		all.Wait()
		for range width {
			if err := <-errs; err != nil {
				return err
			}
		}
		return nil
	}
}

// TestBothForward keeps the comparison honest: a refusal would look fast.
func TestBothForward(t *testing.T) {
	t.Parallel()
	r := newRelaying(t)
	if err := r.Relayed(t.Context()); err != nil {
		t.Errorf("the relay: %v", err)
	}
	if err := r.Bare(t.Context()); err != nil {
		t.Errorf("the bare forwarder: %v", err)
	}
}
