package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/all"
)

// output collects what a command prints while it runs.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	lines  chan string // every complete write
}

func newOutput() *output { return &output{lines: make(chan string, 100)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.lines <- string(p):
	default:
	}
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

func command(ctx context.Context, variables map[string]string, args ...string) (code int, stdout, stderr string) {
	out, errs := newOutput(), newOutput()
	code = run(ctx, args, environment{stdout: out, stderr: errs, lookupEnv: lookup(variables)})
	return code, out.String(), errs.String()
}

func lookup(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := variables[name]
		return v, ok
	}
}

// with returns variables with others besides, as pairs of name and value.
func with(variables map[string]string, further ...string) map[string]string {
	all := maps.Clone(variables)
	for i := 0; i < len(further); i += 2 {
		all[further[i]] = further[i+1]
	}
	return all
}

var keycloakVariables = map[string]string{
	"MCP_USE_OAUTH_KEYCLOAK_SERVER_URL": "http://127.0.0.1:1", "MCP_USE_OAUTH_KEYCLOAK_REALM": "mcp",
}

func TestMistakesAreOneLineAndExitCode2(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"an unknown flag":         {args: []string{"serve", "--nope"}, want: "unknown flag --nope"},
		"an unknown command":      {args: []string{"nope"}, want: "unexpected argument nope"},
		"no command":              {want: "expected one of"},
		"no provider":             {args: []string{"serve"}, want: "--provider"},
		"an unknown provider":     {args: []string{"serve", "--provider", "nope"}, want: `no provider "nope"; built in are `},
		"missing variables":       {args: []string{"serve", "--provider", "keycloak"}, want: "Set MCP_USE_OAUTH_KEYCLOAK_SERVER_URL environment variable"},
		"the custom provider":     {args: []string{"serve", "--provider", "custom"}, want: "use package providers_gen/custom in a program of your own"},
		"a taken port":            {args: []string{"serve", "--provider", "keycloak", "--addr", taken.Addr().String()}, env: keycloakVariables, want: "choose another --addr"},
		"no public URL":           {args: []string{"serve", "--provider", "keycloak", "--addr", "0.0.0.0:8080"}, env: keycloakVariables, want: "--public-url is needed"},
		"a public URL by http":    {args: []string{"serve", "--provider", "keycloak", "--public-url", "http://mcp.example.com"}, env: keycloakVariables, want: "must use https"},
		"an address without port": {args: []string{"serve", "--provider", "keycloak", "--addr", "localhost"}, env: keycloakVariables, want: "must be host:port"},
		"R9: a public URL with a path": {
			args: []string{"serve", "--provider", "keycloak", "--public-url", "https://mcp.example.com/api"}, env: keycloakVariables, want: "--external-prefix",
		},
		"R9: a prefix that is none": {
			args: []string{"serve", "--provider", "keycloak", "--external-prefix", "/api/"}, env: keycloakVariables, want: "without a slash at its end",
		},
		"R9: metadata that is no URL": {
			args: []string{"serve", "--provider", "keycloak", "--resource-metadata-url", "/metadata"}, env: keycloakVariables, want: "must be an absolute URL",
		},
		"a bad path":                {args: []string{"serve", "--provider", "keycloak", "--path", "mcp"}, env: keycloakVariables, want: "must name the MCP endpoint, with a slash in front"},
		"a bad origin":              {args: []string{"serve", "--provider", "keycloak", "--origin", "app.example.com"}, env: keycloakVariables, want: "allowed origin"},
		"a relay's option alone":    {args: []string{"serve", "--provider", "keycloak", "--relay-allow-loopback"}, env: keycloakVariables, want: "need --relay"},
		"a bad relay path":          {args: []string{"serve", "--provider", "keycloak", "--relay", "oauth"}, env: keycloakVariables, want: "BasePath"},
		"a header without a proxy":  {args: []string{"serve", "--provider", "keycloak", "--client-ip-header", "X-Real-IP"}, env: keycloakVariables, want: "needs --trusted-proxy"},
		"a proxy that is everybody": {args: []string{"serve", "--provider", "keycloak", "--trusted-proxy", "0.0.0.0/0"}, env: keycloakVariables, want: "every client could write the header"},
		"a scheme in direct mode":   {args: []string{"serve", "--provider", "keycloak", "--custom-scheme", "cursor"}, env: keycloakVariables, want: "for providers in proxy mode"},
		"R26: documents in direct mode": {
			args: []string{"serve", "--provider", "keycloak", "--client-document-host", "claude.ai"}, env: keycloakVariables, want: "for proxy mode",
		},
		"R26: another policy of documents": {
			args: []string{"serve", "--provider", "google", "--client-documents", "some"}, env: googleVariables, want: `must be one of "off","pinned","proxy","open"`,
		},
		"R26: a proxy without hosts": {
			args: []string{"serve", "--provider", "google", "--client-documents", "proxy"}, env: googleVariables, want: "needs the hosts",
		},
		"R26: a document without its file": {
			args: []string{"serve", "--provider", "google", "--client-document", "https://a.example/c.json=/nowhere.json"}, env: googleVariables, want: "/nowhere.json",
		},
		"R26: a document that is no pair": {
			args: []string{"serve", "--provider", "google", "--client-document", "c.json"}, env: googleVariables, want: "must be URL=FILE",
		},
		"R26: pinned documents in dev's direct mode": {args: []string{"dev", "--client-documents", "pinned"}, want: "must be off or open"},
		"D20: words in direct mode":                  {args: []string{"serve", "--provider", "keycloak", "--scope-words", "a=B"}, env: keycloakVariables, want: "for mode proxy"},
		"D20: words for dev in direct mode":          {args: []string{"dev", "--scope-words", "a=B"}, want: "for mode proxy"},
		"D20: words for no scope":                    {args: []string{"serve", "--provider", "google", "--scope-words", "=Change your files"}, env: googleVariables, want: "NAME=WORDS"},
		"D20: a scope without words":                 {args: []string{"serve", "--provider", "google", "--scope-words", "files:write= "}, env: googleVariables, want: "NAME=WORDS"},
		"D20: words for a scope twice":               {args: []string{"serve", "--provider", "google", "--scope-words", "a=B", "--scope-words", "a=C"}, env: googleVariables, want: "words for a twice"},
		"a scheme that is none":                      {args: []string{"serve", "--provider", "google", "--custom-scheme", "cursor://"}, env: googleVariables, want: "cursor://"},
		"a web site's scheme":                        {args: []string{"serve", "--provider", "google", "--custom-scheme", "https"}, env: googleVariables, want: "https"},
		"dev not on loopback":                        {args: []string{"dev", "--addr", "0.0.0.0:0"}, want: "must be on loopback"},
		"dev on a taken port":                        {args: []string{"dev", "--addr", taken.Addr().String(), "--idp-addr", "127.0.0.1:0"}, want: "choose another address"},
		"a certificate without key":                  {args: []string{"serve", "--provider", "keycloak", "--tls-cert", "c.pem"}, env: keycloakVariables, want: "--tls-cert and --tls-key go together"},
		"a certificate that is none":                 {args: []string{"serve", "--provider", "keycloak", "--tls-cert", "main.go", "--tls-key", "main.go"}, env: keycloakVariables, want: "cannot be used"},
		"a negative drain":                           {args: []string{"serve", "--provider", "keycloak", "--drain=-1s"}, env: keycloakVariables, want: "--drain must not be negative"},
		"a secret twice":                             {args: []string{"serve", "--provider", "google"}, env: with(googleVariables, "MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET_FILE", "main.go"), want: "are both set: keep one"},
		"a secret's file that is not there":          {args: []string{"serve", "--provider", "google"}, env: with(googleVariables, "MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET", "", "MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET_FILE", "nowhere"), want: "nowhere"},
		"sealing keys' file that is not there":       {args: []string{"serve", "--provider", "google"}, env: with(googleVariables, "MCP_USE_OAUTH_SEALING_KEYS_FILE", "nowhere"), want: "nowhere"},
		"an unknown provider's page":                 {args: []string{"providers", "nope"}, want: `no provider "nope"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := command(t.Context(), c.env, c.args...)
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("got %d, stdout %q, stderr %q; want %q", code, stdout, stderr, c.want)
			}
			if strings.Count(stderr, "\n") != 1 {
				t.Errorf("more than one line: %q", stderr)
			}
		})
	}
}

// covers: R7, R8, R9
func TestServePrintsWhatItSends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args     []string
		resource string
		redirect string
	}{
		"R7: another spelling of the host": {nil, "https://mcp.example.com/mcp", "https://mcp.example.com/mcp/oauth/callback"},
		"R8: a slash at the end": {
			[]string{"--path", "/mcp/"}, "https://mcp.example.com/mcp/", "https://mcp.example.com/mcp/oauth/callback",
		},
		"R9: a prefix": {
			[]string{"--external-prefix", "/api"}, "https://mcp.example.com/api/mcp", "https://mcp.example.com/api/mcp/oauth/callback",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			errs := newOutput()
			ended := make(chan int, 1)
			go func() {
				ended <- run(ctx, append([]string{
					"serve", "--provider", "google", "--addr", "127.0.0.1:0", "--public-url", "HTTPS://MCP.Example.com:443",
				}, c.args...), environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(googleVariables)})
			}()
			if line := <-errs.lines; !strings.Contains(line, "serving "+c.resource+" with ") {
				t.Errorf("the server says %q", line)
			}
			if line := <-errs.lines; !strings.HasSuffix(line, "is "+c.redirect+"\n") {
				t.Errorf("the server says %q", line)
			}
			stop()
			<-ended
		})
	}
}

// covers: T-OPS-05
func TestServeAnswersAndDrains(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	errs := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--provider", "keycloak", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080"},
			environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(keycloakVariables)})
	}()
	line := <-errs.lines
	addr := regexp.MustCompile(`serving http://127\.0\.0\.1:8080/mcp with Keycloak on (\S+)\n`).FindStringSubmatch(line)
	if addr == nil {
		t.Fatalf("the server says %q", line)
	}
	get := func(path string) (int, string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr[1]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "127.0.0.1:8080"
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		return response.StatusCode, string(body)
	}
	if status, body := get("/healthz"); status != 200 || body != "ok" {
		t.Errorf("health: %d %s", status, body)
	}
	if status, body := get("/readyz"); status != 503 || !strings.Contains(body, `"parts":{"provider":{"ready":false,`) {
		t.Errorf("readiness while nobody answers for the provider: %d %s", status, body)
	}
	if status, body := get("/mcp"); status != 401 || !strings.Contains(body, "Missing Authorization header") {
		t.Errorf("without a token: %d %s", status, body)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("stopped with exit code %d: %s", code, errs)
	}
}

func TestEveryLineOnStandardErrorIsAnObjectWhenAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		variables map[string]string
		args      []string
		code      int
		want      []string // of the members of a line
	}{
		"serving":           {variables: googleVariables, args: []string{"--provider", "google"}, code: exitOK, want: []string{"serving", "redirect_uri", "http://127.0.0.1:8080/mcp/oauth/callback"}},
		"a missing value":   {args: []string{"--provider", "google"}, code: exitUsage, want: []string{"MCP_USE_OAUTH_GOOGLE_CLIENT_ID"}},
		"a flag's mistake":  {args: []string{"--provider", "google", "--nope"}, code: exitUsage, want: []string{"unknown flag --nope"}},
		"hashing with none": {variables: keycloakVariables, args: []string{"--provider", "keycloak", "--log-subjects", "hash"}, code: exitUsage, want: []string{"MCP_USE_OAUTH_LOG_KEY"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			errs := newOutput()
			ended := make(chan int, 1)
			go func() {
				args := append([]string{"serve", "--log-format", "json", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080"}, c.args...)
				ended <- run(ctx, args, environment{stdout: io.Discard, stderr: errs, lookupEnv: lookup(c.variables)})
			}()
			<-errs.lines
			for c.code == exitOK && !strings.Contains(errs.String(), "redirect_uri") {
				<-errs.lines
			}
			stop()
			if code := <-ended; code != c.code {
				t.Errorf("exit code %d", code)
			}
			for _, line := range strings.Split(strings.TrimSpace(errs.String()), "\n") {
				var members map[string]any
				if err := json.Unmarshal([]byte(line), &members); err != nil || members["time"] == nil || members["level"] == nil || members["msg"] == nil {
					t.Errorf("no object of the log: %s (%v)", line, err)
				}
			}
			for _, want := range c.want {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("no line has %q: %s", want, errs)
				}
			}
		})
	}
}

