package bench_test

import (
	"testing"

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

// TestAllForward keeps the comparison honest: a refusal would look fast.
func TestAllForward(t *testing.T) {
	t.Parallel()
	r := newRelaying(t)
	if err := r.Relayed(t.Context()); err != nil {
		t.Errorf("the relay: %v", err)
	}
	if err := r.Bare(t.Context()); err != nil {
		t.Errorf("the bare forwarder: %v", err)
	}
	if err := r.Proxied(t.Context()); err != nil {
		t.Errorf("the reverse proxy: %v", err)
	}
}
