package bench_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

// TestFloodOfInvalidTokens is the threat model's "a million distinct invalid tokens" with fewer of
// them: no good token is refused, next to nothing is kept, and the provider is left alone.
// covers: T-TOK-17
func TestFloodOfInvalidTokens(t *testing.T) {
	t.Parallel()
	flood, err := newWorld(t, jose.RS256).Flood(t.Context(), 20_000)
	if err != nil {
		t.Fatal(err)
	}
	if flood.Fetches > 1 {
		t.Errorf("the key set was fetched %d times", flood.Fetches)
	}
	if flood.Good.Count == 0 {
		t.Error("no good token was verified meanwhile")
	}
}

// BenchmarkFlood reports by how much a million of them makes the heap grow.
func BenchmarkFlood(b *testing.B) {
	w := newWorld(b, jose.RS256)
	for b.Loop() {
		flood, err := w.Flood(b.Context(), 1_000_000)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(flood.HeapGrowth), "B-heap")
		b.ReportMetric(flood.PerSecond, "refused/s")
		b.ReportMetric(float64(flood.Good.Most.Nanoseconds()), "ns-good-99.9%")
	}
}
