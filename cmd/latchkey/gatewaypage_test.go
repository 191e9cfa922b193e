package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
)

// The commands of docs/gateway.md, on free ports, lead to a login and a call that names its caller.
func TestThePageOfTheGatewayIsTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^\$ go run \./(\S+)(.*)$`).FindAllStringSubmatch(string(page), -1)
	if len(commands) != 2 || commands[1][1] != "cmd/latchkey" {
		t.Fatalf("the page has the commands %q", commands)
	}
	const upstream = "http://127.0.0.1:3000/mcp"
	arguments := strings.Fields(strings.ReplaceAll(commands[1][2], upstream, startExample(t, commands[0][1])))
	if !strings.Contains(commands[1][2], upstream) {
		t.Fatalf("the page's gateway has the arguments %q", arguments)
	}
	ctx, stop := context.WithCancel(t.Context())
	said, ended := newOutput(), make(chan int, 1)
	go func() {
		ended <- run(ctx, append(arguments, "--addr", "127.0.0.1:0", "--idp-addr", "127.0.0.1:0"),
			environment{stdout: said, stderr: io.Discard, lookupEnv: lookup(nil)})
	}()
	found := regexp.MustCompile(`MCP server\s+(http://\S+)[\s\S]*Identity provider\s+(http://\S+)`).FindStringSubmatch(<-said.lines)
	if found == nil {
		t.Fatalf("dev says %q", said)
	}
	resource, issuer := found[1], found[2]
	if status, _ := post(t, resource, "", "application/json", "{}"); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	token := logIn(t, issuer, resource)
	status, body := post(t, resource, token, "application/json", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{`+
		`"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
	if status != http.StatusOK || !strings.Contains(body, `"upstream"`) {
		t.Fatalf("the server says of itself: %d %s", status, body)
	}
	_, body = post(t, resource, token, "application/json", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"greet","arguments":{}}}`)
	if !strings.Contains(body, "Hello user-alice of "+issuer) {
		t.Errorf("the tool answers %s", body)
	}
	stop()
	<-ended
}

// startExample starts an example on a free port and returns the URL that it prints.
func startExample(t *testing.T, path string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "example")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../"+path)
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	example := exec.CommandContext(t.Context(), binary, "-addr", "127.0.0.1:0")
	output, err := example.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := example.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = example.Process.Kill(); _ = example.Wait() })
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line[strings.Index(line, "http://"):])
}

// logIn registers a client and logs alice in.
func logIn(t *testing.T, issuer, resource string) string {
	t.Helper()
	const redirect = "http://127.0.0.1:33418/callback"
	var client struct {
		ID string `json:"client_id"`
	}
	_, body := post(t, issuer+"/register", "", "application/json", `{"client_name":"test","redirect_uris":["`+redirect+`"],"token_endpoint_auth_method":"none"}`)
	if err := json.Unmarshal([]byte(body), &client); err != nil {
		t.Fatal(err)
	}
	verifier := strings.Repeat("verifier", 8)
	challenge := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {redirect}, "resource": {resource}, "state": {"state"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	back, err := devidp.Login(t.Context(), http.DefaultClient, issuer+"/authorize?"+query.Encode(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client.ID}, "redirect_uri": {redirect}, "resource": {resource},
		"code": {back.Query().Get("code")}, "code_verifier": {verifier},
	}
	var tokens struct {
		Access string `json:"access_token"`
	}
	status, body := post(t, issuer+"/token", "", "application/x-www-form-urlencoded", form.Encode())
	if err := json.Unmarshal([]byte(body), &tokens); err != nil || tokens.Access == "" {
		t.Fatalf("the token endpoint answers %d, %v", status, err)
	}
	return tokens.Access
}

// post sends a body.
func post(t *testing.T, to, token, kind, body string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(text)
}
