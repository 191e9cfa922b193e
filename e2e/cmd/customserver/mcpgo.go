package main

import (
	"context"
	"net/http"

	mcpgo "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/sessions"
)

// mcpGoHandler is the MCP server on mark3labs/mcp-go, with sessions. That library knows nothing of
// callers: its tools find theirs in their context, which is the request's, and its sessions are
// tied to callers from outside.
func mcpGoHandler(scopes []string) (http.Handler, error) {
	mcpServer := server.NewMCPServer("customserver", "1.0.0")
	for name, needed := range map[string][]string{"whoami": nil, stepUpTool: scopes} {
		mcpServer.AddTool(mcpgo.NewTool(name, mcpgo.WithDescription("Tells who is calling.")),
			func(ctx context.Context, _ mcpgo.CallToolRequest) (*mcpgo.CallToolResult, error) {
				info, _ := oauth.FromContext(ctx)
				if err := info.CheckScope(needed...); err != nil {
					return nil, err
				}
				text, err := describe(info)
				if err != nil {
					return nil, err
				}
				return mcpgo.NewToolResultText(string(text)), nil
			})
	}
	binder, err := sessions.New(sessions.Config{})
	if err != nil {
		return nil, err
	}
	return binder.Bind(server.NewStreamableHTTPServer(mcpServer, server.WithStateful(true))), nil
}
