// Command customserver is an MCP server as an application would write it for an authorization
// server that latchkey has no provider for: the custom provider, a verifier of JWTs against its key
// set, and plain net/http. It is to those what `latchkey serve` is to the built-in providers, with
// the same addresses and the same tool. With -client-id it is in proxy mode, in front of a provider
// that knows one application.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/custom"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/relay"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "customserver:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	proxySettings

	addr, publicURL, path          string
	issuer, authorize, token, jwks string
	introspector                   string
	supported, library             string
	scopes, toolScopes, origins    scopeList
	relay                          string
	relayOrigins                   scopeList
	relayAllowLoopback             bool
}

// scopeList is a flag that may be repeated.
type scopeList []string

func (s *scopeList) String() string { return strings.Join(*s, " ") }

func (s *scopeList) Set(scope string) error {
	*s = append(*s, scope)
	return nil
}

func run(ctx context.Context, args []string) error {
	var s settings
	flags := flag.NewFlagSet("customserver", flag.ContinueOnError)
	flags.StringVar(&s.addr, "addr", "", "address to listen on")
	flags.StringVar(&s.publicURL, "public-url", "", "scheme and host under which clients reach the server")
	flags.StringVar(&s.path, "path", "/mcp", "path of the MCP endpoint")
	flags.StringVar(&s.issuer, "issuer", "", "issuer of the authorization server")
	flags.StringVar(&s.authorize, "authorize", "", "authorization endpoint")
	flags.StringVar(&s.token, "token", "", "token endpoint")
	flags.StringVar(&s.jwks, "jwks", "", "key set")
	flags.StringVar(&s.introspector, "introspection-client", "",
		"client id of this server at the introspection endpoint, outside of proxy mode; its secret is in "+secretVariable)
	flags.StringVar(&s.supported, "supported", "openid profile email", "scopes that clients may ask for")
	flags.StringVar(&s.library, "library", goSDK, "what the MCP server is made of: "+goSDK+" or "+mcpGo)
	flags.Var(&s.scopes, "scope", "scope that every request needs; may be repeated")
	flags.Var(&s.toolScopes, "tool-scope", "scope that the tool step_up needs besides; may be repeated")
	s.register(flags)
	flags.Var(&s.origins, "origin", "browser origin that may call the server; may be repeated")
	flags.StringVar(&s.relay, "relay", "", "path of the browser relay; none without it")
	flags.Var(&s.relayOrigins, "relay-origin", "browser origin that may call the relay; may be repeated")
	flags.BoolVar(&s.relayAllowLoopback, "relay-allow-loopback", false, "let the relay reach servers on this machine")
	if err := flags.Parse(args); err != nil {
		return err
	}
	handler, err := newHandler(s)
	if err != nil {
		return err
	}
	return serve(ctx, s.addr, handler)
}

func newHandler(s settings) (http.Handler, error) {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	newProvider := newCustom
	if s.clientID != "" {
		newProvider = newProxy
	}
	provider, err := newProvider(s, logger)
	if err != nil {
		return nil, err
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{
		AllowedOrigins: s.origins,
		Resource:       s.publicURL + s.path, Scopes: s.scopes, Logger: logger,
		Proxy: proxy.Options{Tokens: s.tokens(), Scopes: s.toolScopes},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, route := range guard.Routes() {
		mux.Handle(route.Path, route.Handler)
	}
	if err := mountRelay(mux, s, logger); err != nil {
		return nil, err
	}
	tools := mcpadapter.ToolScopes{stepUpTool: s.toolScopes}
	below := mcpadapter.Handler(mcpHandler(tools))
	switch s.library {
	case goSDK:
	case mcpGo:
		if below, err = mcpGoHandler(s.toolScopes); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("--library %q is unknown", s.library)
	}
	mux.Handle(s.path, guard.Protect(tools.Challenge(guard, below)))
	mux.Handle("GET /whoami", guard.Protect(http.HandlerFunc(whoami)))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	return mux, nil
}

func mountRelay(mux *http.ServeMux, s settings, logger *slog.Logger) error {
	if s.relay == "" {
		return nil
	}
	r, err := relay.New(relay.Config{
		PublicURL: s.publicURL, BasePath: s.relay, AllowedOrigins: s.relayOrigins,
		InsecureAllowLoopback: s.relayAllowLoopback, Observer: observe.Slog(logger),
	})
	if err != nil {
		return err
	}
	mux.Handle(r.MetadataPath(), r)
	mux.Handle(r.ProxyPath(), r)
	return nil
}

// newCustom returns the custom provider, for an authorization server that registers clients itself.
func newCustom(s settings, logger *slog.Logger) (*runtime.Provider, error) {
	verifier, err := newVerifier(s, runtime.WithLogger(logger))
	if err != nil {
		return nil, err
	}
	return custom.New(custom.Config{
		Issuer: s.issuer, AuthEndpoint: s.authorize, TokenEndpoint: s.token, JWKSURL: s.jwks,
		ScopesSupported: strings.Fields(s.supported), VerifyToken: verifier,
	}, runtime.WithLogger(logger))
}

func newVerifier(s settings, options ...runtime.Option) (oauth.TokenVerifier, error) {
	if s.introspection == "" {
		return runtime.JWKSVerifier(runtime.JWKSConfig{JWKSURL: s.jwks, Issuer: s.issuer}, options...)
	}
	return runtime.IntrospectionVerifier(runtime.IntrospectionConfig{
		URL: s.introspection, Issuer: s.issuer,
		Credentials: facts.Credentials{ClientID: s.introspector, ClientSecret: oauth.Secret(os.Getenv(secretVariable))},
	}, options...)
}

// caller is what the tool answers, in the shape of `latchkey serve`.
type caller struct {
	User        oauth.UserInfo `json:"user"`
	Scopes      []string       `json:"scopes"`
	Permissions []string       `json:"permissions"`
	ClientID    string         `json:"client_id"`
	Issuer      string         `json:"issuer"`
	ExpiresAt   time.Time      `json:"expires_at"`
}

func describe(info *oauth.AuthInfo) ([]byte, error) {
	return json.Marshal(caller{info.User, info.Scopes, info.Permissions, info.ClientID, info.Issuer, info.ExpiresAt})
}

// The libraries of --library: the official Go SDK and mark3labs/mcp-go.
const (
	goSDK = "go-sdk"
	mcpGo = "mcp-go"
)

// stepUpTool is the tool that needs --tool-scope.
const stepUpTool = "step_up"

func mcpHandler(scopes mcpadapter.ToolScopes) http.Handler {
	server := mcp.NewServer(&mcp.Implementation{Name: "customserver", Version: "1.0.0"}, nil)
	server.AddReceivingMiddleware(scopes.Enforce)
	for _, name := range []string{"whoami", stepUpTool} {
		mcp.AddTool(server, &mcp.Tool{Name: name, Description: "Tells who is calling."}, tellCaller)
	}
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true})
}

func tellCaller(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	info, ok := mcpadapter.AuthInfo(request)
	if !ok {
		return nil, nil, errors.New("no verified caller")
	}
	text, err := describe(info)
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}}, nil, nil
}

func whoami(w http.ResponseWriter, r *http.Request) {
	info, ok := oauth.FromContext(r.Context())
	if !ok {
		http.Error(w, "no verified caller", http.StatusInternalServerError)
		return
	}
	text, err := describe(info)
	if err != nil {
		http.Error(w, "cannot describe the caller", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text)
}

func serve(ctx context.Context, addr string, handler http.Handler) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(drain)
}
