package echoadapter_test

import (
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/providers_gen/auth0"
)

// Mount adds the documents that clients look for; the route is protected by Require.
func ExampleMount() {
	provider, err := auth0.New(auth0.Config{Domain: "dev-1.eu.auth0.com", Audience: "https://mcp.example.com/mcp"})
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	guard, err := echoadapter.Mount(e, provider, echoadapter.Config{
		Resource: "https://mcp.example.com/mcp",
		Logger:   slog.New(slog.DiscardHandler), // the default is slog.Default
	})
	if err != nil {
		log.Fatal(err)
	}
	e.POST("/mcp", func(c echo.Context) error {
		caller, _ := echoadapter.AuthInfo(c)
		return c.String(http.StatusOK, "Hello "+caller.Subject)
	}, guard.Require())

	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/mcp", nil))
	fmt.Println(answer.Code)
	answer = httptest.NewRecorder()
	e.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/.well-known/oauth-protected-resource/mcp", nil))
	fmt.Println(answer.Code)
	// Output:
	// 401
	// 200
}

// mounted is a server with the guard of a provider that knows one token, "good", of alice. She may
// read.
func mounted() (*echo.Echo, *echoadapter.Guard) {
	e := echo.New()
	guard, err := echoadapter.Mount(e, fake{"https://idp.example.com"}, echoadapter.Config{
		Resource: "https://mcp.example.com/mcp",
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	return e, guard
}

// The handlers of a group see verified callers only.
func ExampleGuard_Require() {
	e, guard := mounted()
	api := e.Group("/mcp", guard.Require())
	api.GET("/whoami", func(c echo.Context) error {
		caller, _ := echoadapter.AuthInfo(c)
		return c.String(http.StatusOK, caller.Subject)
	})

	for _, token := range []string{"good", "forged"} {
		request := httptest.NewRequest(http.MethodGet, "/mcp/whoami", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, request)
		fmt.Println(token, answer.Code)
	}
	// Output:
	// good 200
	// forged 401
}

// A route may need scopes of its own, beside a caller.
func ExampleRequireScope() {
	e, guard := mounted()
	done := func(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
	e.GET("/mcp/notes", done, guard.Require(), echoadapter.RequireScope("read"))
	e.DELETE("/mcp/notes", done, guard.Require(), echoadapter.RequireScope("read", "delete"))

	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		request := httptest.NewRequest(method, "/mcp/notes", nil)
		request.Header.Set("Authorization", "Bearer good")
		answer := httptest.NewRecorder()
		e.ServeHTTP(answer, request)
		fmt.Println(method, answer.Code)
	}
	// Output:
	// GET 204
	// DELETE 403
}
