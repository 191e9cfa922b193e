// Command go-sdk is the official Go client on its journey, as ../README.md describes it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"
)

// redirectURI is where nobody listens: the test driver reads the redirect instead of following it.
const redirectURI = "http://127.0.0.1:33418/callback"

// facts are the members of a step's line besides step, ok and logins.
type facts map[string]any

func main() {
	t := &traveller{mcpURL: os.Getenv("E2E_MCP_URL"), driver: os.Getenv("E2E_LOGIN_URL")}
	steps := map[string]func(context.Context) (facts, error){
		"login": t.login, "list": t.list, "whoami": t.whoami, "renew": t.renew, "refresh": t.refresh, "bad token": t.badToken,
		"step-up": t.stepUp, "restart": t.restart,
	}
	for step := range strings.SplitSeq(os.Getenv("E2E_STEPS"), ",") {
		if err := t.step(step, steps[step]); err != nil {
			fmt.Fprintln(os.Stderr, step+":", err)
			os.Exit(1)
		}
	}
}

// traveller is a client with one user.
type traveller struct {
	mcpURL, driver string

	// tokens is the last token, refreshable whether the first login brought a refresh token.
	tokens      *oauth2.Token
	refreshable bool
	// expired tells the SDK that its token is expired, consent makes every login ask for the user's
	// consent.
	expired, consent bool

	handler *auth.AuthorizationCodeHandler
	session *mcp.ClientSession
}

// step runs a step and prints its line.
func (t *traveller) step(name string, run func(context.Context) (facts, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	before, err := t.count(ctx)
	if err != nil {
		return err
	}
	line, failure := run(ctx)
	if failure != nil {
		line = facts{"error": failure.Error()}
	}
	after, err := t.count(ctx)
	if err != nil {
		return errors.Join(failure, err)
	}
	line["step"], line["ok"] = name, failure == nil
	line["logins"], line["refused"] = after.Logins-before.Logins, after.Refused-before.Refused
	if slices.Contains(strings.Split(os.Getenv("E2E_FAILS"), ","), name) {
		failure = nil // as foretold
	}
	return errors.Join(failure, printLine(line))
}

func printLine(line facts) error {
	encoded, err := json.Marshal(line)
	if err != nil {
		return err
	}
	fmt.Println(string(encoded))
	return nil
}

// connect opens a session, with an SDK that has the given token to start with, or none.
func (t *traveller) connect(ctx context.Context, initial oauth2.TokenSource) error {
	var err error
	t.handler, err = auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{
				ClientName: "latchkey end-to-end test", RedirectURIs: []string{redirectURI},
				GrantTypes:              []string{"authorization_code", "refresh_token"},
				TokenEndpointAuthMethod: os.Getenv("E2E_CLIENT_AUTH"),
			},
		},
		RequestRefreshToken:      true,
		AuthorizationCodeFetcher: t.fetchCode,
		InitialTokenSource:       initial,
		NewTokenSource:           t.keep,
	})
	if err != nil {
		return err
	}
	return t.reconnect(ctx)
}

// reconnect opens another session of the same SDK client.
func (t *traveller) reconnect(ctx context.Context) error {
	client := mcp.NewClient(&mcp.Implementation{Name: "go-sdk", Version: "1.0.0"}, nil)
	var err error
	t.session, err = client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: t.mcpURL, OAuthHandler: t.handler}, nil)
	return err
}

// keep remembers tokens. The SDK renews by the expiry that the token response named, never after
// a 401.
func (t *traveller) keep(ctx context.Context, config *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
	t.tokens = token
	return tokenSource(func() (*oauth2.Token, error) {
		if t.expired {
			t.expired = false
			t.tokens.Expiry = time.Now().Add(-time.Minute)
		}
		fresh, err := config.TokenSource(ctx, t.tokens).Token()
		if err == nil {
			t.tokens = fresh
		}
		return fresh, err
	}), nil
}

type tokenSource func() (*oauth2.Token, error)

func (s tokenSource) Token() (*oauth2.Token, error) { return s() }

func (t *traveller) login(ctx context.Context) (facts, error) {
	if err := t.connect(ctx, nil); err != nil {
		return nil, err
	}
	t.refreshable = t.tokens.RefreshToken != ""
	return facts{
		"client": facts{"name": sdk, "version": version()}, "refresh_token": t.refreshable, "granted": t.tokens.Extra("scope"),
		"protocol": t.session.InitializeResult().ProtocolVersion, "server": t.session.InitializeResult().ServerInfo,
	}, nil
}

