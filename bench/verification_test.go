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

// TestEverybodyAcceptsTheToken keeps the comparison honest: work that fails early would look fast.
func TestEverybodyAcceptsTheToken(t *testing.T) {
	t.Parallel()
	for _, a := range bench.Algorithms {
		v, err := bench.NewVerification(a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		if err := v.Raw(); err != nil {
			t.Errorf("%s: raw: %v", a, err)
		}
		info, err := v.Full(t.Context())
		if err != nil || info.User.ID == "" || len(info.Scopes) != 5 || len(info.Permissions) != 2 {
			t.Errorf("%s: full: got %+v, %v", a, info, err)
		}
		peers, err := v.Peers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range peers {
			if err := p.Verify(); err != nil {
				t.Errorf("%s: %s: %v", a, p.Name, err)
			}
		}
	}
}
