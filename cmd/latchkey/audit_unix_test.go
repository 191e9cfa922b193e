//go:build unix

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// SIGHUP reaches the whole process, so that this test runs alone.
func TestServeRecordsItsDecisions(t *testing.T) { //nolint:paralleltest // see above
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	file := filepath.Join(t.TempDir(), "audit.log")
	errs := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{
			"serve", "--provider", "keycloak", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080",
			"--endpoint", "jwks=http://127.0.0.1:1/keys?secret=hush-hush", "--audit", file, "--audit-fsync", "--audit-fail-closed",
		}, environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(keycloakVariables)})
	}()
	_, addr, found := strings.Cut(strings.TrimSpace(<-errs.lines), " with Keycloak on ")
	if !found {
		t.Fatalf("the server says %s", errs)
	}
	ask := func(host string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/mcp?access_token=hush-hush", strings.NewReader("hush-hush"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	ask("127.0.0.1:8080")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(errs.String(), "opened again") {
		<-errs.lines
	}
	ask("attacker.example")
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("stopped with exit code %d: %s", code, errs)
	}
	got := map[string][]string{}
	for _, name := range []string{file + ".1", file} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "hush-hush") {
			t.Errorf("a record holds a secret: %s", text)
		}
		for line := range strings.Lines(string(text)) {
			var r struct {
				Event, Reason string
				Configuration map[string]string
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			got[name] = append(got[name], strings.TrimSpace(r.Event+" "+r.Reason+" "+r.Configuration["flags"]))
		}
	}
	before := got[file+".1"]
	if len(before) != 2 || before[1] != "request_refused missing_credentials" || !strings.HasPrefix(before[0], "server_started") ||
		!strings.Contains(before[0], "audit-fail-closed") {
		t.Errorf("before the rotation, recorded are %q", before)
	}
	if want := []string{"request_refused foreign_origin", "server_stopped"}; !slices.Equal(got[file], want) {
		t.Errorf("after the rotation, recorded are %q, want %q", got[file], want)
	}
}

func TestMistakesInTheAuditOfServe(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"need --audit":          {"--audit-fail-closed"},
		"needs a file":          {"--audit", "-", "--audit-fsync"},
		"MCP_USE_OAUTH_LOG_KEY": {"--audit", "-", "--audit-person", "hash"},
		"no such file":          {"--audit", filepath.Join(t.TempDir(), "none", "audit.log")},
	} {
		code, _, stderr := command(t.Context(), keycloakVariables, append([]string{"serve", "--provider", "keycloak", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080"}, args...)...)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
}
