package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
)

// page writes docs/performance.md.
func page(m measured) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("<!-- Written by `make bench`. Edit bench/cmd/report instead. -->")
	p("# Performance")
	p("")
	p("Everything on this page was measured in one run of `make bench`: %s, %d processors, %s, %s, on %s at commit %s.",
		m.Machine.Processor, m.Machine.Processors, m.Machine.System, m.Machine.Go, m.Machine.Date, m.Machine.Commit)
	p("Figures are medians of %d interleaved runs, with the least and the largest in brackets. Times are this machine's; ratios travel.", m.Runs)
	p("The machine's load average was %s before and %s after. The raw numbers are in [performance/raw.json](performance/raw.json).",
		m.Machine.LoadBefore, m.Machine.LoadAfter)
	p("")
	picture(&b, "sockets", "Requests per second of a guarded route over sockets")
	p("## What was aimed at")
	p("")
	p("| what | aim | measured | |")
	p("|---|---|---|---|")
	for _, t := range targets(m) {
		p("| %s | %s | %s | %s |", t.what, t.aim(), t.result(), verdict(t.met()))
	}
	p("")
	ceilings(&b, m)
	firstSeen(&b, m)
	known(&b, m)
	inProcess(&b, m)
	keySets(&b, m)
	overSockets(&b, m)
	forwardingAndSealing(&b, m)
	storm(&b, m)
	versions(&b, m)
	return b.String()
}

// ceilings says how many times as many requests as the other guards any guard could answer over
// sockets: as many as the handler answers without one.
func ceilings(b *strings.Builder, m measured) {
	route := byName(m.Route)
	var reached []string
	for _, name := range append(otherGuards(), mcpUse) {
		if s := route[name]; s != nil {
			reached = append(reached, fmt.Sprintf("%.1f times as many requests as with %s", 1/s.Share.Median(), name))
		}
	}
	fmt.Fprintf(b, "Over sockets no guard can do better than none. Without any the handler answers %s: a request\n"+
		"takes %s of the server's processor time by then, in the kernel and in net/http. What the guards themselves take is under\n"+
		"[a request in process](#a-request-in-process).\n\n",
		strings.Join(reached, ", "), nanos(1000*route["unguarded"].CPU.Median()))
}

func picture(b *strings.Builder, name, alternative string) {
	fmt.Fprintf(b, "<picture>\n  <source media=\"(prefers-color-scheme: dark)\" srcset=\"performance/%s-dark.svg\">\n"+
		"  <img alt=\"%s\" src=\"performance/%s-light.svg\">\n</picture>\n\n", name, alternative, name)
}

// results writes a table of results, over the first of them.
func results(b *strings.Builder, list []bench.Result) {
	fmt.Fprintf(b, "| | time | × %s | allocations |\n|---|---|---|---|\n", list[0].Name)
	for _, r := range list {
		fmt.Fprintf(b, "| %s | %s | %s | %.0f |\n", r.Name, nanos(r.Nanos.Median()), withSpread("%.2f", r.Nanos.Over(list[0].Nanos)), r.Allocs)
	}
	b.WriteString("\n")
}

func nanos(n float64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.2f ms", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1f µs", n/1e3)
	default:
		return fmt.Sprintf("%.0f ns", n)
	}
}

func firstSeen(b *strings.Builder, m measured) {
	b.WriteString("## A token that was not seen before\n\n" +
		"The raw check hashes the token and checks its signature with the standard library, everything taken apart before; nobody\n" +
		"can do less. Latchkey's figure includes issuer, audience, times, token type, the caller with scopes, permissions and the\n" +
		"provider's further claims, and keeping the token in the cache. The other libraries check issuer, audience and expiry and\n" +
		"read the subject.\n\n")
	picture(b, "first-seen", "Time to verify a first-seen token, over the raw signature check")
	for _, a := range bench.Algorithms {
		fmt.Fprintf(b, "**%s**\n\n", a)
		results(b, m.Suite.FirstSeen[a])
	}
}

