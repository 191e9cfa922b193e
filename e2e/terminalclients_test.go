package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/embedded"
)

// terminalClient is an MCP client in a terminal, which logs in and calls a tool without any model.
type terminalClient struct {
	name string
	// program is what starts it.
	program []string
	// config, of a client that is configured by a file, is the file below the user's folder and its
	// text, with the URL of the MCP server in the place of %s.
	config [2]string
	// commands are what a user types after the program's name, one after the other. The last one
	// prints who the caller is, unless the client keeps tokens to look at.
	commands func(mcpURL string) [][]string
	// keeps is the file below the user's folder where a client keeps its tokens that calls no tool
	// without a model.
	keeps string
}

func terminalClients() []terminalClient {
	installed := func(script string) []string {
		return []string{suite.node22, filepath.Join(suite.root, "node_modules", script)}
	}
	return []terminalClient{
		{
			name: "mcporter", program: installed("mcporter/dist/cli.js"),
			commands: func(mcpURL string) [][]string {
				return [][]string{
					{"config", "add", "latchkey", mcpURL, "--allow-http"},
					{"auth", "latchkey"},
					{"call", "latchkey.whoami"},
				}
			},
		},
		{
			name: "mcpc", program: installed("@apify/mcpc/bin/mcpc"),
			commands: func(mcpURL string) [][]string {
				return [][]string{
					{"login", mcpURL},
					{"connect", mcpURL, "@latchkey"},
					{"@latchkey", "tools-call", "whoami"},
				}
			},
		},
	}
}

// largeClients are those of make e2e-all. They call no tool without a model.
func largeClients() []terminalClient {
	packages := os.Getenv("E2E_ALL_PACKAGES")
	return []terminalClient{
		{
			name: "codex", program: []string{suite.node22, filepath.Join(packages, "@openai", "codex", "bin", "codex.js")},
			config: [2]string{
				"codex/config.toml", "mcp_oauth_credentials_store = \"file\"\n\n[mcp_servers.latchkey]\nurl = \"%s\"\n",
			},
			commands: func(string) [][]string { return [][]string{{"mcp", "login", "latchkey"}} },
			keeps:    "codex/.credentials.json",
		},
		{
			name: "opencode", program: []string{filepath.Join(packages, "opencode-linux-x64", "bin", "opencode")},
			config:   [2]string{"opencode/opencode.json", `{"mcp": {"latchkey": {"type": "remote", "url": "%s"}}}`},
			commands: func(string) [][]string { return [][]string{{"mcp", "auth", "latchkey"}} },
			keeps:    "opencode/mcp-auth.json",
		},
	}
}

// brokered is the embedded provider behind `latchkey dev --mode proxy`, where clients register at
// the MCP server.
type brokered struct{ *embedded.Server }

func (b brokered) Command(addr string) []string {
	return append(b.Server.Command(addr), "--mode", "proxy")
}

// Login allows what the consent page asks for, and then logs in at the provider, whose first page
// has a button to decline too.
func (b brokered) Login(ctx context.Context, authorizeURL string) (string, error) {
	atClient, err := harness.AtRedirectURI(authorizeURL)
	if err != nil {
		return "", err
	}
	browser := harness.NewBrowser()
	page, err := browser.Visit(ctx, authorizeURL, atClient)
	for range 5 {
		if err != nil {
			return "", err
		}
		if page.Status == 0 {
			return page.URL.String(), nil
		}
		form, formErr := page.Form("user")
		if formErr == nil {
			err = form.Press("user", "alice")
		} else if form, err = page.Form("decision"); err == nil {
			err = form.Press("decision", harness.Allow)
		}
		if err != nil {
			return "", err
		}
		page, err = browser.Submit(ctx, form, atClient)
	}
	return "", errors.New("the login asks for the same pages again")
}

// Clients that people have in their terminals log in to `latchkey dev` and call a tool, in both
// modes, without a network.
func TestTerminalClients(t *testing.T) {
	t.Parallel()
	logInFromTerminals(t, terminalClients())
}

// Clients of some hundred megabytes log in to `latchkey dev` in both modes, without a network and
// without a model, and get a token of the user's.
func TestAllLargeTerminalClients(t *testing.T) {
	t.Parallel()
	logInFromTerminals(t, largeClients())
}

