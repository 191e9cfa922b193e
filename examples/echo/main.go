// Command echo is the README's example: an MCP server on Echo whose callers log in with Auth0.
//
// Set MCP_USE_OAUTH_AUTH0_DOMAIN and MCP_USE_OAUTH_AUTH0_AUDIENCE, or fill in the configuration.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/auth0"
)

func main() {
	provider, err := auth0.New(auth0.Config{}) // domain and audience from the environment, or set them here
	if err != nil {
		log.Fatal(err)
	}
	e, err := newServer(provider)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(e.Start("127.0.0.1:8080"))
}

func newServer(provider oauth.Provider) (*echo.Echo, error) {
	e := echo.New()
	guard, err := echoadapter.Mount(e, provider, echoadapter.Config{Resource: "https://mcp.example.com/mcp"})
	if err != nil {
		return nil, err
	}
	e.Any("/mcp", echo.WrapHandler(mcpadapter.Handler(mcpHandler())), guard.Require())
	e.DELETE("/admin", purge, guard.Require(), echoadapter.RequireScope("admin"))
	return e, nil
}

// mcpHandler is an MCP server with one tool, which greets its caller.
func mcpHandler() http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "example", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet", Description: "Greets the caller."},
		func(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			info, _ := mcpadapter.AuthInfo(request)
			greeting := &mcp.TextContent{Text: fmt.Sprintf("Hello %s!", info.User.Name)}
			return &mcp.CallToolResult{Content: []mcp.Content{greeting}}, nil, nil
		})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{
			Stateless: true,
			// It would refuse the public Host that a reverse proxy on this machine passes on. DNS rebinding,
			// which that protection is for, gets nobody past the guard: a foreign page has no token.
			DisableLocalhostProtection: true,
		})
}

func purge(c echo.Context) error {
	info, _ := echoadapter.AuthInfo(c)
	return c.String(http.StatusOK, "purged by "+info.Subject)
}
