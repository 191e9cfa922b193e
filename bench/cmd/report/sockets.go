package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
	"github.com/latchkey-auth/latchkey/bench/load"
	"github.com/latchkey-auth/latchkey/internal/jose"
)

// connections is how many requests are under way at once.
const connections = 16

// scenario is a server with the requests that it gets.
type scenario struct {
	Name      string
	process   *process
	requests  [][]byte
	anonymous bool // nobody is named

	// PerSecond are requests per second, CPU microseconds of processor time of the server per
	// request, one value per run.
	PerSecond bench.Series
	CPU       bench.Series
	// Share is PerSecond over that of the first scenario, which has a turn of its own before each.
	Share bench.Series
	// P50, P99 and P999 are latencies in microseconds at a fixed rate.
	P50, P99, P999 float64
}

// sockets starts all servers, measures them by turns and returns the scenarios: those of the route,
// then those of the tool.
func sockets(ctx context.Context, o settings) (route, tool []*scenario, notes []string, err error) {
	world, err := bench.NewWorld(jose.RS256)
	if err != nil {
		return nil, nil, nil, err
	}
	defer world.Close()
	tokens, err := world.Tokens(256)
	if err != nil {
		return nil, nil, nil, err
	}
	binary := filepath.Join(o.cache, "target")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/target")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, nil, nil, fmt.Errorf("build the target: %w: %s", err, out)
	}
	processes := map[string]*process{}
	defer func() {
		for _, p := range processes {
			p.stop()
		}
	}()
	for _, name := range []string{
		bench.Unguarded, bench.Latchkey, bench.LatchkeyFresh, bench.EchoJWT, bench.GoSDK, bench.Auth0, bench.MCP, bench.MCPUnguarded,
	} {
		if processes[name], err = startTarget(ctx, binary, name, world.JWKSURL); err != nil {
			delete(processes, name)
			return nil, nil, nil, err
		}
	}
	for name, start := range map[string]func() (*process, error){
		mcpUse:  func() (*process, error) { return startMCPUse(ctx, o, world.JWKSURL) },
		fastMCP: func() (*process, error) { return startFastMCP(ctx, o, world.JWKSURL) },
	} {
		p, err := start()
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s was not measured: %v", name, err))
			continue
		}
		processes[name] = p
	}
	add := func(list *[]*scenario, name, server string, requests func(addr string, tokens []string) [][]byte, tokens []string) {
		if p := processes[server]; p != nil {
			*list = append(*list, &scenario{Name: name, process: p, requests: requests(p.addr, tokens)})
		}
	}
	add(&route, "unguarded", bench.Unguarded, whoami, tokens[:1])
	add(&route, "latchkey, one token", bench.Latchkey, whoami, tokens[:1])
	add(&route, "latchkey, 256 tokens", bench.Latchkey, whoami, tokens)
	add(&route, "latchkey, first-seen tokens", bench.LatchkeyFresh, whoami, tokens)
	add(&route, "echo-jwt + keyfunc", bench.EchoJWT, whoami, tokens)
	add(&route, "Go SDK's RequireBearerToken + go-oidc", bench.GoSDK, whoami, tokens)
	add(&route, "auth0 go-jwt-middleware", bench.Auth0, whoami, tokens)
	add(&route, mcpUse, mcpUse, whoami, tokens)
	add(&tool, "Go SDK, unguarded", bench.MCPUnguarded, toolsCall, tokens[:1])
	add(&tool, "Go SDK + latchkey", bench.MCP, toolsCall, tokens)
	add(&tool, mcpUse, mcpUse, toolsCall, tokens)
	add(&tool, fastMCP, fastMCP, toolsCall, tokens)
	tool[0].anonymous = true
	for _, list := range [][]*scenario{route, tool} {
		if err := drive(ctx, o, list); err != nil {
			return nil, nil, nil, err
		}
	}
	return route, tool, notes, nil
}

const (
	mcpUse  = "mcp-use 1.34.6"
	fastMCP = "FastMCP 4.1.2"
)

