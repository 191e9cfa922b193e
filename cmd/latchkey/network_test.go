package main

import (
	"context"
	"io"
	"maps"
	"strings"
	"testing"
)

// covers: R6, R10, R18
func TestMistakesInTheNetworkOfServe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxy string
		args  []string
		want  string
	}{
		"R6: no such file":       {"", []string{"--ca-file", "/nonexistent/ca.pem"}, "--ca-file): open /nonexistent/ca.pem"},
		"R6: a proxy of no kind": {"gopher://proxy.invalid", nil, "--no-proxy-from-environment"},
		"R18: no host": {"gopher://proxy.invalid", []string{"--no-proxy-from-environment", "--insecure-http-host", "http://kc/"},
			"must be host or host:port"},
		"R10: no header": {"", []string{"--allow-header", "X Y"}, "must be the name of a header"},
		"R18: plain http to a host that is not named": {"", []string{"--endpoint", "token=http://kc:8080/token"}, "--insecure-http-host"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := maps.Clone(googleVariables)
			variables["HTTPS_PROXY"] = c.proxy
			code, _, stderr := command(t.Context(), variables, append([]string{"serve", "--provider", "google"}, c.args...)...)
			if code != exitUsage || !strings.Contains(stderr, c.want) {
				t.Errorf("got %d, %q; want %q", code, stderr, c.want)
			}
		})
	}
}

// covers: R18
func TestServeWarnsOfPlainHTTP(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	errs := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{
			"serve", "--provider", "google", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080",
			"--endpoint", "token=http://kc.invalid:8080/token", "--insecure-http-host", "kc.invalid",
		}, environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(googleVariables)})
	}()
	warned := false
	for line := range errs.lines {
		warned = warned || strings.Contains(line, "INSECURE") && strings.Contains(line, "kc.invalid")
		if strings.Contains(line, "latchkey: serving") {
			break
		}
	}
	if !warned {
		t.Errorf("no warning: %s", errs)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("stopped with exit code %d: %s", code, errs)
	}
}
