package bench

import (
	"context"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/runtime"
)

// Middleware guards a route of Echo, and tells its handler who calls.
type Middleware struct {
	Wrap    echo.MiddlewareFunc
	Subject func(c echo.Context) string
}

// The servers that [NewServer] knows.
const (
	Unguarded     = "unguarded"
	Latchkey      = "latchkey"
	LatchkeyFresh = "latchkey-first-seen"
	EchoJWT       = "echo-jwt"
	GoSDK         = "go-sdk"
	Auth0         = "auth0"
	MCP           = "mcp"
	MCPUnguarded  = "mcp-unguarded"
)

// NewServer returns a server with one route, /mcp/whoami, that answers with the caller's subject,
// or an MCP server with one tool, whoami, at /mcp. All are Echo servers, so that the guards alone
// make the difference.
func NewServer(ctx context.Context, name, jwksURL string) (http.Handler, error) {
	e := echo.New()
	if name == MCP || name == MCPUnguarded {
		return e, addMCP(e, name == MCP, jwksURL)
	}
	m, err := newMiddleware(ctx, e, name, jwksURL)
	if err != nil {
		return nil, err
	}
	answer := func(c echo.Context) error { return c.String(http.StatusOK, m.Subject(c)) }
	if m.Wrap == nil {
		e.GET("/mcp/whoami", answer)
	} else {
		e.GET("/mcp/whoami", answer, m.Wrap)
	}
	return e, nil
}

func newMiddleware(ctx context.Context, e *echo.Echo, name, jwksURL string) (Middleware, error) {
	peers := NewPeers(string(jose.RS256), jwksURL)
	switch name {
	case Unguarded:
		return Middleware{Subject: func(echo.Context) string { return Subject }}, nil
	case Latchkey:
		return Guarded(e, jwksURL)
	case LatchkeyFresh:
		return Guarded(e, jwksURL, FirstSeenOnly)
	case EchoJWT:
		return peers.EchoJWT(ctx)
	case GoSDK:
		return peers.GoSDK(ctx), nil
	case Auth0:
		return peers.Auth0Middleware()
	default:
		return Middleware{}, fmt.Errorf("no server is called %q", name)
	}
}

// Guarded is latchkey's middleware for Echo.
func Guarded(e *echo.Echo, jwksURL string, opts ...runtime.Option) (Middleware, error) {
	provider, err := NewProvider(jose.RS256, jwksURL, opts...)
	if err != nil {
		return Middleware{}, err
	}
	guard, err := echoadapter.Mount(e, provider, echoadapter.Config{Resource: Resource})
	if err != nil {
		return Middleware{}, err
	}
	return Middleware{
		Wrap: guard.Require(),
		Subject: func(c echo.Context) string {
			info, ok := echoadapter.AuthInfo(c)
			if !ok {
				return ""
			}
			return info.Subject
		},
	}, nil
}

func addMCP(e *echo.Echo, guarded bool, jwksURL string) error {
	s := mcp.NewServer(&mcp.Implementation{Name: "bench", Version: "1.0.0"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami", Description: "says who calls"},
		func(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			subject := "nobody"
			if info, ok := mcpadapter.AuthInfo(r); ok {
				subject = info.Subject
			}
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: subject}}}, nil, nil
		})
	var handler http.Handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	if !guarded {
		e.POST("/mcp", echo.WrapHandler(handler))
		return nil
	}
	m, err := Guarded(e, jwksURL)
	if err != nil {
		return err
	}
	e.POST("/mcp", echo.WrapHandler(mcpadapter.Handler(handler)), m.Wrap)
	return nil
}
