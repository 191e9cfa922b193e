package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// The traffic of a rolling restart: requests for each way in, and how often readiness is looked at.
const (
	requestsPerSecond = 200
	readinessInterval = 250 * time.Millisecond
	drain             = "1500ms"
)

// TestARollingRestartLosesNothing restarts two replicas one after the other while 200 requests a
// second come through a real nginx, with the configuration of docs/production.md, and as many by a
// client that takes turns between the replicas that are ready and repeats nothing.
// covers: T-OPS-05
func TestARollingRestartLosesNothing(t *testing.T) {
	t.Parallel()
	nginx := needed(t, "E2E_NGINX", "nginx is not installed")
	ctx := testContext(t)
	s := newSite(ctx, t, betterAuthScope, func(resource string) harness.Server { return newBetterAuth(ctx, t, "", resource) })
	tokens := s.tokens(ctx, t, 4)
	dir := logDir(t)
	pair := &rollingPair{site: s, dir: dir, addresses: []string{
		fmt.Sprintf("127.0.0.1:%d", port(ctx, t)), fmt.Sprintf("127.0.0.1:%d", port(ctx, t)),
	}}
	for i := range pair.addresses {
		pair.processes = append(pair.processes, pair.start(ctx, t, i))
	}
	front := strings.TrimPrefix(s.resource.Origin(), "http://")
	proxy, err := harness.StartNginx(ctx, nginx, dir, rollingConfig(t, front, pair.addresses), front)
	must(t, err)
	t.Cleanup(proxy.Stop)

	stop := make(chan struct{})
	var traffic sync.WaitGroup
	throughNginx, inTurns := &flow{}, &flow{}
	traffic.Go(func() { throughNginx.run(ctx, stop, tokens, func(int) string { return s.resource.MCPURL() }) })
	ready := pair.watch(ctx, t)
	traffic.Go(func() { inTurns.run(ctx, stop, tokens, ready.at) })
	for i := range pair.addresses {
		must(t, pair.processes[i].Signal(syscall.SIGTERM))
		must(t, pair.processes[i].Wait(ctx))
		if err := pair.processes[i].ExitError(); err != nil {
			t.Errorf("replica %d ended with %v, want status 0", i+1, err)
		}
		pair.processes[i] = pair.start(ctx, t, i)
		must(t, harness.Until(ctx, func() bool { return ready.sees(i) }))
	}
	close(stop)
	traffic.Wait()
	for name, f := range map[string]*flow{"nginx": throughNginx, "a client that takes turns": inTurns} {
		t.Logf("%d requests by %s", f.sent.Load(), name)
		if failed := f.failed(); len(failed) > 0 || f.sent.Load() < 2*requestsPerSecond {
			t.Errorf("of %d requests by %s failed %d: %v", f.sent.Load(), name, len(failed), failed[:min(len(failed), 5)])
		}
	}
}

// rollingConfig is the configuration of docs/production.md with the addresses of the test.
func rollingConfig(t *testing.T, front string, replicas []string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(filepath.Dir(suite.root), "docs", "production.md"))
	must(t, err)
	found := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatal("docs/production.md shows no configuration of nginx")
	}
	return strings.NewReplacer("listen 8080", "listen "+front, "10.0.0.1:8080", replicas[0], "10.0.0.2:8080", replicas[1]).
		Replace(string(found[1]))
}

// rollingPair is two processes of one resource.
type rollingPair struct {
	site      *site
	dir       string
	addresses []string
	processes []*harness.Process
}

func (p *rollingPair) start(ctx context.Context, t *testing.T, i int) *harness.Process {
	t.Helper()
	process, err := harness.Start(ctx, harness.Command{
		Name: fmt.Sprintf("serve-%d", i+1), LogDir: p.dir, Path: suite.binary, Env: p.site.resource.Server.Environment(),
		Args: append(p.site.resource.Server.Command(p.addresses[i]), "--public-url", p.site.resource.Origin(), "--drain", drain),
	})
	must(t, err)
	t.Cleanup(process.Stop)
	must(t, process.WaitReady(ctx, "http://"+p.addresses[i]+"/readyz"))
	return process
}

// turns are the replicas that were ready when they were last looked at.
type turns struct {
	addresses []string
	ready     []atomic.Bool
}

func (t *turns) sees(i int) bool { return t.ready[i].Load() }

// at returns the address of the n-th request.
func (t *turns) at(n int) string {
	for k := range t.addresses {
		if i := (n + k) % len(t.addresses); t.sees(i) {
			return "http://" + t.addresses[i] + "/mcp"
		}
	}
	return "http://" + t.addresses[0] + "/mcp"
}

// watch looks at the readiness of both all the time, as load balancers do.
func (p *rollingPair) watch(ctx context.Context, t *testing.T) *turns {
	t.Helper()
	seen := &turns{addresses: p.addresses, ready: make([]atomic.Bool, len(p.addresses))}
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	look := func() {
		for i, address := range p.addresses {
			seen.ready[i].Store(statusOf(ctx, http.MethodGet, "http://"+address+"/readyz", "", "") == http.StatusOK)
		}
	}
	look()
	go func() {
		for tick := time.NewTicker(readinessInterval); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				look()
			}
		}
	}()
	return seen
}

// flow is a stream of requests.
type flow struct {
	sent     atomic.Int64
	mu       sync.Mutex
	failures []string
}

func (f *flow) failed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures
}

// run sends requests until stop is closed, and returns when the last was answered.
func (f *flow) run(ctx context.Context, stop <-chan struct{}, tokens []string, target func(n int) string) {
	var open sync.WaitGroup
	defer open.Wait()
	tick := time.NewTicker(time.Second / requestsPerSecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		address, token := target(n), tokens[n%len(tokens)]
		open.Go(func() {
			f.sent.Add(1)
			if status := statusOf(ctx, http.MethodPost, address, token, pingBody); status != http.StatusOK {
				f.mu.Lock()
				f.failures = append(f.failures, fmt.Sprintf("%d at %s", status, address))
				f.mu.Unlock()
			}
		})
	}
}

// statusOf is the status of an answer, 0 without one.
func statusOf(ctx context.Context, method, address, token, body string) int {
	request, err := authorized(ctx, method, address, token, body)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}
