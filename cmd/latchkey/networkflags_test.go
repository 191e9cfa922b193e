package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// Flags that networks ask for are in the help of their commands and in the docs.
// covers: R6, R9, R10, R18, R20, R26
func TestNetworkFlagsAreShownAndDocumented(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	var docs strings.Builder
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		docs.Write(text)
	}
	help := map[string]string{}
	for _, name := range []string{"serve", "dev"} {
		_, help[name], _ = command(t.Context(), nil, name, "--help")
	}
	for flag, commands := range map[string]string{
		"--no-proxy-from-environment": "serve", "--ca-file": "serve", "--insecure-http-host": "serve", // dev's provider is on loopback
		"--external-prefix": "serve", "--resource-metadata-url": "serve", // dev has no public URL
		"--leeway":     "serve", // dev has one clock
		"--allow-host": "serve dev", "--allow-header": "serve dev", "--client-documents": "serve dev",
		"--client-document": "serve dev", "--client-document-host": "serve dev", "--scope-words": "serve dev",
	} {
		if !strings.Contains(docs.String(), flag) {
			t.Errorf("the docs do not mention %s", flag)
		}
		for name, text := range help {
			if has := slices.Contains(strings.FieldsFunc(text, between), flag); has != strings.Contains(commands, name) {
				t.Errorf("%s %s is in the help: %v", name, flag, has)
			}
		}
	}
}

// between reports whether a character stands between flags and what is said of them.
func between(r rune) bool { return r == '=' || unicode.IsSpace(r) }

// A development proxy in front of dev passes on its own name.
// covers: R9
func TestDevTakesFurtherHosts(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	said := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"dev", "--addr", "127.0.0.1:0", "--idp-addr", "127.0.0.1:0", "--allow-host", "localhost:5173"},
			environment{stdout: said, stderr: io.Discard, lookupEnv: lookup(nil)})
	}()
	address := regexp.MustCompile(`MCP server\s+(http://\S+)`).FindStringSubmatch(<-said.lines)
	if address == nil {
		t.Fatalf("dev says %q", said)
	}
	for host, want := range map[string]int{"localhost:5173": http.StatusUnauthorized, "localhost:5174": http.StatusForbidden} {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, address[1], http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("R9: a request for %s is answered %s", host, response.Status)
		}
	}
	stop()
	<-ended
}
