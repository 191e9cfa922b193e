package mcpadapter_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
)

// scopedServer is an MCP server whose tool "write" needs the scope notes:write, and whose tool
// "move" needs two; with challenge, callers learn so by HTTP. The guard takes "Bearer A,B" for a
// caller with the scopes A and B.
func scopedServer(t *testing.T, challenge, stateless bool) *httptest.Server {
	t.Helper()
	scopes := mcpadapter.ToolScopes{"write": {"notes:write"}, "move": {"notes:write", "folders:write"}}
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	s.AddReceivingMiddleware(scopes.Enforce)
	for _, name := range []string{"read", "write", "move"} {
		mcp.AddTool(s, &mcp.Tool{Name: name}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
		})
	}
	handler := mcpadapter.Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: stateless}))
	if challenge {
		handler = scopes.Challenge(refuser{}, handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := &oauth.AuthInfo{
			Issuer: "https://idp.example.com", Subject: "alice",
			Scopes: strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ","),
		}
		handler.ServeHTTP(w, r.WithContext(oauth.NewContext(r.Context(), info)))
	}))
	t.Cleanup(server.Close)
	return server
}

// refuser answers as a guard, without a challenge.
type refuser struct{}

func (refuser) Refuse(w http.ResponseWriter, _ *http.Request, err error) {
	e := oauth.AsError(err)
	http.Error(w, string(e.Code)+" "+strings.Join(e.Required, " ")+", caller "+e.Caller.Subject, e.Status)
}

// In a session the context is that of its first request: what counts is the token of the request
// that calls the tool.
func TestToolScopesAreThoseOfTheCallItself(t *testing.T) {
	t.Parallel()
	b := &bearer{"notes:write"}
	session := connect(t, scopedServer(t, false, false).URL, b)
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "write"}); err != nil {
		t.Fatalf("with the scope: %v", err)
	}
	b.token = "profile"
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "write"}); err == nil || !strings.Contains(err.Error(), "notes:write") {
		t.Errorf("without the scope: got %v", err)
	}
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "read"}); err != nil {
		t.Errorf("a tool that needs nothing: %v", err)
	}
}

// Where nobody was verified, as over a transport in memory, the lock stays shut. Behind the older
// SSE transport the caller is in the context alone.
func TestToolScopesWithoutARequestsCaller(t *testing.T) {
	t.Parallel()
	scopes := mcpadapter.ToolScopes{"write": {"notes:write"}}
	for name, c := range map[string]struct {
		scope string // of the context's caller; empty is nobody
		tool  string
		want  error
	}{
		"refuses nobody": {"", "write", oauth.ErrMissingCredentials},
		"lets nobody call a tool that needs nothing": {"", "read", nil},
		"refuses the context's caller without scope": {"notes:read", "write", oauth.ErrInsufficientScope},
		"takes the context's caller with the scope":  {"notes:write", "write", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ran := false
			call := scopes.Enforce(func(context.Context, string, mcp.Request) (mcp.Result, error) {
				ran = true
				return &mcp.CallToolResult{}, nil
			})
			ctx := t.Context()
			if c.scope != "" {
				ctx = oauth.NewContext(ctx, &oauth.AuthInfo{Subject: "alice", Scopes: []string{c.scope}})
			}
			_, err := call(ctx, "tools/call", &mcp.CallToolRequest{Params: &mcp.CallToolParamsRaw{Name: c.tool}})
			if !errors.Is(err, c.want) || ran != (c.want == nil) {
				t.Errorf("got %v, the tool ran: %t", err, ran)
			}
		})
	}
}

func TestToolScopes(t *testing.T) {
	t.Parallel()
	call := func(tool string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
	}
	const refused = "insufficient_scope notes:write, caller alice"
	const enforced = "Missing required scope(s): notes:write"
	long := strings.Replace(call("write"), `{"name"`, `{"_meta":{"x":"`+strings.Repeat("x", 1<<20)+`"},"name"`, 1)
	for name, c := range map[string]struct {
		scopes, body string
		unchallenged bool
		status       int
		contains     string
	}{
		"a tool that needs nothing":                {"profile", call("read"), false, 200, "done"},
		"a caller without the scope is challenged": {"profile", call("write"), false, 403, refused},
		"a caller with the scope gets through":     {"profile,notes:write", call("write"), false, 200, "done"},
		"a caller with one of two scopes":          {"notes:write", call("move"), false, 403, "insufficient_scope notes:write folders:write"},
		"one of two scopes, not challenged":        {"folders:write", call("move"), true, 200, "notes:write, folders:write"},
		"a caller with both scopes":                {"folders:write,notes:write", call("move"), false, 200, "done"},
		"a name that only looks like it":           {"profile", strings.Replace(call("write"), "write", `wr\u0069te`, 1), false, 403, refused},
		"a name beyond what is looked at":          {"profile", long, false, 200, enforced},
		"a long call of a caller with the scope":   {"notes:write", long, false, 200, "done"},
		"a name that two readers would read differently": {
			"profile", strings.Replace(call("write"), `"name":"write"`, `"name":"write","Name":"read"`, 1), false, 200, enforced,
		},
		"without the challenge": {"profile", call("write"), true, 200, enforced},
		"a batch":               {"profile", "\n[" + call("read") + "," + call("write") + "]", false, 403, refused},
		"no JSON":               {"profile", "{", false, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, scopedServer(t, !c.unchallenged, true).URL, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+c.scopes)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json, text/event-stream")
			r.Header.Set("Mcp-Protocol-Version", "2025-03-26")
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			answer, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != c.status || !strings.Contains(string(answer), c.contains) {
				t.Errorf("got %d %s", response.StatusCode, answer)
			}
		})
	}
}
