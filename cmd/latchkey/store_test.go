package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redistest"
)

// proxyVariables configure a provider in proxy mode.
func proxyVariables() map[string]string {
	return map[string]string{
		"MCP_USE_OAUTH_GITHUB_CLIENT_ID": "client", "MCP_USE_OAUTH_GITHUB_CLIENT_SECRET": "test-secret-0123456789-0123456789-0123456789",
	}
}

func TestMistakesInTheStoreOfServe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		provider string
		more     map[string]string
		args     []string
		want     string
	}{
		"a URL of something else":    {"github", nil, []string{"--store", "postgres://ada:secret@db"}, "--store: the store's URL must be redis://"},
		"a variable with a mistake":  {"github", map[string]string{storeVariable: "redis://:secret@"}, nil, storeVariable + ": the store's URL"},
		"a file that is not there":   {"github", map[string]string{storeVariable + "_FILE": "/nowhere/url"}, nil, storeVariable + "_FILE"},
		"the URL in two places":      {"github", map[string]string{storeVariable: "redis://a", storeVariable + "_FILE": "/nowhere/url"}, nil, "both set"},
		"no time to wait":            {"github", nil, []string{"--store", "redis://a", "--store-wait", "0s"}, "--store-wait"},
		"a negative grace":           {"github", nil, []string{"--store", "redis://a", "--store-grace", "-1s"}, "--store-grace"},
		"nothing to keep in a store": {"auth0", map[string]string{"MCP_USE_OAUTH_AUTH0_DOMAIN": "a.example.com", "MCP_USE_OAUTH_AUTH0_AUDIENCE": "https://mcp.example.com/mcp"}, []string{"--store", "redis://a"}, "proxy mode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := proxyVariables()
			for name, value := range c.more {
				variables[name] = value
			}
			code, _, stderr := command(t.Context(), variables, append([]string{"serve", "--provider", c.provider}, c.args...)...)
			if code != exitUsage || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "secret") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
		})
	}
}

// serveWithStore runs a server on a port of its own.
func serveWithStore(ctx context.Context, t *testing.T, url string, args ...string) (origin string, errs *output, ended <-chan int) {
	t.Helper()
	addr := "127.0.0.1:" + strconv.Itoa(redistest.FreePort(t))
	variables := proxyVariables()
	variables[storeVariable] = url
	errs = newOutput()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"serve", "--provider", "github", "--addr", addr, "--endpoint", "userinfo=http://127.0.0.1:1/user"}, args...), environment{stdout: newOutput(), stderr: errs, lookupEnv: lookup(variables)})
	}()
	return "http://" + addr, errs, code
}

// ready returns what /readyz says.
func ready(t *testing.T, origin string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/readyz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	text := make([]byte, 4<<10)
	n, _ := response.Body.Read(text)
	return string(text[:n])
}

const storeNotReady = `"store":{"ready":false`

// A server whose store is away is there, not ready, and waits.
// covers: T-STO-04
func TestServeWaitsForItsStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	origin, errs, ended := serveWithStore(ctx, t, server.URL(), "--store-grace", "0s")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(errs)
		}
	})
	redistest.Eventually(t, "it says that it waits", 20*time.Second, func() bool {
		body := ready(t, origin)
		return strings.Contains(body, storeNotReady) && strings.Contains(errs.String(), "waiting for the store")
	})
	server.Run()
	redistest.Eventually(t, "the store is there", 20*time.Second, func() bool {
		body := ready(t, origin)
		return strings.Contains(body, `"store":{"ready":true`)
	})
	server.Kill()
	redistest.Eventually(t, "it is not ready without it", 20*time.Second, func() bool {
		body := ready(t, origin)
		return strings.Contains(body, storeNotReady) && strings.Contains(errs.String(), "the store is away")
	})
	server.Run()
	redistest.Eventually(t, "it recovers", 20*time.Second, func() bool {
		body := ready(t, origin)
		return strings.Contains(body, `"store":{"ready":true`) && strings.Contains(errs.String(), "the store is back")
	})
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// covers: T-STO-04
func TestServeEndsWithoutItsStore(t *testing.T) {
	t.Parallel()
	away := redistest.Start(t)
	away.Kill()
	for name, c := range map[string]struct {
		url, want string
		wait      string
	}{
		"it stays away":     {away.URL(), away.Address(), "1s"},
		"it evicts entries": {redistest.Start(t, "--maxmemory-policy", "allkeys-lfu").URL(), "allkeys-lfu", "60s"},
		"it wants a login":  {redistest.Start(t, "--requirepass", "right").URL(), "refuses the login", "60s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, errs, ended := serveWithStore(t.Context(), t, c.url, "--store-wait", c.wait)
			if code := <-ended; code != exitFailure || !strings.Contains(errs.String(), c.want) || time.Since(began) > 30*time.Second {
				t.Errorf("exit code %d after %v: %s", code, time.Since(began), errs)
			}
		})
	}
}
