package mcpadapter_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
)

// One tool of a server needs a scope of its own. The stand-ins are for what [runtime.NewGuard] or
// echoadapter.Mount returns.
func ExampleToolScopes() {
	scopes := mcpadapter.ToolScopes{"delete_note": {"notes:write"}}

	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1.0.0"}, nil)
	server.AddReceivingMiddleware(scopes.Enforce)
	mcp.AddTool(server, &mcp.Tool{Name: "delete_note"},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{}, nil, nil
		})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)

	protect, guard := standInForProtect, refuser{}
	protected := protect(scopes.Challenge(guard, mcpadapter.Handler(handler)))

	answer := httptest.NewRecorder()
	protected.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/mcp",
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_note"}}`)))
	fmt.Print(answer.Code, " ", answer.Body)
	// Output: 403 insufficient_scope notes:write, caller alice
}

// standInForProtect lets alice in, who may read.
func standInForProtect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: "alice", Scopes: []string{"notes:read"}}
		next.ServeHTTP(w, r.WithContext(oauth.NewContext(r.Context(), info)))
	})
}
