package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/latchkey-auth/latchkey/bench"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

// target is a figure that the project set itself, with what was measured.
type target struct {
	what   string
	limit  float64
	atMost bool // else at least
	format string
	got    bench.Series
}

func (t target) met() bool {
	if t.atMost {
		return t.got.Median() <= t.limit
	}
	return t.got.Median() >= t.limit
}

func (t target) aim() string {
	if t.atMost {
		return "≤ " + fmt.Sprintf(t.format, t.limit)
	}
	return "≥ " + fmt.Sprintf(t.format, t.limit)
}

func (t target) result() string { return withSpread(t.format, t.got) }

// withSpread writes a median with the least and the largest result.
func withSpread(format string, s bench.Series) string {
	if len(s) == 0 {
		return "not measured"
	}
	if len(s) == 1 {
		return fmt.Sprintf(format, s[0])
	}
	low, high := s.Spread()
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.Median(), low, high)
}

// targets are the figures in the order of the page.
func targets(m measured) []target {
	var list []target
	most := func(what string, limit float64, format string, got bench.Series) {
		list = append(list, target{what: what, limit: limit, atMost: true, format: format, got: got})
	}
	least := func(what string, limit float64, format string, got bench.Series) {
		list = append(list, target{what: what, limit: limit, format: format, got: got})
	}
	for _, a := range []struct {
		algorithm jose.Algorithm
		limit     float64
	}{{jose.RS256, 1.20}, {jose.ES256, 1.10}, {jose.EdDSA, 1.13}} {
		results := m.Suite.FirstSeen[a.algorithm]
		most(fmt.Sprintf("first-seen %s token, over its raw signature check", a.algorithm), a.limit, "%.2f ×", results[1].Nanos.Over(results[0].Nanos))
		most(fmt.Sprintf("first-seen %s token, allocations beyond the raw check", a.algorithm), 10, "%.0f", bench.Series{results[1].Allocs - results[0].Allocs})
	}
	most("known token", 170, "%.0f ns", m.Suite.Cached[0].Nanos)
	most("known token, allocations", 0, "%.0f", bench.Series{m.Suite.Cached[0].Allocs})
	least("known token, two cores over one", 1.8, "%.2f ×", m.Suite.Scaling[m.Suite.Shared[0]])
	in := m.Suite.InProcess
	most("Echo middleware, added to a request in process", 600, "%.0f ns", in[1].Nanos.Minus(in[0].Nanos))
	most("Echo middleware, allocations added", 4, "%.0f", bench.Series{in[1].Allocs - in[0].Allocs})
	for _, r := range m.Suite.Refused {
		if r.Name == bench.RandomKeyIDs {
			most("refusing a token with a random key id", 3000, "%.0f ns", r.Nanos)
		}
	}
	most("key fetches for 10,000 tokens with random key ids", 1, "%.0f", bench.Series{float64(m.Keys.Fetches[0])})
	most("99.9th percentile of a good token's wait while a refresh takes 500 ms, first seen", 1, "%.2f ms",
		bench.Series{millis(m.Keys.FirstSeen.Most)})
	most("memory kept of a million distinct invalid tokens", 1, "%.2f MB", bench.Series{max(0, float64(m.Keys.Flood.HeapGrowth)/(1<<20))})
	route := byName(m.Route)
	least("requests per second over sockets, one token, over unguarded", 0.92, "%.2f ×", route["latchkey, one token"].Share)
	least("requests per second over sockets, 256 tokens, over unguarded", 0.87, "%.2f ×", route["latchkey, 256 tokens"].Share)
	for _, peer := range otherGuards() {
		least("repeated tokens over sockets, over "+peer, 5, "%.1f ×", route["latchkey, 256 tokens"].Share.Over(route[peer].Share))
		least("first-seen tokens over sockets, over "+peer, 1, "%.1f ×", route["latchkey, first-seen tokens"].Share.Over(route[peer].Share))
	}
	if s := route[mcpUse]; s != nil {
		least("the same route, over "+mcpUse, 20, "%.1f ×", route["latchkey, 256 tokens"].Share.Over(s.Share))
	}
	tool := byName(m.Tool)
	if s := tool[mcpUse]; s != nil {
		least("a stateless tools/call, over "+mcpUse, 6, "%.1f ×", tool["Go SDK + latchkey"].Share.Over(s.Share))
	}
	for _, results := range [][]bench.Result{m.Suite.Broker[:2], m.Suite.Relay[:2]} {
		least("token requests per second through "+results[1].Name+", over "+results[0].Name, 1, "%.2f ×",
			results[0].Nanos.Over(results[1].Nanos))
	}
	most("99th percentile of another user's refresh while one token storms /revoke, over that without", 2, "%.2f ×", m.Storm.Stormy.Over(m.Storm.Calm))
	most("opening a sealed access token", 5000, "%.0f ns", m.Suite.Sealed.Nanos)
	return list
}

func otherGuards() []string {
	return []string{"echo-jwt + keyfunc", "Go SDK's RequireBearerToken + go-oidc", "auth0 go-jwt-middleware"}
}

func byName(list []*scenario) map[string]*scenario {
	named := map[string]*scenario{}
	for _, s := range list {
		named[s.Name] = s
	}
	return named
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}

func printTargets(w io.Writer, m measured) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, "what\taim\tmeasured, median (spread)\t")
	for _, t := range targets(m) {
		_, _ = fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", t.what, t.aim(), t.result(), verdict(t.met()))
	}
	_ = out.Flush()
}
