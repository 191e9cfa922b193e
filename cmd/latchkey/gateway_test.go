package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/gateway"
)

func TestMistakesInTheGateway(t *testing.T) {
	t.Parallel()
	const to = "http://127.0.0.1:3000/mcp"
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an upstream that is no URL":        {[]string{"--upstream", "localhost:3000"}, "--upstream must be an http or https URL"},
		"this server itself":                {[]string{"--upstream", "http://127.0.0.1:8080/mcp"}, "own address"},
		"this server by its public URL":     {[]string{"--upstream", "https://mcp.example.com/mcp", "--public-url", "https://mcp.example.com"}, "own address"},
		"another kind of identity":          {[]string{"--upstream", to, "--identity", "some"}, `must be one of "headers","none"`},
		"a tool of the demonstration":       {[]string{"--upstream", to, "--tool-scope", "a"}, "--tool-scope is for the demonstration"},
		"an identity without upstream":      {[]string{"--identity", "none"}, "--identity none needs --upstream"},
		"a header without upstream":         {[]string{"--upstream-header", "A: s3cret"}, "--upstream-header needs --upstream"},
		"a passed header without upstream":  {[]string{"--pass-header", "A"}, "--pass-header needs --upstream"},
		"an authority without upstream":     {[]string{"--upstream-ca-file", "a.pem"}, "--upstream-ca-file needs --upstream"},
		"a certificate without upstream":    {[]string{"--upstream-client-cert", "a.pem"}, "--upstream-client-cert needs --upstream"},
		"a key without upstream":            {[]string{"--upstream-client-key", "a.pem"}, "--upstream-client-key needs --upstream"},
		"a header without a colon":          {[]string{"--upstream", to, "--upstream-header", "s3cret"}, "NAME:VALUE"},
		"a header of a variable not set":    {[]string{"--upstream", to, "--upstream-header", "X-Api-Key: env:NOT_SET"}, "neither NOT_SET nor NOT_SET_FILE is set"},
		"a header of a file that is absent": {[]string{"--upstream", to, "--upstream-header", "X-Api-Key: env:ABSENT"}, "nowhere"},
		"a client's credentials":            {[]string{"--upstream", to, "--pass-header", "cookie"}, "--pass-header Cookie"},
		"an authority for plain http":       {[]string{"--upstream", to, "--upstream-ca-file", "a.pem"}, "with https"},
		"an authority that is absent":       {[]string{"--upstream", "https://a/", "--upstream-ca-file", "nowhere"}, "nowhere"},
		"a certificate alone":               {[]string{"--upstream", "https://a/", "--upstream-client-cert", "a.pem"}, "go together"},
		"sealing keys that are none":        {[]string{"--upstream", to}, "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := with(keycloakVariables, "ABSENT_FILE", "nowhere")
			if strings.HasPrefix(name, "sealing") {
				variables["MCP_USE_OAUTH_SEALING_KEYS_FILE"] = "nowhere"
			}
			code, stdout, stderr := command(t.Context(), variables, append([]string{"serve", "--provider", "keycloak"}, c.args...)...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "s3cret") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("got %d, %q; want %q", code, stderr, c.want)
			}
		})
	}
}

func TestMistakesInTheGatewayOfDev(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"own address": {"--upstream", "http://127.0.0.1:9400/mcp"}, "--tool-scope is for the demonstration": {"--upstream", "http://127.0.0.1:3000", "--tool-scope", "a"},
		"--pass-header needs --upstream": {"--pass-header", "X-A"},
	} {
		if code, _, stderr := command(t.Context(), nil, append([]string{"dev"}, args...)...); code != exitUsage || !strings.Contains(stderr, name) {
			t.Errorf("got %d, %q; want %q", code, stderr, name)
		}
	}
}

// Every flag of the gateway is on its page and in the help.
func TestFlagsOfTheGatewayAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	_, help, _ := command(t.Context(), nil, "serve", "--help")
	flags := regexp.MustCompile(`--(?:upstream|identity|pass)[a-z-]*`).FindAllString(help, -1)
	if len(flags) < 7 {
		t.Fatalf("only %q are in the help", flags)
	}
	for _, flag := range flags {
		if !regexp.MustCompile(regexp.QuoteMeta(flag) + `\b`).Match(page) {
			t.Errorf("docs/gateway.md does not mention %s", flag)
		}
	}
}

// serving starts serve and returns its address and what it says, and a function that stops it.
func serving(t *testing.T, lines int, args ...string) (address, said string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	errs := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"serve", "--provider", "keycloak", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080"}, args...),
			environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(with(keycloakVariables, "KEY", "s3cret"))})
	}()
	for range lines {
		said += <-errs.lines
	}
	found := regexp.MustCompile(`( with Keycloak on |"address":")([^"\n]+)`).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("the server says %q", said)
	}
	return found[2], said, func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("stopped with exit code %d", code)
		}
	}
}

func TestServeSaysWhatIsBehindIt(t *testing.T) {
	t.Parallel()
	_, said, stop := serving(t, 2)
	if stop(); !strings.Contains(said, "this is the demonstration server; --upstream URL") {
		t.Errorf("the server says %q", said)
	}
	_, said, stop = serving(t, 2, "--log-format", "json", "--upstream", "http://127.0.0.1:1/mcp?key=s3cret")
	if stop(); !strings.Contains(said, `"upstream":"http://127.0.0.1:1/mcp"`) {
		t.Errorf("the server says %q", said)
	}
}

// The demonstration's routes and tools are not there beside an upstream, and nobody reaches it
// without a token.
func TestServeIsAGateway(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the upstream was reached") }))
	t.Cleanup(upstream.Close)
	address, said, stop := serving(t, 2, "--upstream", upstream.URL+"/mcp?key=s3cret", "--upstream-header", "X-Api-Key: env:KEY")
	defer stop()
	if !strings.Contains(said, "on to "+upstream.URL+"/mcp\n") {
		t.Errorf("the server says %q", said)
	}
	for path, want := range map[string]int{
		"/mcp": http.StatusUnauthorized, "/mcp/": http.StatusUnauthorized, "/whoami": http.StatusNotFound, "/": http.StatusNotFound,
		"/mcp/x": http.StatusNotFound, "/.well-known/oauth-protected-resource/mcp": http.StatusOK, "/.well-known/x": http.StatusNotFound, "/healthz": http.StatusOK,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "127.0.0.1:8080"
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s %s", path, answer.Status, body)
		}
	}
}

func TestUpstreamHeadersComeFromVariablesAndFiles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("in-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := upstreamHeaders([]string{"X-A: env:A", "X-B:env:B", "X-C: a:b"}, lookup(map[string]string{"A": "in-a-variable", "B_FILE": file}))
	if err != nil {
		t.Fatal(err)
	}
	want := []gateway.Header{{Name: "X-A", Value: "in-a-variable"}, {Name: "X-B", Value: "in-a-file"}, {Name: "X-C", Value: "a:b"}}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %s with another value than %s", got[i].Name, want[i].Name)
		}
	}
}
