package main

import (
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redistest"
)

// A new key is one that a server takes, and another each time.
func TestANewSealingKeyIsOneThatServersTake(t *testing.T) {
	t.Parallel()
	_, first, _ := command(t.Context(), nil, "keys", "new")
	code, second, stderr := command(t.Context(), nil, "keys", "new")
	if code != exitOK || stderr != "" || first == second || !strings.HasSuffix(first, "=\n") || strings.Count(first, "\n") != 1 {
		t.Fatalf("exit code %d, %d and %d characters: %s", code, len(first), len(second), stderr)
	}
	away := redistest.Start(t)
	away.Kill()
	for key, want := range map[string]int{strings.TrimSpace(second) + "," + strings.TrimSpace(first): exitFailure, second[1:]: exitUsage} {
		variables := proxyVariables()
		variables["MCP_USE_OAUTH_SEALING_KEYS"] = key
		variables[storeVariable] = away.URL() // which ends a server that would start
		code, _, stderr := command(t.Context(), variables, "serve", "--provider", "github", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:1",
			"--endpoint", "userinfo=http://127.0.0.1:1/user", "--store-wait", time.Millisecond.String())
		if code != want {
			t.Errorf("exit code %d, want %d: %s", code, want, stderr)
		}
	}
}
