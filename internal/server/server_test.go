package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
)

// fake accepts the token "good" as alice.
type fake struct{}

func (fake) Describe() oauth.Description {
	return oauth.Description{Name: "fake", Issuer: "https://idp.example.com"}
}

func (fake) Verify(_ context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	switch presented.Token {
	case "good":
		return &oauth.AuthInfo{
			Issuer: "https://idp.example.com", Subject: "alice", User: oauth.UserInfo{ID: "alice", Email: "alice@example.com"},
			Scopes: []string{"profile"}, ClientID: "client", ExpiresAt: time.Unix(1_900_000_000, 0), AccessToken: presented.Token,
		}, nil
	case "panic":
		panic("a verifier that breaks")
	default:
		return nil, oauth.InvalidToken(oauth.ReasonBadSignature, nil)
	}
}

func newServer(t *testing.T) http.Handler {
	t.Helper()
	handler, err := server.New(server.Config{
		Provider: fake{}, PublicURL: "http://127.0.0.1:8080", Path: "/mcp", ListenAddr: "127.0.0.1:8080",
		Origins: []string{"https://app.example.com"}, Hosts: []string{"mcp.internal:9000"}, Logger: slog.New(slog.DiscardHandler),
		Relay: &echoadapter.RelayConfig{BasePath: "/oauth", AllowedOrigins: []string{"https://pages.example.com"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// covers: T-OPS-01
func TestRoutes(t *testing.T) {
	t.Parallel()
	handler := newServer(t)
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
	for name, c := range map[string]struct {
		method, path, body, token, host, origin string
		status                                  int
		contains                                string
	}{
		"health is public":                         {path: "/healthz", status: 200, contains: "ok"},
		"health has no host":                       {path: "/healthz", host: "10.0.0.7:8080", status: 200},
		"the MCP endpoint needs a token":           {method: "POST", path: "/mcp", body: call, status: 401},
		"the metadata below the resource":          {path: "/mcp/.well-known/oauth-protected-resource", status: 200, contains: `"resource":"http://127.0.0.1:8080/mcp"`},
		"a host of a reverse proxy":                {path: "/whoami", host: "MCP.internal:9000", token: "good", status: 200},
		"a reverse proxy's name with another port": {path: "/whoami", host: "mcp.internal:9001", token: "good", status: 403},
		"the other spelling of the endpoint":       {method: "POST", path: "/mcp/", body: call, token: "good", status: 200, contains: `\"userId\":\"alice\"`},
		"the other spelling needs a token too":     {method: "POST", path: "/mcp/", body: call, status: 401},
		"the caller's page needs a token":          {path: "/whoami", status: 401},
		"the caller as JSON":                       {path: "/whoami", token: "good", status: 200, contains: `"user":{"email":"alice@example.com","userId":"alice"},"scopes":["profile"],"permissions":[],"client_id":"client","issuer":"https://idp.example.com","expires_at":"2030-03-17T17:46:40Z"`},
		"the caller in a tool":                     {method: "POST", path: "/mcp", body: call, token: "good", status: 200, contains: `\"userId\":\"alice\"`},
		"a foreign host":                           {path: "/whoami", token: "good", host: "evil.example.com", status: 403},
		"a foreign origin":                         {path: "/whoami", token: "good", origin: "https://evil.example.com", status: 403},
		"a foreign origin at the metadata":         {path: "/.well-known/oauth-protected-resource", origin: "https://evil.example.com", status: 403},
		"a listed origin":                          {path: "/whoami", token: "good", origin: "https://app.example.com", status: 200},
		"a panic is a 500 for that request alone":  {path: "/whoami", token: "panic", status: 500},
		"the relay takes its own origins":          {path: "/oauth/metadata", origin: "https://pages.example.com", status: 400},
		"the relay refuses other origins":          {path: "/oauth/metadata", origin: "https://app.example.com", status: 403},
		"the relay refuses a foreign host":         {path: "/oauth/metadata", host: "evil.example.com", status: 403},
		"the relay's origins get nothing else":     {path: "/whoami", token: "good", origin: "https://pages.example.com", status: 403},
		"an unknown path":                          {path: "/nope", status: 404},
		"the metadata is public":                   {path: "/.well-known/oauth-protected-resource/mcp", status: 200, contains: `"resource":"http://127.0.0.1:8080/mcp"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method := c.method
			if method == "" {
				method = http.MethodGet
			}
			r := httptest.NewRequest(method, c.path, strings.NewReader(c.body))
			r.Host = "127.0.0.1:8080"
			if c.host != "" {
				r.Host = c.host
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json, text/event-stream")
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if c.token != "" && strings.Contains(w.Body.String(), `"`+c.token+`"`) {
				t.Error("the answer holds the token")
			}
		})
	}
}

// RS-8: the challenge of a tool names what the caller had and what the tool needs, so one login is
// enough.
// covers: RS-8
func TestToolWithScopesOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		needed              []string
		tool                string
		status              int
		contains, challenge string
	}{
		"a caller without the scope is told to get it": {
			needed: []string{"notes:write"}, tool: "step_up", status: 403, contains: "insufficient_scope",
			challenge: `error="insufficient_scope", error_description="Missing required scope(s): notes:write", ` +
				`scope="profile notes:write", resource_metadata="http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp"`,
		},
		"a caller with the scope is answered":  {needed: []string{"profile"}, tool: "step_up", status: 200, contains: `\"userId\":\"alice\"`},
		"other tools need nothing":             {needed: []string{"notes:write"}, tool: "whoami", status: 200, contains: `\"userId\":\"alice\"`},
		"without scopes there is no such tool": {tool: "step_up", status: 200, contains: `unknown tool`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler, err := server.New(server.Config{
				Provider: fake{}, PublicURL: "http://127.0.0.1:8080", Path: "/mcp", ListenAddr: "127.0.0.1:8080",
				ToolScopes: c.needed, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + c.tool + `","arguments":{}}}`
			r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
			r.Host = "127.0.0.1:8080"
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json, text/event-stream")
			r.Header.Set("Authorization", "Bearer good")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if challenge := w.Header().Get("WWW-Authenticate"); w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) ||
				!strings.HasSuffix(challenge, c.challenge) {
				t.Errorf("got %d %q %s", w.Code, challenge, w.Body)
			}
			metadata := httptest.NewRecorder()
			r = httptest.NewRequest(http.MethodGet, "/.well-known/oauth-protected-resource/mcp", http.NoBody)
			r.Host = "127.0.0.1:8080"
			handler.ServeHTTP(metadata, r)
			if strings.Contains(metadata.Body.String(), "notes:write") {
				t.Errorf("the scope is announced, so clients would ask for it at once: %s", metadata.Body)
			}
		})
	}
}

func TestConfigurationMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]server.Config{
		"a public URL with a path":                    {PublicURL: "https://mcp.example.com/x", Path: "/mcp"},
		"a public URL without scheme":                 {PublicURL: "mcp.example.com", Path: "/mcp"},
		"two scopes in one":                           {PublicURL: "https://mcp.example.com", Path: "/mcp", ToolScopes: []string{"a b"}},
		"plain http":                                  {PublicURL: "http://mcp.example.com", Path: "/mcp"},
		"a path without slash":                        {PublicURL: "https://mcp.example.com", Path: "mcp"},
		"the root as path":                            {PublicURL: "https://mcp.example.com", Path: "/"},
		"a path with a query":                         {PublicURL: "https://mcp.example.com", Path: "/mcp?x"},
		"a taken path":                                {PublicURL: "https://mcp.example.com", Path: "/healthz"},
		"a taken folder":                              {PublicURL: "https://mcp.example.com", Path: "/.well-known/mcp"},
		"R8: a path with two slashes behind":          {PublicURL: "https://mcp.example.com", Path: "/mcp//"},
		"R8: a taken path with a slash behind":        {PublicURL: "https://mcp.example.com", Path: "/whoami/"},
		"R9: a prefix with a slash behind":            {PublicURL: "https://mcp.example.com", ExternalPrefix: "/api/", Path: "/mcp"},
		"R9: a prefix that is the root":               {PublicURL: "https://mcp.example.com", ExternalPrefix: "/", Path: "/mcp"},
		"R9: a prefix without a slash":                {PublicURL: "https://mcp.example.com", ExternalPrefix: "api", Path: "/mcp"},
		"R9: metadata that is no URL":                 {PublicURL: "https://mcp.example.com", Path: "/mcp", ResourceMetadataURL: "metadata"},
		"a host that is none":                         {PublicURL: "https://mcp.example.com", Path: "/mcp", Hosts: []string{"https://mcp.internal"}},
		"D21: a path that forms write in another way": {PublicURL: "https://mcp.example.com", Path: "/\u00e4gent"},
		"D21: a path with a space":                    {PublicURL: "https://mcp.example.com", Path: "/a b"},
		"a path with a star":                          {PublicURL: "https://mcp.example.com", Path: "/mcp/*"},
		"a path with a parameter":                     {PublicURL: "https://mcp.example.com", Path: "/:any"},
		"a public URL with a query":                   {PublicURL: "https://mcp.example.com?x", Path: "/mcp"},
		"a public URL with a user":                    {PublicURL: "https://me@mcp.example.com", Path: "/mcp"},
		"a scope of two words":                        {PublicURL: "https://mcp.example.com", Path: "/mcp", Scopes: []string{"a b"}},
	} {
		c.Provider, c.ListenAddr = fake{}, "127.0.0.1:8080"
		if _, err := server.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestTheResourceHasOneSpelling is about what serve prints, announces and sends.
// covers: R7
func TestTheResourceHasOneSpelling(t *testing.T) {
	t.Parallel()
	for publicURL, want := range map[string]string{
		"https://MCP.Example.com:443": "https://mcp.example.com/Mcp", "HTTPS://mcp.example.com/": "https://mcp.example.com/Mcp",
		"http://LOCALHOST:80": "http://localhost/Mcp", "https://mcp.example.com:8443": "https://mcp.example.com:8443/Mcp",
	} {
		if got, err := server.ResourceURL(publicURL, "", "/Mcp"); err != nil || got != want {
			t.Errorf("R7: %s is %s (%v), want %s", publicURL, got, err, want)
		}
	}
	if got, err := server.ResourceURL("https://mcp.example.com", "/api", "/mcp/"); err != nil || got != "https://mcp.example.com/api/mcp/" {
		t.Errorf("R8: got %s (%v)", got, err)
	}
}

// covers: R8, R9
func TestWhereTheEndpointIs(t *testing.T) {
	t.Parallel()
	const below = "/.well-known/oauth-protected-resource"
	for name, c := range map[string]struct {
		config   server.Config
		resource string
		metadata string // that the challenge names
		arrives  string // where the request for it arrives
	}{
		"R8: a slash at the end": {server.Config{Path: "/mcp/"}, "/mcp/", "https://mcp.example.com" + below + "/mcp/", below + "/mcp/"},
		"R9: a prefix that is taken away": {
			server.Config{Path: "/mcp", ExternalPrefix: "/api"}, "/api/mcp", "https://mcp.example.com/api/mcp" + below, "/mcp" + below,
		},
		"R9: metadata below the resource": {
			server.Config{Path: "/mcp", ResourceMetadataURL: "https://mcp.example.com/mcp" + below}, "/mcp",
			"https://mcp.example.com/mcp" + below, "/mcp" + below,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.Provider, c.config.PublicURL, c.config.Logger = fake{}, "https://mcp.example.com", slog.New(slog.DiscardHandler)
			handler, err := server.New(c.config)
			if err != nil {
				t.Fatal(err)
			}
			ask := func(method, path, token string) *httptest.ResponseRecorder {
				r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
				r.Host = "mcp.example.com"
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Accept", "application/json, text/event-stream")
				if token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w
			}
			for _, spelling := range []string{"/mcp", "/mcp/"} {
				if w := ask(http.MethodPost, spelling, "good"); w.Code != http.StatusOK {
					t.Errorf("%s: %d %s", spelling, w.Code, w.Body)
				}
				w := ask(http.MethodPost, spelling, "")
				if challenge := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized ||
					!strings.Contains(challenge, `resource_metadata="`+c.metadata+`"`) {
					t.Errorf("%s: %d %q", spelling, w.Code, challenge)
				}
			}
			if w := ask(http.MethodGet, c.arrives, ""); !strings.Contains(w.Body.String(), `"resource":"https://mcp.example.com`+c.resource+`"`) {
				t.Errorf("the metadata: %d %s", w.Code, w.Body)
			}
		})
	}
}

// covers: T-OPS-05
func TestStopLetsRequestsInFlightFinish(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "finished")
	})
	ctx, stop := context.WithCancel(t.Context())
	ended, answered := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- server.Run(ctx, listener, handler, server.Lifecycle{Logger: slog.New(slog.DiscardHandler)})
	}()
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		answered <- string(body)
	}()
	<-arrived
	stop()
	close(release)
	if got := <-answered; got != "finished" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestCallerNeverHoldsTheToken(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal(server.Caller{})
	if err != nil || strings.Contains(string(out), "token") {
		t.Errorf("got %s, %v", out, err)
	}
}