// logInFromTerminals logs each client in, in one mode after the other: some listen on a port of
// their own choice.
func logInFromTerminals(t *testing.T, clients []terminalClient) {
	t.Helper()
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []string{"direct", "proxy"} {
				t.Run(mode, func(t *testing.T) { client.logIn(testContext(t), t, mode) })
			}
		})
	}
}

// logIn plays the client's user.
func (c terminalClient) logIn(ctx context.Context, t *testing.T, mode string) {
	t.Helper()
	dir := logDir(t)
	var server harness.Server = embedded.New(port(ctx, t))
	if mode == "proxy" {
		server = brokered{embedded.New(port(ctx, t))}
	}
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: dir, Port: port(ctx, t), Server: server}
	if err := resource.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	signIn := harness.NewSignIn(ctx, resource)
	t.Cleanup(signIn.Stop)
	home := t.TempDir() // it holds tokens
	c.configure(t, home, resource.MCPURL())
	var printed []string
	for i, arguments := range c.commands(resource.MCPURL()) {
		printed = nil
		err := harness.Run(ctx, harness.Command{
			Name: "client-" + arguments[0] + string(rune('0'+i)), LogDir: dir, Dir: home, Path: c.program[0],
			Args: append(slices.Clone(c.program[1:]), arguments...),
			Env:  append(atHome(t, home), "E2E_LOGIN_URL="+signIn.URL()),
			Output: func(line string) {
				printed = append(printed, line)
			},
		})
		if err != nil {
			t.Fatalf("%s %s: %v", c.name, arguments[0], err)
		}
	}
	if logins := len(signIn.Requests()); logins != 1 {
		t.Errorf("%d logins, want 1", logins)
	}
	text := strings.Join(printed, "\n")
	if c.keeps != "" {
		text = answerTo(ctx, t, resource, filepath.Join(home, c.keeps))
	}
	caller, err := callerIn(text)
	if err != nil || caller.User.UserID != server.UserID() {
		t.Errorf("the caller is %q (%v), want %q", caller.User.UserID, err, server.UserID())
	}
}

// configure writes the file that the client reads.
func (c terminalClient) configure(t *testing.T, home, mcpURL string) {
	t.Helper()
	if c.config[0] == "" {
		return
	}
	file := filepath.Join(home, c.config[0])
	err := os.MkdirAll(filepath.Dir(file), 0o750)
	if err == nil {
		err = os.WriteFile(file, []byte(strings.ReplaceAll(c.config[1], "%s", mcpURL)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var keptToken = regexp.MustCompile(`"access_?[tT]oken"\s*:\s*"([^"]+)"`)

// answerTo is what the server says to the access token in a file.
func answerTo(ctx context.Context, t *testing.T, resource *harness.ResourceServer, file string) string {
	t.Helper()
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	token := keptToken.FindSubmatch(kept)
	if token == nil {
		t.Fatalf("%s holds no access token", filepath.Base(file))
	}
	answer, err := resource.Whoami(ctx, string(token[1]))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.Body)
}

// atHome is the environment of somebody whose files are all in one folder, and whose browser is the
// test's.
func atHome(t *testing.T, home string) []string {
	t.Helper()
	programs := filepath.Join(home, "bin")
	if err := os.MkdirAll(programs, 0o750); err != nil {
		t.Fatal(err)
	}
	browser := filepath.Join(suite.root, "clients", "lib", "browser.mjs")
	opener := "#!/bin/sh\nexec '" + suite.node22 + "' '" + browser + "' \"$1\"\n"
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte(opener), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return []string{
		"PATH=" + programs + string(os.PathListSeparator) + filepath.Dir(suite.node22) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_CACHE_HOME=" + home,
		"MCPC_HOME_DIR=" + filepath.Join(home, "mcpc"), "CODEX_HOME=" + filepath.Join(home, "codex"), "BROWSER=" + browser,
	}
}

// callerIn finds the tool's answer in what a client printed around it.
func callerIn(printed string) (caller harness.Caller, err error) {
	for at := strings.IndexByte(printed, '{'); at >= 0; {
		decoder := json.NewDecoder(strings.NewReader(printed[at:]))
		if decoder.Decode(&caller) == nil && caller.User.UserID != "" {
			return caller, nil
		}
		next := strings.IndexByte(printed[at+1:], '{')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return caller, errors.New("the client printed no caller")
}
