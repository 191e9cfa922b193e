package main

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

func TestScopesAreAskedForInTheOperatorsWords(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"serve": {"serve", "--provider", "google", "--addr", "127.0.0.1:0", "--public-url", "http://127.0.0.1:8080"},
		"dev":   {"dev", "--mode", "proxy", "--addr", "127.0.0.1:0", "--idp-addr", "127.0.0.1:0"},
	} {
		t.Run("D20: "+name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			said := newOutput()
			where := environment{stdout: said, stderr: io.Discard, lookupEnv: lookup(googleVariables)}
			if name == "serve" {
				where.stdout, where.stderr = io.Discard, said
			}
			ended := make(chan int, 1)
			go func() {
				ended <- run(ctx, append(args, "--tool-scope", "files:write", "--scope-words", "files:write=Change your files, a = b"),
					where)
			}()
			address := regexp.MustCompile(`MCP server\s+http://(\S+)/mcp|with Google on (\S+)`).FindStringSubmatch(<-said.lines)
			if address == nil {
				t.Fatalf("%s says %q", name, said)
			}
			transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, address[1]+address[2])
			}}
			defer transport.CloseIdleConnections()
			c := &loginClient{t: t, resource: "http://" + cmp.Or(address[1], "127.0.0.1:8080") + "/mcp", http: &http.Client{Transport: transport}}
			page := c.consentPage(ctx, "openid files:write")
			if !strings.Contains(page, "<li>Change your files, a = b <code>files:write</code></li>") {
				t.Errorf("the page:\n%s", page)
			}
			stop()
			<-ended
		})
	}
}

// consentPage returns the page that a new client's request shows.
func (c *loginClient) consentPage(ctx context.Context, scope string) string {
	c.t.Helper()
	const redirect = "https://client.example.com/callback"
	_, body := c.send(ctx, http.MethodPost, c.resource+"/register", "application/json", `{"redirect_uris":["`+redirect+`"]}`, "")
	var client oauth.ClientInformation
	if err := json.Unmarshal([]byte(body), &client); err != nil || client.ClientID == "" {
		c.t.Fatalf("registration: %v %s", err, body)
	}
	_, page := c.send(ctx, http.MethodGet, c.resource+"/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {client.ClientID}, "redirect_uri": {redirect}, "scope": {scope},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"},
	}.Encode(), "", "", "")
	return page
}