func TestDevSaysWhatToPaste(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := newOutput()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"dev", "--addr", "127.0.0.1:0", "--idp-addr", "127.0.0.1:0"},
			environment{stdout: out, stderr: io.Discard, lookupEnv: lookup(nil)})
	}()
	text := <-out.lines
	if !regexp.MustCompile(`"url": "http://127\.0\.0\.1:\d+/mcp"`).MatchString(text) || !strings.Contains(text, "development only") {
		t.Errorf("dev says %q", text)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("stopped with exit code %d", code)
	}
}

func TestProvidersAreListedAndShown(t *testing.T) {
	t.Parallel()
	code, page, _ := command(t.Context(), nil, "providers", "keycloak")
	for _, want := range []string{"Keycloak (keycloak), mode direct", "required", "{serverUrl}/realms/{realm}", "Set-up at the provider"} {
		if code != exitOK || !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
}

// TestProvidersAreListedByMode says that each provider is listed once, with its title, under its
// mode, and that a group fits a screen of 24 lines by 80 columns.
func TestProvidersAreListedByMode(t *testing.T) {
	t.Parallel()
	code, list, _ := command(t.Context(), nil, "providers")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	groups := map[string]string{}
	for group := range strings.SplitSeq(list, "\n\n") {
		title, members, _ := strings.Cut(group, "\n")
		groups[strings.Fields(title)[0]] = members
		if lines := strings.Count(group, "\n") + 1; lines > 24 {
			t.Errorf("%q has %d lines", title, lines)
		}
		for line := range strings.Lines(group) {
			if width := len([]rune(strings.TrimRight(line, "\n"))); width > 80 {
				t.Errorf("%d columns: %s", width, line)
			}
		}
	}
	for _, p := range all.Providers() {
		want := map[oauth.Mode]string{oauth.Direct: "Direct:", oauth.Proxy: "Proxy:", "": "Either:"}[p.Mode]
		if p.New == nil {
			want = "In"
		}
		// A long title is cut.
		entry := regexp.MustCompile(`(?m)(^|  )` + p.Name + ` +` + regexp.QuoteMeta(p.Title[:min(len(p.Title), 12)]))
		for group, members := range groups {
			if got := len(entry.FindAllString(members, -1)); got != map[bool]int{true: 1}[group == want] {
				t.Errorf("%s is %d times under %q, want it under %q:\n%s", p.Name, got, group, want, members)
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"help"}, {"serve", "--help"}, {"help", "serve"}, {"version"}, {"--version"}} {
		if code, stdout, _ := command(t.Context(), nil, args...); code != exitOK || !strings.Contains(stdout, "latchkey") {
			t.Errorf("%q: got %d %q", args, code, stdout)
		}
	}
}
