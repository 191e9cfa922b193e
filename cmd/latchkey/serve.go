package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/alecthomas/kong"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/internal/demo"
	"github.com/latchkey-auth/latchkey/internal/dev"
	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

type serveCommand struct {
	documentFlags
	gatewayFlags
	lifecycleFlags
	logFlags
	providerFlags
	storeFlags
	auditFlags

	Provider    string   `required:"" placeholder:"NAME" help:"Identity provider; its variables are shown by 'latchkey providers NAME'."`
	Addr        string   `default:"127.0.0.1:8080" help:"Address to listen on."`
	PublicURL   string   `name:"public-url" placeholder:"URL" help:"Scheme and host under which clients reach the server, such as https://mcp.example.com. Needed unless the address is on loopback."`
	Path        string   `default:"/mcp" help:"Path of the MCP endpoint. A slash at its end is a part of the resource's identifier."`
	Scope       []string `sep:"none" placeholder:"S" help:"Scope that every request needs. Repeatable."`
	ToolScope   []string `sep:"none" placeholder:"S" help:"Add a tool, step_up, that needs this scope besides: calls without it are answered with the challenge to ask for it. Not announced otherwise. Repeatable."`
	ScopeWords  []string `sep:"none" placeholder:"NAME=WORDS" help:"What a scope allows, in words for the page that asks users, such as 'files:write=Change your files'. Proxy mode only. Repeatable."`
	Origin      []string `sep:"none" placeholder:"ORIGIN" help:"Browser origin that may call the server, such as https://app.example.com. Repeatable."`
	AllowHeader []string `name:"allow-header" sep:"none" placeholder:"NAME" help:"Further header that scripts of these origins may send, such as X-Api-Version. Repeatable."`

	DiscoveryWait time.Duration `name:"discovery-wait" default:"5m" placeholder:"5m" help:"How long to wait at the start for the document of a provider whose endpoints only that names (oidc): 0s for as long as it takes."`

	ExternalPrefix      string `name:"external-prefix" placeholder:"/api" help:"Path that a reverse proxy takes away from the beginning of each request's: clients are told it, requests arrive without it."`
	ResourceMetadataURL string `name:"resource-metadata-url" placeholder:"URL" help:"Where challenges send clients for the endpoint's metadata, where the reverse proxy does not pass on the usual address."`

	Check bool `help:"Before serving, look whether provider and configuration fit, as 'latchkey check' does without sending credentials, and end with status 1 where they do not. Without it that is done in the background and warned about."`

	AllowHost                    []string `name:"allow-host" sep:"none" placeholder:"NAME[:PORT]" help:"Further host that requests may name, such as mcp.internal:8080: the one that your reverse proxy passes on. Repeatable."`
	MaxBody                      int64    `name:"max-body" default:"4194304" placeholder:"BYTES" help:"Largest body that the MCP endpoint takes, in bytes: 4 MB."`
	InsecureStreamsOutliveTokens bool     `name:"insecure-streams-outlive-tokens" help:"Let an answer that streams go on after its token expired or was revoked."`

	CustomScheme    []string `sep:"none" placeholder:"SCHEME" help:"URI scheme of native applications that may log in, such as cursor; any application on the user's device can claim one. Proxy mode only. Repeatable."`
	ClientDocuments string   `enum:"off,pinned,proxy,open" default:"open" help:"Which clients may describe themselves by a document at a web address instead of registering: none (off), those of --client-document (pinned), these and those at --client-document-host, fetched through the environment's proxy (proxy), or all (open). Proxy mode only."`

	TrustedProxy   []string `sep:"none" placeholder:"CIDR" help:"Network from which your reverse proxy connects, such as 10.0.0.0/8: it is believed about the address of its client, which rate limits count by. Repeatable."`
	ClientIPHeader string   `name:"client-ip-header" placeholder:"X-Forwarded-For" help:"Header in which the trusted proxies write that address."`

	Relay              string   `placeholder:"/oauth" help:"Mount the browser relay at this path: OAuth for browser clients that CORS would stop."`
	RelayOrigin        []string `sep:"none" placeholder:"ORIGIN" help:"Browser origin that may call the relay. Repeatable."`
	RelayAllowLoopback bool     `help:"Let the relay reach servers on this machine. For development."`
}

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, env environment, arguments *kong.Context) error {
	log, err := c.logger(env)
	if err != nil {
		return usageError{err}
	}
	records, err := c.open(env, log)
	if err != nil {
		return usageError{err}
	}
	return errors.Join(c.serve(ctx, env, arguments, log, records), records.close(ctx))
}

