package demo_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/demo"
)

func TestDemoPlaysTheWholeFlow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := demo.Run(t.Context(), demo.Options{Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		"WWW-Authenticate: Bearer", "oauth-protected-resource/mcp", "S256", "registered as a public client", "whoami and echo",
		"alice@example.com", "the refresh token was rotated", "the signature is not the provider's", "another audience",
		"in front of a provider that registers nobody", "warns that any application on the device could be waiting",
		"PKCE towards the provider are the MCP server's own", "the one redirect URI that it knows", "the browser is led nowhere",
		"only the browser whose user consented", "All 22 steps hold.",
	} {
		if !strings.Contains(strings.ReplaceAll(out.String(), "echo and whoami", "whoami and echo"), want) {
			t.Errorf("the transcript lacks %q", want)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a transcript that is no terminal has colours")
	}
	if secret := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}|code=[A-Za-z0-9_-]{8,}|\bA[Q-Za-f][A-Za-z0-9_-]{60,}`).FindString(out.String()); secret != "" {
		t.Errorf("the transcript shows %q", secret[:8])
	}
	t.Log(out.String())
}

func TestDemoStopsWhenItIsTold(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := demo.Run(ctx, demo.Options{Out: &strings.Builder{}}); err == nil {
		t.Error("a demo that was stopped says that all holds")
	}
}
