package sessions_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/sessions"
)

// mcpServer stands for the handler of an MCP library.
func mcpServer() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Session-Id") == "" {
			w.Header().Set("Mcp-Session-Id", "1")
		}
	})
}

// protect stands for guard.Protect.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: r.Header.Get("Authorization")}
		next.ServeHTTP(w, r.WithContext(oauth.NewContext(r.Context(), info)))
	})
}

func ExampleBinder_Bind() {
	binder, err := sessions.New(sessions.Config{})
	if err != nil {
		log.Fatal(err)
	}
	handler := protect(binder.Bind(mcpServer()))

	ask := func(caller, session string) *http.Response {
		r := httptest.NewRequest(http.MethodPost, "/mcp", nil)
		r.Header.Set("Authorization", caller)
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result()
	}
	session := ask("alice", "").Header.Get("Mcp-Session-Id")
	fmt.Println("alice:", ask("alice", session).Status)
	fmt.Println("bob:", ask("bob", session).Status)
	// Output:
	// alice: 200 OK
	// bob: 404 Not Found
}