func (c *serveCommand) serve(ctx context.Context, env environment, arguments *kong.Context, log *slog.Logger, records *trail) error {
	options, err := c.providerOptions()
	if err != nil {
		return usageError{err}
	}
	provider, err := c.provider(ctx, append(options,
		runtime.WithLookupEnv(env.lookupEnv), runtime.WithLogger(log), runtime.WithObserver(records.observer()))...)
	if err != nil {
		return err
	}
	publicURL, err := c.publicURL()
	if err != nil {
		return usageError{err}
	}
	if err := c.fits(provider.Describe()); err != nil {
		return usageError{err}
	}
	documents, err := c.options(c.ClientDocuments)
	if err != nil {
		return usageError{err}
	}
	words, err := scopeWords(c.ScopeWords, provider.Describe().Mode)
	if err != nil {
		return usageError{err}
	}
	address, err := c.clientAddress(log)
	if err != nil {
		return usageError{err}
	}
	relay, err := c.relay(env)
	if err != nil {
		return usageError{err}
	}
	lifecycle, err := c.lifecycle(log)
	if err != nil {
		return usageError{err}
	}
	shared, err := c.shared(env, provider.Describe().Mode, lifecycle.Ready, log)
	if err != nil {
		return usageError{err}
	}
	resource, err := server.ResourceURL(publicURL, c.ExternalPrefix, c.Path)
	if err != nil {
		return usageError{err}
	}
	behind, err := c.gateway(env, log, publicURL, c.Addr)
	if err != nil {
		return usageError{err}
	}
	handler, err := server.New(server.Config{
		Provider: provider, PublicURL: publicURL, ExternalPrefix: c.ExternalPrefix, Path: c.Path, ListenAddr: c.Addr,
		ResourceMetadataURL: c.ResourceMetadataURL, Scopes: c.Scope,
		ToolScopes: c.ToolScope, ScopeWords: words, Origins: c.Origin, Headers: c.AllowHeader, CustomSchemes: c.CustomScheme,
		ClientDocuments: documents, ClientAddress: address, Relay: relay, Endpoint: behind.endpoint(),
		Hosts: c.AllowHost, MaxBody: c.MaxBody, InsecureStreamsOutliveTokens: c.InsecureStreamsOutliveTokens,
		Store: shared.inUse(), RevocationMemory: offAtZero(c.RevocationMemory), StoreGrace: offAtZero(c.StoreGrace),
		Ready: lifecycle.Ready, Version: version(), Logger: log, Observer: records.observer(),
	})
	if err != nil {
		return usageError{err}
	}
	listener, err := c.listen(ctx, provider, log)
	if err != nil {
		return err
	}
	if err := records.started(ctx, arguments, resource, provider.Describe(), listener.Addr().String()); err != nil {
		return errors.Join(fmt.Errorf("--audit-fail-closed: the start cannot be recorded: %w", err), listener.Close())
	}
	announce(env, log, resource, provider.Describe(), listener.Addr())
	behind.start(ctx, env, log, lifecycle)
	c.meet(ctx, provider, log, lifecycle)
	if shared != nil {
		return shared.serveWith(ctx, func(ctx context.Context) error { return server.Run(ctx, listener, handler, lifecycle) })
	}
	return server.Run(ctx, listener, handler, lifecycle)
}