func known(b *strings.Builder, m measured) {
	b.WriteString("## A token that was seen before\n\n" +
		"Latchkey's figures are whole verifications: the clock is read, the token compared in full, its expiry checked, and the key\n" +
		"set asked whether it still holds the key. Those of otter and golang-lru are the bare look-up in their caches, with the token\n" +
		"as the key: neither checks anything nor reads the clock for it.\n\n")
	results(b, m.Suite.Cached)
	b.WriteString("With one token for all, two cores find it again so many times as often as one:\n\n| | two cores over one |\n|---|---|\n")
	for _, name := range m.Suite.Shared {
		fmt.Fprintf(b, "| %s | %s |\n", name, withSpread("%.2f", m.Suite.Scaling[name]))
	}
	b.WriteString("\nThese figures are why the cache of verified tokens is a table of our own, of some hundred lines, and no library. With\n" +
		"otter, a verification would take its look-up on top of the clock and the key set, and miss its aim. golang-lru takes a lock\n" +
		"and moves an entry on every hit, so that a second core adds nothing. Ours takes no lock, hashes the end of the token only,\n" +
		"writes nothing that the other core reads, and needs no goroutine; it bounds bytes and ends entries at a time of their own all\n" +
		"the same.\n\n")
}

func inProcess(b *strings.Builder, m measured) {
	b.WriteString("## A request in process\n\n" +
		"An Echo handler that answers with the caller's subject, without a socket, with a known token.\n\n")
	results(b, m.Suite.InProcess)
	in := m.Suite.InProcess
	fmt.Fprintf(b, "Latchkey's middleware adds %s and %.0f allocations.\n\n", withSpread("%.0f ns", in[1].Nanos.Minus(in[0].Nanos)), in[1].Allocs-in[0].Allocs)
	b.WriteString("### Refusals\n\n" +
		"What a bad token costs the server, before the answer is written. Whatever can be seen without the signature is looked at\n" +
		"first; key ids that nobody published are refused by the token's header once there are many of them.\n\n")
	results(b, m.Suite.Refused)
}

func keySets(b *strings.Builder, m measured) {
	fmt.Fprintf(b, "## Key sets\n\nHow often the provider's key set was fetched while 16 clients sent %d tokens with random key ids:\n\n", m.Keys.Strangers)
	b.WriteString("| | fetches |\n|---|---|\n")
	for i, name := range m.Keys.Names {
		count := strconv.FormatInt(m.Keys.Fetches[i], 10)
		if m.Keys.Fetches[i] == bench.Unfinished {
			count = "not finished in 30 s"
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, count)
	}
	b.WriteString("\njwx's cache never fetches for an unknown key, so it does not find a new one before its next regular refresh.\n\n" +
		"How long good tokens were verified for while a refresh of the key set took 500 ms (a wait for it would show as hundreds of\n" +
		"milliseconds; the largest values are the machine's other work):\n\n" +
		"| | verified meanwhile | median | 99.9 % | longest |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		name  string
		waits bench.Waits
	}{{"not seen before", m.Keys.FirstSeen}, {"seen before", m.Keys.Known}} {
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s |\n", row.name, row.waits.Count, nanos(float64(row.waits.Median)),
			nanos(float64(row.waits.Most)), nanos(float64(row.waits.Longest)))
	}
	flood := m.Keys.Flood
	fmt.Fprintf(b, "\nA flood of %d distinct invalid tokens (half of them with key ids that nobody published, others expired, with a wrong signature\n"+
		"or no JWTs), refused by two goroutines at %.0f per second, made the heap grow by %d KB and caused %d key fetches. Of the %d good\n"+
		"tokens beside it none was refused; 99.9 %% took less than %s.\n\n", flood.Tokens, flood.PerSecond, max(0, flood.HeapGrowth>>10),
		flood.Fetches, flood.Good.Count, nanos(float64(flood.Good.Most)))
}

