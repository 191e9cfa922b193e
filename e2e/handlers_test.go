package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	mcpgo "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/matrix"
	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/custom"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/sessions"
)

// TestClientsOfMCPGo sends clients on the whole journey to an MCP server that is made of
// mark3labs/mcp-go. All other tests do so with the official Go SDK's.
func TestClientsOfMCPGo(t *testing.T) {
	cells, err := matrix.Read("cells.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range clients {
		if client.name != "ts-v2" && client.name != "go-sdk" {
			continue
		}
		t.Run(client.name, func(t *testing.T) {
			ctx, dir := testContext(t), logDir(t)
			resource := &harness.ResourceServer{Binary: suite.custom, LogDir: dir, Port: port(ctx, t)}
			resource.Server = newFosite(ctx, t, 0, resource.MCPURL())
			startResource(ctx, t, resource, "--library", "mcp-go", "--tool-scope", stepUpScope)
			wanted, _ := cells.Client(client.name)
			j := &journey{resource: resource, dir: dir, steps: cells.Steps, reasons: cells.Reasons, client: wanted, scope: stepUpScope}
			j.travel(ctx, t, client.command(t))
			j.check(ctx, t)
		})
	}
}

// handlers are MCP servers of others, with sessions, behind our guard. Their tool whoami answers
// with the caller's subject.
var handlers = map[string]func(t *testing.T, provider oauth.Provider, config runtime.GuardConfig) http.Handler{
	"the Go SDK below net/http": func(t *testing.T, provider oauth.Provider, config runtime.GuardConfig) http.Handler {
		t.Helper()
		return guarded(t, provider, config, mcpadapter.Handler(goSDKHandler()))
	},
	"mcp-go below net/http": func(t *testing.T, provider oauth.Provider, config runtime.GuardConfig) http.Handler {
		t.Helper()
		return guarded(t, provider, config, mcpGoHandler(t))
	},
	"mcp-go below Echo": func(t *testing.T, provider oauth.Provider, config runtime.GuardConfig) http.Handler {
		t.Helper()
		e := echo.New()
		guard, err := echoadapter.Mount(e, provider, config)
		if err != nil {
			t.Fatal(err)
		}
		e.Any("/mcp", echo.WrapHandler(mcpGoHandler(t)), guard.Require())
		return e
	},
}

func guarded(t *testing.T, provider oauth.Provider, config runtime.GuardConfig, handler http.Handler) http.Handler {
	t.Helper()
	guard, err := runtime.NewGuard(provider, config)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", guard.Handler())
	mux.Handle("/mcp", guard.Protect(handler))
	return mux
}

func goSDKHandler() http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami"}, func(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		info, ok := mcpadapter.AuthInfo(r)
		if !ok {
			return nil, nil, oauth.ErrMissingCredentials
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: info.Subject}}}, nil, nil
	})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, nil)
}

