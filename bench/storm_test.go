package bench_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/bench"
)

// BenchmarkStorm reports how many times as long other users' refreshes take while one token storms
// /revoke, at the 99th percentile.
func BenchmarkStorm(b *testing.B) {
	for b.Loop() {
		s, err := bench.MeasureStorm(b.Context(), 3)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(s.Stormy.Over(s.Calm).Median(), "×")
	}
}

// TestStormIsHeldBack keeps the measurement honest: there is a storm, little of it reaches the
// provider, and every other refresh is answered. How many revocations fit beside the refreshes is a
// matter of the machine.
func TestStormIsHeldBack(t *testing.T) {
	t.Parallel()
	s, err := bench.MeasureStorm(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if s.Reached == 0 || s.Reached > 30 || s.Sent < 2*s.Reached {
		t.Errorf("%d revocations are sent, %d reach the provider", s.Sent, s.Reached)
	}
}
