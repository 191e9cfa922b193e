// Package server is the MCP server that the command line runs: a few tools behind a guard, or
// another handler in their place, on Echo.
package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/internal/originguard"
	"github.com/latchkey-auth/latchkey/internal/pacedbody"
	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/mcpadapter"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Config says what a server serves.
type Config struct {
	Provider oauth.Provider
	// PublicURL is the scheme and host under which clients reach the server.
	PublicURL string
	// ExternalPrefix is what a reverse proxy takes away from the beginning of each path.
	ExternalPrefix string
	// Path is the path of the MCP endpoint, at which its requests arrive.
	Path string
	// ResourceMetadataURL is where challenges send clients for the endpoint's metadata. The default
	// is the guard's.
	ResourceMetadataURL string
	// ListenAddr is the address of the listener, for the check of Host.
	ListenAddr string
	// Scopes are needed for every request.
	Scopes []string
	// ToolScopes, when there are any, add the tool step_up, which needs all of them. They are not
	// announced, so clients ask for them when they first call the tool.
	ToolScopes []string
	// ScopeWords say in words, for the page that asks users, what scopes allow, in mode proxy.
	ScopeWords map[string]string
	// Origins are the browser origins that may call the server, besides its own.
	Origins []string
	// Headers are further headers that scripts of these origins may send.
	Headers []string
	// CustomSchemes are the URI schemes of native applications that may log in, in mode proxy.
	CustomSchemes []string
	// ClientDocuments says which clients may describe themselves by a document, in mode proxy.
	ClientDocuments proxy.ClientDocuments
	// Limits bounds what one client address may do, in mode proxy.
	Limits proxy.Limits
	// ClientAddress names the client of a request, for rate limits. The default is the connection's
	// own address.
	ClientAddress func(*http.Request) string
	// Hosts are further hosts, NAME or NAME:PORT, under which reverse proxies pass requests on.
	Hosts []string
	// MaxBody is the largest body, in bytes, that the MCP endpoint takes. The default is
	// [DefaultMaxBody].
	MaxBody int64
	// InsecureStreamsOutliveTokens is the guard's option.
	InsecureStreamsOutliveTokens bool
	// Endpoint, when set, answers verified callers at Path in the place of the demonstration's tools.
	Endpoint http.Handler
	// Relay, when set, mounts the browser relay. Its PublicURL, ClientAddress and Observer are
	// filled in here.
	Relay *echoadapter.RelayConfig
	// Store, RevocationMemory and StoreGrace are the options of mode proxy.
	Store                        store.Store
	RevocationMemory, StoreGrace time.Duration
	// Ready, when set, is served at /readyz.
	Ready *readiness.Parts
	// Version is what the server says of itself to MCP clients.
	Version string
	Logger  *slog.Logger
	// Observer, when set, sees what the server itself refuses, and the relay. The guard has the
	// provider's observers.
	Observer observe.Observer
}