func startMCPUse(ctx context.Context, o settings, jwks string) (*process, error) {
	dir := filepath.Join(o.cache, "mcp-use")
	err := install(ctx, "incumbents/mcp-use", dir, []string{"npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"})
	if err != nil {
		return nil, err
	}
	return startIncumbent(ctx, mcpUse, jwks, dir, "node", "server.mjs")
}

func startFastMCP(ctx context.Context, o settings, jwks string) (*process, error) {
	dir := filepath.Join(o.cache, "fastmcp")
	err := install(ctx, "incumbents/fastmcp", dir,
		[]string{"python3", "-m", "venv", "venv"}, []string{"venv/bin/pip", "install", "-q", "-r", "requirements.txt"})
	if err != nil {
		return nil, err
	}
	return startIncumbent(ctx, fastMCP, jwks, dir, "venv/bin/python", "server.py")
}

// drive measures the scenarios by turns, then each one's latency at a third of what it can do.
func drive(ctx context.Context, o settings, list []*scenario) error {
	for _, s := range list {
		body, err := load.Once(ctx, s.process.addr, s.requests[0])
		if err != nil || !strings.Contains(body, bench.Subject) && !s.anonymous {
			return fmt.Errorf("%s does not name the caller: %q, %w", s.Name, body, err)
		}
		if _, err := load.Closed(ctx, s.process.addr, s.requests, connections, o.socketRun); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	for range o.runs {
		if err := driveOnce(ctx, o, list); err != nil {
			return err
		}
	}
	for _, s := range list {
		rate := max(10, int(s.PerSecond.Median()/3))
		outcome, err := load.Open(ctx, s.process.addr, s.requests, connections, rate, 2*time.Second)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		s.P50, s.P99, s.P999 = micros(outcome.Quantile(.5)), micros(outcome.Quantile(.99)), micros(outcome.Quantile(.999))
	}
	return nil
}

// turns is how often each scenario has its turn within a run. The median of the turns counts.
const turns = 5

// driveOnce gives the scenarios their turns. The first one has a turn before each of the others, so
// that what the machine does beside, which changes by the second, is the same for both.
func driveOnce(ctx context.Context, o settings, list []*scenario) error {
	perSecond, shares := make([]bench.Series, len(list)), make([]bench.Series, len(list))
	requests, cpu := make([]int, len(list)), make([]time.Duration, len(list))
	turn := func(i int) (float64, error) {
		s := list[i]
		before := s.process.cpu()
		outcome, err := load.Closed(ctx, s.process.addr, s.requests, connections, o.socketRun/turns)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", s.Name, err)
		}
		cpu[i] += s.process.cpu() - before
		requests[i] += outcome.Requests
		perSecond[i] = append(perSecond[i], outcome.PerSecond())
		return outcome.PerSecond(), nil
	}
	for range turns {
		for i := range list[1:] {
			first, err := turn(0)
			if err != nil {
				return err
			}
			other, err := turn(i + 1)
			if err != nil {
				return err
			}
			shares[i+1] = append(shares[i+1], other/first)
		}
	}
	shares[0] = bench.Series{1}
	for i, s := range list {
		s.PerSecond = append(s.PerSecond, perSecond[i].Median())
		s.Share = append(s.Share, shares[i].Median())
		s.CPU = append(s.CPU, micros(cpu[i])/float64(requests[i]))
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func whoami(addr string, tokens []string) [][]byte {
	requests := make([][]byte, len(tokens))
	for i, token := range tokens {
		requests[i] = fmt.Appendf(nil, "GET /mcp/whoami HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", addr, token)
	}
	return requests
}

func toolsCall(addr string, tokens []string) [][]byte {
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
	requests := make([][]byte, len(tokens))
	for i, token := range tokens {
		requests[i] = fmt.Appendf(nil, "POST /mcp HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
			"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\nContent-Length: %d\r\n\r\n%s",
			addr, token, len(body), body)
	}
	return requests
}