func overSockets(b *strings.Builder, m measured) {
	fmt.Fprintf(b, "## Over sockets\n\nEach server runs in a process of its own; a generator on the same machine keeps %d connections busy. Where nothing else is\n"+
		"said, 256 tokens take turns. CPU is the server's own processor time. Latencies are from a second load, at a third of the\n"+
		"rate and on schedule whether or not earlier answers came (so they hold the machine's other work too).\n\n"+
		"### A route that answers with the caller's subject\n\n", connections)
	scenarios(b, m.Route)
	b.WriteString("### A stateless `tools/call` of an MCP server\n\n")
	picture(b, "tools", "Stateless tools/call per second")
	scenarios(b, m.Tool)
	for _, note := range m.Notes {
		fmt.Fprintf(b, "%s\n\n", note)
	}
}

func scenarios(b *strings.Builder, list []*scenario) {
	fmt.Fprintf(b, "| | requests per second | × %s | CPU per request | latency: median | 99 %% | 99.9 %% |\n|---|---|---|---|---|---|---|\n", list[0].Name)
	for _, s := range list {
		fmt.Fprintf(b, "| %s | %.0f | %s | %.0f µs | %.0f µs | %.0f µs | %.0f µs |\n", s.Name, s.PerSecond.Median(), withSpread("%.2f", s.Share),
			s.CPU.Median(), s.P50, s.P99, s.P999)
	}
	b.WriteString("\n")
}

func forwardingAndSealing(b *strings.Builder, m measured) {
	fmt.Fprintf(b, "## Forwarding and sealing\n\nA token request on its way to the provider's token endpoint, %d at once, over loopback. The reverse proxy is\n"+
		"net/http/httputil's, which passes bytes on. The broker opens the client's refresh token, exchanges the provider's for new ones,\n"+
		"rotates, and seals what the client gets; the last row also checks the signature of the provider's new access token, as every\n"+
		"refresh does with a provider whose tokens are JWTs.\n\n", bench.Width)
	results(b, m.Suite.Broker)
	b.WriteString("The relay reads the page's order, checks whether the address may be asked, and wraps the answer. The bare forwarder does the\n" +
		"same and checks nothing.\n\n")
	results(b, m.Suite.Relay)
	fmt.Fprintf(b, "Opening a sealed value of an access token's size takes %s.\n\n", withSpread("%.0f ns", m.Suite.Sealed.Nanos))
}

func storm(b *strings.Builder, m measured) {
	milliseconds := func(nanos bench.Series) string {
		inMillis := make(bench.Series, len(nanos))
		for i, n := range nanos {
			inMillis[i] = n / 1e6
		}
		return withSpread("%.1f ms", inMillis)
	}
	fmt.Fprintf(b, "## A storm of revocations\n\nOne login sends its refresh token to `/revoke` over and over, on %d connections, while other users refresh one after the\n"+
		"other. The provider takes %s for a refresh, and %s to fail at a revocation, so that no repeat can be answered from memory.\n"+
		"Both turns alternate in one run. Of %d revocations %d came to the provider; the others were refused by the login's budget.\n\n"+
		"| | 99th percentile of a refresh |\n|---|---|\n| without the storm | %s |\n| during it | %s |\n\n",
		bench.StormConnections, bench.RefreshLatency, bench.RevocationLatency, m.Storm.Sent, m.Storm.Reached,
		milliseconds(m.Storm.Calm), milliseconds(m.Storm.Stormy))
}

func versions(b *strings.Builder, m measured) {
	b.WriteString("## Versions\n\n")
	for _, name := range slices.Sorted(maps.Keys(m.Machine.Versions)) {
		fmt.Fprintf(b, "- %s %s\n", name, m.Machine.Versions[name])
	}
	fmt.Fprintf(b, "- %s, %s\n", mcpUse, fastMCP)
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