// New returns the server as a handler.
func New(config Config) (http.Handler, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	resource, err := ResourceURL(config.PublicURL, config.ExternalPrefix, config.Path)
	if err != nil {
		return nil, err
	}
	origins, err := originguard.New(config.PublicURL, config.ListenAddr, config.Origins)
	if err != nil {
		return nil, err
	}
	for _, host := range config.Hosts {
		if err := origins.Allow(host); err != nil {
			return nil, err
		}
	}
	for _, scope := range config.ToolScopes {
		if !oauth.ValidScope(scope) {
			return nil, fmt.Errorf("%q is not one scope (RFC 6749 section 3.3); list several as several", scope)
		}
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(slog.NewLogLogger(config.Logger.Handler(), slog.LevelWarn).Writer()) // Echo's own goes to standard output
	relayed, err := mountRelay(e, config)
	if err != nil {
		return nil, err
	}
	log := observe.Multi(observe.Slog(config.Logger), config.Observer)
	e.Use(recovered(log), ownHostAndOrigin(origins, relayed, log))
	guard, err := echoadapter.Mount(e, config.Provider, echoadapter.Config{
		Resource: resource, ExternalPrefix: config.ExternalPrefix, ResourceMetadataURL: config.ResourceMetadataURL,
		Name: "latchkey", Scopes: config.Scopes,
		AllowedOrigins: config.Origins, AllowedHeaders: config.Headers, Logger: config.Logger,
		InsecureStreamsOutliveTokens: config.InsecureStreamsOutliveTokens, ClientAddress: config.ClientAddress,
		Proxy: proxy.Options{
			CustomSchemes: config.CustomSchemes, Scopes: config.ToolScopes, ScopeWords: config.ScopeWords,
			ClientDocuments: config.ClientDocuments, Limits: config.Limits,
			Store: config.Store, RevocationMemory: config.RevocationMemory, StoreGrace: config.StoreGrace,
		},
	})
	if err != nil {
		return nil, err
	}
	e.GET(healthPath, func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	if config.Ready != nil {
		e.GET(readyPath, echo.WrapHandler(config.Ready))
	}
	endpoint := echo.WrapHandler(config.Endpoint)
	if config.Endpoint == nil {
		tools := toolScopes(config)
		endpoint = echo.WrapHandler(tools.Challenge(guard, mcpadapter.Handler(mcpHandler(config, tools))))
		e.GET("/whoami", whoami, guard.Require())
	}
	path := strings.TrimSuffix(config.Path, "/")
	for _, spelling := range []string{path, path + "/"} { // clients add or drop a slash
		e.Any(spelling, endpoint, guard.Require(), bounded(cmp.Or(config.MaxBody, DefaultMaxBody)))
	}
	return pacedbody.Handler(e), nil
}

// DefaultMaxBody is the largest body, in bytes, that the MCP endpoint takes.
const DefaultMaxBody = 4 << 20

// bounded refuses bodies of more than limit bytes.
func bounded(limit int64) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if r.ContentLength > limit {
				return echo.NewHTTPError(http.StatusRequestEntityTooLarge, fmt.Sprintf("The body has more than %d bytes", limit))
			}
			if r.Body != nil {
				r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
			}
			return next(c)
		}
	}
}

// These are answered to everybody, whatever Host says: load balancers ask by address.
const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// ResourceURL joins the public URL, which must be a bare origin, the external prefix, if there is
// one, and the path of the MCP endpoint. It is the one spelling in which the endpoint is announced
// and sent.
func ResourceURL(publicURL, prefix, path string) (string, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the public URL must be a scheme and host without anything else, such as https://mcp.example.com: " +
			"a path that a reverse proxy takes away belongs into --external-prefix, any other into --path")
	}
	if prefix != "" && (!plain(prefix) || strings.HasSuffix(prefix, "/")) {
		return "", fmt.Errorf("external prefix %q must be a path that a reverse proxy takes away, without a slash at its end, such as /api", prefix)
	}
	if !plain(path) || strings.ContainsAny(path, ":*") { // these are Echo's patterns
		return "", fmt.Errorf("path %q must name the MCP endpoint, with a slash in front, such as /mcp", path)
	}
	if (&url.URL{Path: path}).EscapedPath() != path {
		return "", fmt.Errorf("path %q has characters that URLs write in another way, which routers, forms and cookies read differently: "+
			"choose one of letters, digits, - and _, such as /mcp", path)
	}
	if own := strings.TrimSuffix(path, "/"); own == healthPath || own == readyPath || own == "/whoami" || strings.HasPrefix(path, "/.well-known/") {
		return "", fmt.Errorf("path %q is taken by the server itself, choose another such as /mcp", path)
	}
	return oauth.CanonicalResource(u.Scheme + "://" + u.Host + prefix + path)
}

// plain reports whether a text is the path of a URL and nothing else, and not the root.
func plain(path string) bool {
	u, err := url.Parse(path)
	return err == nil && len(path) > 1 && path[0] == '/' && u.Path == path && u.Host == ""
}

// RedirectURI is where users come back to from a provider in mode proxy.
func RedirectURI(resource string) string {
	return strings.TrimSuffix(resource, "/") + "/oauth/callback"
}

// mountRelay mounts the relay, if there is one, and returns its paths.
func mountRelay(e *echo.Echo, config Config) ([]string, error) {
	if config.Relay == nil {
		return nil, nil
	}
	settings := *config.Relay
	settings.PublicURL, settings.ClientAddress = config.PublicURL, config.ClientAddress
	settings.Observer = observe.Multi(observe.Slog(config.Logger), config.Observer)
	r, err := echoadapter.MountRelay(e, settings)
	if err != nil {
		return nil, err
	}
	return []string{r.MetadataPath(), r.ProxyPath()}, nil
}

