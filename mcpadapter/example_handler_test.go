package mcpadapter_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/mcpadapter"
)

// A tool greets its caller. The stand-in is for what guard.Protect or echoadapter's guard.Require
// does.
func ExampleHandler() {
	ctx := context.Background()
	server := mcp.NewServer(&mcp.Implementation{Name: "greeter", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet"},
		func(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			caller, _ := mcpadapter.AuthInfo(request)
			greeting := &mcp.TextContent{Text: "Hello " + caller.Subject}
			return &mcp.CallToolResult{Content: []mcp.Content{greeting}}, nil, nil
		})
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)

	protect := standInForProtect
	listening := httptest.NewServer(protect(mcpadapter.Handler(handler)))
	defer listening.Close()

	client := mcp.NewClient(&mcp.Implementation{Name: "example", Version: "1.0.0"}, nil)
	transport := &mcp.StreamableClientTransport{
		Endpoint: listening.URL, DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: &bearer{token: "a-token"}},
	}
	session, err := client.Connect(ctx, transport, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "greet"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output: Hello alice
}