func mcpGoHandler(t *testing.T) http.Handler {
	t.Helper()
	s := server.NewMCPServer("test", "1")
	s.AddTool(mcpgo.NewTool("whoami"), func(ctx context.Context, _ mcpgo.CallToolRequest) (*mcpgo.CallToolResult, error) {
		info, ok := oauth.FromContext(ctx)
		if !ok {
			return nil, oauth.ErrMissingCredentials
		}
		return mcpgo.NewToolResultText(info.Subject), nil
	})
	binder, err := sessions.New(sessions.Config{Observer: observe.Slog(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	return binder.Bind(server.NewStreamableHTTPServer(s, server.WithStateful(true)))
}

// mcpServer is an MCP server of others, running, with the embedded provider to make tokens.
type mcpServer struct {
	url string
	idp *devidp.TestServer
}

func startHandler(t *testing.T, name string) *mcpServer {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	idp := devidp.Start(t)
	verifier, err := runtime.JWKSVerifier(runtime.JWKSConfig{JWKSURL: idp.URL("/jwks"), Issuer: idp.Issuer()}, runtime.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	provider, err := custom.New(custom.Config{
		Issuer: idp.Issuer(), AuthEndpoint: idp.URL("/authorize"), TokenEndpoint: idp.URL("/token"), JWKSURL: idp.URL("/jwks"),
		VerifyToken: verifier,
	}, runtime.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewUnstartedServer(nil)
	s := &mcpServer{url: "http://" + listening.Listener.Addr().String() + "/mcp", idp: idp}
	listening.Config.Handler = handlers[name](t, provider, runtime.GuardConfig{Resource: s.url, Logger: quiet})
	listening.Start()
	t.Cleanup(listening.Close)
	return s
}

func (s *mcpServer) token(user string) string {
	return s.idp.Token(devidp.TokenRequest{User: user, Audience: []string{s.url}, Scope: "openid"})
}

// TestCallersAtOnceDoNotMix calls the tool as two callers, each with several clients of its own, at
// the same time.
func TestCallersAtOnceDoNotMix(t *testing.T) {
	for name := range handlers {
		t.Run(name, func(t *testing.T) {
			s := startHandler(t, name)
			var all sync.WaitGroup
			for _, user := range []string{"alice", "bob"} {
				token := s.token(user)
				for range 4 {
					session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
						&mcp.StreamableClientTransport{Endpoint: s.url, HTTPClient: &http.Client{Transport: bearer(token)}}, nil)
					if err != nil {
						t.Fatal(err)
					}
					all.Go(func() {
						defer func() { _ = session.Close() }()
						for range 25 {
							result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
							if err != nil {
								t.Error(err)
								return
							}
							if text := result.Content[0].(*mcp.TextContent).Text; text != "user-"+user {
								t.Errorf("%s is taken for %q", user, text)
							}
						}
					})
				}
			}
			all.Wait()
		})
	}
}

// bearer is a transport that adds a token.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// TestASessionIsOfNoUseToAnotherCaller takes a session over in all ways that the transport has (MCP
// security best practices, "Session Hijacking").
// covers: RS-12
func TestASessionIsOfNoUseToAnotherCaller(t *testing.T) {
	const call = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
	for name := range handlers {
		t.Run(name, func(t *testing.T) {
			s := startHandler(t, name)
			alice, bob := s.token("alice"), s.token("bob")
			opened := s.send(t, http.MethodPost, alice, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
				`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
			session := opened.Header.Get("Mcp-Session-Id")
			if opened.StatusCode != http.StatusOK || session == "" {
				t.Fatalf("no session: status %d", opened.StatusCode)
			}
			s.send(t, http.MethodPost, alice, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
			for _, c := range []struct{ method, body string }{
				{http.MethodPost, call},
				{http.MethodPost, `{"jsonrpc":"2.0","method":"notifications/initialized"}`},
				{http.MethodPost, `{"jsonrpc":"2.0","id":1,"result":{"role":"assistant"}}`}, // an answer to a question of the server
				{http.MethodGet, ""}, {http.MethodDelete, ""},
			} {
				if answer := s.send(t, c.method, bob, session, c.body); answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusForbidden {
					t.Errorf("%s %s as another caller: status %d", c.method, c.body, answer.StatusCode)
				}
			}
			if text := s.read(t, http.MethodPost, alice, session, call); !strings.Contains(text, "user-alice") {
				t.Errorf("the caller's own session ended, or is another's: %s", text)
			}
			if answer := s.send(t, http.MethodDelete, alice, session, ""); answer.StatusCode/100 != 2 {
				t.Errorf("ending the session: status %d", answer.StatusCode)
			}
			if answer := s.send(t, http.MethodPost, alice, session, call); answer.StatusCode != http.StatusNotFound {
				t.Errorf("after the session's end: status %d", answer.StatusCode)
			}
		})
	}
}

// TestStreamsEndWithTheirToken opens the stream of a session with a token of a second, which the
// client sees end as if the server had nothing more to say, and goes on with a new one.
// covers: R11
func TestStreamsEndWithTheirToken(t *testing.T) {
	for name := range handlers {
		t.Run("R11: "+name, func(t *testing.T) {
			s := startHandler(t, name)
			opened := s.send(t, http.MethodPost, s.token("alice"), "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":`+
				`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
			session := opened.Header.Get("Mcp-Session-Id")
			for range 2 {
				token := s.idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{s.url}, Scope: "openid", ExpiresIn: time.Second - runtime.DefaultLeeway})
				stream := s.do(t, http.MethodGet, token, session, "")
				if stream.StatusCode != http.StatusOK {
					t.Fatalf("status %d", stream.StatusCode)
				}
				if _, err := io.Copy(io.Discard, stream.Body); err != nil {
					t.Errorf("the stream ends with %v", err)
				}
				_ = stream.Body.Close()
			}
		})
	}
}

// send sends a request and closes the answer unread.
func (s *mcpServer) send(t *testing.T, method, token, session, body string) *http.Response {
	t.Helper()
	response := s.do(t, method, token, session, body)
	_ = response.Body.Close()
	return response
}

// read returns the answer up to its first message.
func (s *mcpServer) read(t *testing.T, method, token, session, body string) string {
	t.Helper()
	response := s.do(t, method, token, session, body)
	defer func() { _ = response.Body.Close() }()
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		text, _ := io.ReadAll(response.Body)
		return string(text)
	}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && json.Valid([]byte(data)) {
			return data
		}
	}
	return fmt.Sprintf("status %d and no message", response.StatusCode)
}

func (s *mcpServer) do(t *testing.T, method, token, session, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json, text/event-stream")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodGet {
		r.Header.Set("Accept", "text/event-stream")
	}
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
		r.Header.Set("Mcp-Protocol-Version", "2025-06-18")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}
