package bench_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// BenchmarkForwarding measures token requests through the broker, the relay and
// httputil.ReverseProxy by turns, and reports how many times as many each answers.
func BenchmarkForwarding(b *testing.B) {
	for b.Loop() {
		brokered, relayed, err := bench.Forwarding(b.Context(), bench.Settings{Runs: 5, Slice: 20 * time.Millisecond})
		if err != nil {
			b.Fatal(err)
		}
		for _, results := range [][]bench.Result{brokered, relayed} {
			for _, r := range results[1:] {
				b.ReportMetric(results[0].Nanos.Over(r.Nanos).Median(), strings.ReplaceAll(r.Name, " ", "_"))
			}
		}
	}
}

// TestBrokerAndProxyBothForward keeps the comparison honest: a refusal would look fast.
func TestBrokerAndProxyBothForward(t *testing.T) {
	t.Parallel()
	for _, mode := range []proxy.TokenMode{proxy.Passthrough, proxy.Sealed} {
		r, err := bench.NewBrokering(t.Context(), mode, true, 2)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var all sync.WaitGroup
		for client := range 2 {
			all.Go(func() {
				for range 3 {
					if err := r.Brokered(t.Context(), client); err != nil {
						t.Errorf("%s: %v", mode, err)
					}
				}
			})
		}
		all.Wait()
		if err := r.Proxied(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
