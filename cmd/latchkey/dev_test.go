package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

// TestDevInProxyMode finds the MCP server as its own authorization server, and a provider that
// registers nobody.
func TestDevInProxyMode(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"dev", "--mode", "proxy", "--addr", "127.0.0.1:0", "--idp-addr", "127.0.0.1:0"},
			environment{stdout: out, stderr: io.Discard, lookupEnv: lookup(nil)})
	}()
	text := <-out.lines
	addresses := regexp.MustCompile(`MCP server\s+(http://\S+/mcp) \(mode proxy\)\nIdentity provider\s+(http://\S+) `).FindStringSubmatch(text)
	if addresses == nil {
		t.Fatalf("dev says %q", text)
	}
	c := &loginClient{t: t, resource: addresses[1], http: &http.Client{}}
	status, body := c.send(ctx, http.MethodGet, oauth.InsertWellKnown(c.resource, oauth.WellKnownAuthorizationServer), "", "", "")
	var metadata oauth.AuthorizationServerMetadata
	if err := json.Unmarshal([]byte(body), &metadata); err != nil || status != http.StatusOK || metadata.Issuer != c.resource {
		t.Errorf("metadata: %d %s", status, body)
	}
	if status, body = c.send(ctx, http.MethodGet, addresses[2]+"/.well-known/oauth-authorization-server", "", "", ""); status != http.StatusOK ||
		strings.Contains(body, "registration_endpoint") {
		t.Errorf("the provider says: %d %s", status, body)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("stopped with exit code %d", code)
	}
}

func TestDevKnowsTwoModes(t *testing.T) {
	t.Parallel()
	code, _, stderr := command(t.Context(), nil, "dev", "--mode", "both")
	if code != exitUsage || !strings.Contains(stderr, `--mode must be one of "direct","proxy"`) {
		t.Errorf("got %d, %q", code, stderr)
	}
}