const sdk = "github.com/modelcontextprotocol/go-sdk"

// version is that of the SDK in this program.
func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == sdk {
			return module.Version
		}
	}
	return ""
}

func (t *traveller) list(ctx context.Context) (facts, error) {
	result, err := t.session.ListTools(ctx, nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, tool := range result.Tools {
		names = append(names, tool.Name)
	}
	return facts{"tools": names}, nil
}

func (t *traveller) whoami(ctx context.Context) (facts, error) { return t.call(ctx, "whoami") }

func (t *traveller) call(ctx context.Context, tool string) (facts, error) {
	result, err := t.session.CallTool(ctx, &mcp.CallToolParams{Name: tool})
	if err != nil {
		return nil, err
	}
	for _, content := range result.Content {
		if text, ok := content.(*mcp.TextContent); ok && !result.IsError {
			return facts{"caller": json.RawMessage(text.Text)}, nil
		}
	}
	return nil, fmt.Errorf("the tool failed: %+v", result.Content)
}

// renew outlives the access token: by the refresh token, or by a login after the server refused it.
// (Told that a token without a refresh token is expired, the SDK fails and does not log in.)
func (t *traveller) renew(ctx context.Context) (facts, error) {
	if !t.refreshable {
		if err := t.connect(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "stale"})); err != nil {
			return nil, err
		}
		return t.whoami(ctx)
	}
	return t.outlive(ctx)
}

// refresh logs in with prompt=consent, which the SDK leaves out, and without which OpenID Connect
// Core section 11 grants no offline_access.
func (t *traveller) refresh(ctx context.Context) (facts, error) {
	t.consent = true
	defer func() { t.consent = false }()
	if err := t.connect(ctx, nil); err != nil {
		return nil, err
	}
	return t.outlive(ctx)
}

// outlive calls the tool with a token that the SDK takes for expired.
func (t *traveller) outlive(ctx context.Context) (facts, error) {
	old := t.tokens.AccessToken
	t.expired = true
	line, err := t.whoami(ctx)
	if err != nil {
		return nil, err
	}
	line["renewed"] = t.tokens.AccessToken != old
	return line, nil
}

func (t *traveller) badToken(ctx context.Context) (facts, error) {
	main := *t
	defer func() { *t = main }()
	if err := t.connect(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "stale"})); err != nil {
		return nil, err
	}
	line, err := t.whoami(ctx)
	return line, errors.Join(err, t.session.Close())
}

func (t *traveller) stepUp(ctx context.Context) (facts, error) {
	if err := t.reconnect(ctx); err != nil {
		return nil, err
	}
	return t.call(ctx, "step_up")
}

func (t *traveller) restart(ctx context.Context) (facts, error) {
	if _, err := t.whoami(ctx); err != nil {
		return nil, err
	}
	if err := t.ask(ctx, http.MethodPost, "restart", nil, nil); err != nil {
		return nil, err
	}
	return t.whoami(ctx)
}

// fetchCode has the test driver's user log in.
func (t *traveller) fetchCode(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	var answer struct {
		Redirect string `json:"redirect"`
	}
	target := args.URL
	if t.consent {
		target += "&prompt=consent"
	}
	if err := t.ask(ctx, http.MethodPost, "", map[string]string{"url": target}, &answer); err != nil {
		return nil, err
	}
	redirect, err := url.Parse(answer.Redirect)
	if err != nil {
		return nil, err
	}
	query := redirect.Query()
	if query.Has("error") {
		return nil, fmt.Errorf("login refused: %s: %s", query.Get("error"), query.Get("error_description"))
	}
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
}

// counts is what the test driver counts.
type counts struct {
	Logins  int `json:"logins"`
	Refused int `json:"refused"`
}

func (t *traveller) count(ctx context.Context) (answer counts, err error) {
	err = t.ask(ctx, http.MethodGet, "count", nil, &answer)
	return answer, err
}

// ask calls the test driver.
func (t *traveller) ask(ctx context.Context, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, t.driver+path, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		var problem struct {
			Error string `json:"error"`
		}
		_ = json.NewDecoder(response.Body).Decode(&problem) // the status says enough
		return fmt.Errorf("the test driver answers %s to %s: %s", response.Status, strings.TrimSpace(method+" /"+path), problem.Error)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
