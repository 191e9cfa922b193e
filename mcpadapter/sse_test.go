package mcpadapter_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
)

// sseServer is a server of the SDK's older transport with a tool that tells whom it takes for its
// caller.
func sseServer(t *testing.T) *httptest.Server {
	t.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		info, _ := oauth.FromContext(ctx)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "caller " + info.Subject}}}, nil, nil
	})
	handler := mcp.NewSSEHandler(func(*http.Request) *mcp.Server { return s }, nil)
	server := httptest.NewServer(guard(mcpadapter.Handler(handler)))
	t.Cleanup(server.Close)
	return server
}

// sseStream is the stream of one session.
type sseStream struct {
	server string
	*bufio.Scanner
}

func openStream(t *testing.T, server *httptest.Server, user string) *sseStream {
	t.Helper()
	response := sseSend(t, http.MethodGet, server.URL+"/sse", user, "")
	t.Cleanup(func() { _ = response.Body.Close() })
	return &sseStream{server.URL, bufio.NewScanner(response.Body)}
}

// next returns the data of the next event.
func (s *sseStream) next(t *testing.T) string {
	t.Helper()
	for s.Scan() {
		if data, ok := strings.CutPrefix(s.Text(), "data: "); ok {
			return data
		}
	}
	t.Fatalf("the stream ended: %v", s.Err())
	return ""
}

func sseSend(t *testing.T, method, target, user, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+user)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func post(t *testing.T, target, user, body string) int {
	t.Helper()
	response := sseSend(t, http.MethodPost, target, user, body)
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

// RS-12: the SDK binds the sessions of this transport to nobody; a message of another user ran as
// the session's.
// covers: RS-12
func TestSSESessionIsBoundToItsUser(t *testing.T) {
	t.Parallel()
	stream := openStream(t, sseServer(t), "alice")
	session := stream.server + stream.next(t)
	call := `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
	for _, message := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`, call,
	} {
		if status := post(t, session, "mallory", message); status != http.StatusNotFound {
			t.Errorf("another user's message got %d", status)
		}
		if status := post(t, session, "alice", message); status != http.StatusAccepted {
			t.Errorf("the user's own message got %d", status)
		}
	}
	if answer := stream.next(t); !strings.Contains(answer, `"serverInfo"`) {
		t.Errorf("got %s", answer)
	}
	if answer := stream.next(t); !strings.Contains(answer, "caller alice") {
		t.Errorf("got %s", answer)
	}
	if status := post(t, stream.server+"/sse?sessionid=unknown", "alice", call); status != http.StatusNotFound {
		t.Errorf("an unknown session got %d", status)
	}
}
