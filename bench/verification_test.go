package bench_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/bench"
)

// BenchmarkVerify compares, for each algorithm, the raw signature check with the full verification of the same token.
func BenchmarkVerify(b *testing.B) {
	for _, a := range bench.Algorithms {
		v, err := bench.NewVerification(a)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(v.Close)
		b.Run(string(a)+"/raw", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Raw(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(a)+"/full", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Full(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