// ownHostAndOrigin refuses requests that DNS rebinding or a foreign page may have made. Of the
// relay's paths it checks the host alone: the relay has its own list of origins.
func ownHostAndOrigin(guard *originguard.Guard, relayed []string, log observe.Observer) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			switch {
			case r.URL.Path == healthPath, r.URL.Path == readyPath, guard.Allows(r):
				return next(c)
			case slices.Contains(relayed, r.URL.Path) && guard.AllowsHost(r):
				return next(c)
			}
			log.Observe(r.Context(), observe.Event{
				Kind: observe.RequestRefused, Time: time.Now(), Reason: oauth.ReasonForeignOrigin, Status: http.StatusForbidden,
				Method: r.Method, Path: r.URL.Path, Hint: hintFor(guard, r),
				Details: []slog.Attr{slog.String("host", r.Host), slog.String("origin", r.Header.Get("Origin")), slog.Any("expected_hosts", guard.Hosts())},
			})
			return echo.NewHTTPError(http.StatusForbidden, "This host or origin is not allowed")
		}
	}
}

// hintFor says how to let a refused request in, where that may be right.
func hintFor(guard *originguard.Guard, r *http.Request) string {
	if guard.AllowsHost(r) {
		return "a page of another origin may call with --origin and that origin"
	}
	return "clients must name the host of --public-url; a reverse proxy that passes on another one needs --allow-host and that host"
}

// Caller is how the server shows a caller. It never holds the token.
type Caller struct {
	User        oauth.UserInfo `json:"user"`
	Scopes      []string       `json:"scopes"`
	Permissions []string       `json:"permissions"`
	ClientID    string         `json:"client_id"`
	Issuer      string         `json:"issuer"`
	ExpiresAt   time.Time      `json:"expires_at"`
}

func callerOf(info *oauth.AuthInfo) Caller {
	return Caller{
		User: info.User, Scopes: append([]string{}, info.Scopes...), Permissions: append([]string{}, info.Permissions...),
		ClientID: info.ClientID, Issuer: info.Issuer, ExpiresAt: info.ExpiresAt.UTC(),
	}
}

func whoami(c echo.Context) error {
	info, ok := echoadapter.AuthInfo(c)
	if !ok {
		return echo.ErrUnauthorized
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, callerOf(info))
}

// stepUpTool is the tool that needs Config.ToolScopes.
const stepUpTool = "step_up"

// toolScopes is what the tools need beyond what every request needs.
func toolScopes(config Config) mcpadapter.ToolScopes {
	if len(config.ToolScopes) == 0 {
		return nil
	}
	return mcpadapter.ToolScopes{stepUpTool: config.ToolScopes}
}

// mcpHandler is a stateless streamable HTTP server with the tools whoami and echo, and perhaps
// step_up.
func mcpHandler(config Config, scopes mcpadapter.ToolScopes) http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "latchkey", Title: "latchkey", Version: config.Version}, nil)
	s.AddReceivingMiddleware(scopes.Enforce)
	mcp.AddTool(s, &mcp.Tool{Name: "whoami", Description: "Tells who is calling, as the identity provider vouches for it."}, tellCaller)
	if needed := scopes[stepUpTool]; needed != nil {
		mcp.AddTool(s, &mcp.Tool{
			Name: stepUpTool, Description: "Tells who is calling, to callers with the scope " + strings.Join(needed, " ") + ".",
		}, tellCaller)
	}
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "Answers with the text it was given."},
		func(_ context.Context, _ *mcp.CallToolRequest, in echoInput) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Text}}}, nil, nil
		})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{
		Stateless: true, Logger: config.Logger,
		DisableLocalhostProtection: true, // ownHostAndOrigin does more, and knows the public URL of a server behind a proxy
	})
}

func tellCaller(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	info, ok := mcpadapter.AuthInfo(request)
	if !ok {
		return nil, nil, errors.New("no verified caller")
	}
	caller, err := json.Marshal(callerOf(info))
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{
		Content: []mcp.Content{&mcp.TextContent{Text: string(caller)}}, StructuredContent: json.RawMessage(caller),
	}, nil, nil
}

type echoInput struct {
	Text string `json:"text" jsonschema:"the text to answer with"`
}