// listen listens, once the provider was looked at where --check asks for it.
func (c *serveCommand) listen(ctx context.Context, provider *runtime.Provider, log *slog.Logger) (net.Listener, error) {
	if err := c.inspect(ctx, provider, log); err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, usageError{fmt.Errorf("cannot listen on %s, choose another --addr: %w", c.Addr, err)}
	}
	return listener, nil
}

// fits checks the flags that not every provider or use takes.
func (c *serveCommand) fits(provider oauth.Description) error {
	switch {
	case len(c.CustomScheme) > 0 && provider.Mode != oauth.Proxy:
		return fmt.Errorf("--custom-scheme is for providers in proxy mode; clients of %s register there", provider.Title)
	case c.MaxBody < 1:
		return fmt.Errorf("--max-body %d must be a number of bytes, such as 4194304", c.MaxBody)
	}
	return errors.Join(c.gatewayFlags.fits(c.ToolScope), c.check(provider.Mode))
}

// provider makes the provider. One that must be asked where its endpoints are is waited for.
func (c *serveCommand) provider(ctx context.Context, options ...runtime.Option) (*runtime.Provider, error) {
	if c.DiscoveryWait < 0 {
		return nil, usageError{fmt.Errorf("--discovery-wait %s must not be negative", c.DiscoveryWait)}
	}
	if c.DiscoveryWait > 0 {
		limited, cancel := context.WithTimeout(ctx, c.DiscoveryWait)
		defer cancel()
		ctx = limited
	}
	provider, err := newProvider(c.Provider, append(options, runtime.WithDiscoveryContext(ctx))...)
	switch {
	case errors.Is(err, oauth.ErrTemporarilyUnavailable):
		return nil, fmt.Errorf("the provider did not answer within --discovery-wait: %w", err)
	case err != nil:
		return nil, usageError{err}
	}
	return provider, nil
}

// relay is the configuration of the browser relay, nil without one.
func (c *serveCommand) relay(env environment) (*echoadapter.RelayConfig, error) {
	switch {
	case c.Relay != "":
		keys, err := runtime.SealingKeys(env.lookupEnv)
		return &echoadapter.RelayConfig{
			BasePath: c.Relay, AllowedOrigins: c.RelayOrigin, InsecureAllowLoopback: c.RelayAllowLoopback, SealingKeys: keys,
		}, err
	case len(c.RelayOrigin) > 0 || c.RelayAllowLoopback:
		return nil, errors.New("--relay-origin and --relay-allow-loopback need --relay with the path of the relay, such as --relay /oauth")
	}
	return nil, nil //nolint:nilnil // no relay is no error
}

// clientAddress tells clients apart behind reverse proxies, nil where none is trusted.
func (c *serveCommand) clientAddress(log *slog.Logger) (func(*http.Request) string, error) {
	switch {
	case len(c.TrustedProxy) > 0:
		resolver, err := clientaddr.New(clientaddr.Config{Header: c.ClientIPHeader, Trusted: c.TrustedProxy, Observer: observe.Slog(log)})
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy and --client-ip-header: %w", err)
		}
		return resolver.Client, nil
	case c.ClientIPHeader != "":
		return nil, errors.New("--client-ip-header needs --trusted-proxy with the network of your reverse proxy: without one every client could write the header")
	}
	return nil, nil //nolint:nilnil // the connection's address is the default
}

// publicURL is the configured one, or the listening address where that is on loopback: nothing else
// is known of it.
func (c *serveCommand) publicURL() (string, error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return "", fmt.Errorf("--addr %q must be host:port, such as 127.0.0.1:8080", c.Addr)
	}
	switch {
	case c.PublicURL != "":
		return c.PublicURL, nil
	case !plainurl.IsLoopbackHost(host):
		return "", fmt.Errorf("--public-url is needed with --addr %s: the URL under which clients reach the server", c.Addr)
	case port == "0":
		return "", errors.New("--public-url is needed with port 0: clients must know the port beforehand")
	}
	return c.scheme() + "://" + c.Addr, nil
}

