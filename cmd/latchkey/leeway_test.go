package main

import (
	"context"
	"io"
	"strings"
	"testing"
)

// covers: R20
func TestTheLeewayOfServe(t *testing.T) {
	t.Parallel()
	for leeway, want := range map[string]string{
		"11m": "must be between 0 and 10m", "-1s": "must be between 0 and 10m", "soon": "--leeway", "90": "--leeway",
	} {
		code, _, stderr := command(t.Context(), googleVariables, "serve", "--provider", "google", "--leeway="+leeway)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: got %d, %q; want %q", leeway, code, stderr, want)
		}
	}
	for _, leeway := range []string{"90s", "0s", "10m"} {
		ctx, stop := context.WithCancel(t.Context())
		errs := newOutput()
		ended := make(chan int, 1)
		go func() {
			ended <- run(ctx, []string{
				"serve", "--provider", "google", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080", "--leeway", leeway,
			}, environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(googleVariables)})
		}()
		for line := range errs.lines {
			if strings.Contains(line, "latchkey: serving") {
				break
			}
		}
		stop()
		if code := <-ended; code != exitOK {
			t.Errorf("%s: stopped with exit code %d: %s", leeway, code, errs)
		}
	}
}
