package mcpadapter_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
)

// guard stands for a guard: it takes "Bearer NAME" for the verified caller NAME, whose token ran
// out a second ago, within the leeway that the guard granted.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		info := &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: name, Scopes: []string{"a"}, ExpiresAt: time.Now().Add(-time.Second)}
		next.ServeHTTP(w, r.WithContext(oauth.NewContext(r.Context(), info)))
	})
}

// bearer adds a token that the test may exchange between requests.
type bearer struct{ token string }

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

func whoamiServer(t *testing.T, stateless bool) *httptest.Server {
	t.Helper()
	s := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami"}, func(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		info, ok := mcpadapter.AuthInfo(r)
		text := "nobody"
		if ok {
			text = info.Subject + " as " + r.Extra.TokenInfo.UserID
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
	})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: stateless})
	server := httptest.NewServer(guard(mcpadapter.Handler(handler)))
	t.Cleanup(server.Close)
	return server
}

func connect(t *testing.T, url string, b *bearer) *mcp.ClientSession {
	t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
		&mcp.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: b}, DisableStandaloneSSE: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestToolsSeeTheCaller(t *testing.T) {
	t.Parallel()
	for name, stateless := range map[string]bool{"in a stateless server": true, "in a session": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session := connect(t, whoamiServer(t, stateless).URL, &bearer{"alice"})
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			if err != nil {
				t.Fatal(err)
			}
			if text := result.Content[0].(*mcp.TextContent).Text; text != "alice as https://idp.example.com alice" {
				t.Errorf("the tool sees %q", text)
			}
		})
	}
}

// RS-12: a session belongs to one issuer and subject.
// covers: RS-12
func TestSessionIsBoundToItsUser(t *testing.T) {
	t.Parallel()
	b := &bearer{"alice"}
	session := connect(t, whoamiServer(t, false).URL, b)
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"}); err != nil {
		t.Fatal(err)
	}
	b.token = "mallory"
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"}); err == nil {
		t.Error("another user took the session over")
	}
}

func TestHandlerWithoutGuardFailsClosed(t *testing.T) {
	t.Parallel()
	handler := mcpadapter.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("an unverified request passed") }))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
	r.Header.Set("Authorization", "Bearer x")
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("got %d", w.Code)
	}
}