type devCommand struct {
	documentFlags
	gatewayFlags
	logFlags

	Mode        string   `enum:"direct,proxy" default:"direct" help:"Where clients register: at the identity provider (direct), or at the MCP server, in front of a provider that registers nobody (proxy)."`
	Addr        string   `default:"127.0.0.1:8080" help:"Loopback address of the MCP server."`
	IDPAddr     string   `name:"idp-addr" default:"127.0.0.1:9400" help:"Loopback address of the embedded identity provider."`
	Path        string   `default:"/mcp" help:"Path of the MCP endpoint."`
	Scope       []string `sep:"none" placeholder:"S" help:"Scope that every request needs. Repeatable."`
	ToolScope   []string `sep:"none" placeholder:"S" help:"Add a tool, step_up, that needs this scope besides: calls without it are answered with the challenge to ask for it. Not announced otherwise. Repeatable."`
	ScopeWords  []string `sep:"none" placeholder:"NAME=WORDS" help:"What a scope allows, in words for the page that asks users, such as 'files:write=Change your files'. Proxy mode only. Repeatable."`
	Origin      []string `sep:"none" placeholder:"ORIGIN" help:"Browser origin that may call the server. Repeatable."`
	AllowHeader []string `name:"allow-header" sep:"none" placeholder:"NAME" help:"Further header that scripts of these origins may send. Repeatable."`
	AllowHost   []string `name:"allow-host" sep:"none" placeholder:"NAME[:PORT]" help:"Further host that requests may name, such as localhost:5173: the one that a development proxy passes on. Repeatable."`

	CustomScheme    []string `sep:"none" placeholder:"SCHEME" help:"URI scheme of native applications that may log in, such as cursor. Repeatable."`
	ClientDocuments string   `enum:"off,pinned,proxy,open" default:"off" help:"Which clients may describe themselves by a document at a web address instead of registering: none (off), those of --client-document (pinned), these and those at --client-document-host, fetched through the environment's proxy (proxy), or all (open). In mode direct off or open."`
}

// Run serves until it is told to stop.
func (c *devCommand) Run(ctx context.Context, env environment) error {
	mode := oauth.Mode(c.Mode)
	if err := c.check(mode); err != nil {
		return usageError{err}
	}
	documents, err := c.options(c.ClientDocuments)
	if err != nil {
		return usageError{err}
	}
	words, err := scopeWords(c.ScopeWords, mode)
	if err != nil {
		return usageError{err}
	}
	log, err := c.logger(env)
	if err != nil {
		return usageError{err}
	}
	if err := c.fits(c.ToolScope); err != nil {
		return usageError{err}
	}
	behind, err := c.gateway(env, log, c.Addr, c.IDPAddr)
	if err != nil {
		return usageError{err}
	}
	pair, err := dev.Listen(ctx, dev.Config{
		Mode: mode, Addr: c.Addr, IDPAddr: c.IDPAddr, Path: c.Path, Scopes: c.Scope,
		ToolScopes: c.ToolScope, ScopeWords: words, Origins: c.Origin, Headers: c.AllowHeader, Hosts: c.AllowHost,
		CustomSchemes: c.CustomScheme, ClientDocuments: documents, Endpoint: behind.endpoint(), Version: version(), Logger: log,
	})
	if err != nil {
		return usageError{err}
	}
	_, _ = fmt.Fprintf(env.stdout, `MCP server         %[1]s (mode %[3]s)
Identity provider  %[2]s (development only: everybody may log in)

Paste into an MCP client:

  {"mcpServers": {"latchkey": {"type": "http", "url": "%[1]s"}}}

or run: npx @modelcontextprotocol/inspector --transport http --server-url %[1]s

Stop with Ctrl-C.
`, pair.Resource, pair.Issuer, c.Mode)
	behind.announceUpstream(env, log)
	return pair.Run(ctx)
}

type demoCommand struct{}

// Run plays the flow.
func (demoCommand) Run(ctx context.Context, env environment) error {
	return demo.Run(ctx, demo.Options{Out: env.stdout, Colour: env.colour})
}
