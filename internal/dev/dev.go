// Package dev puts the embedded identity provider and the MCP server together in one process, for
// `latchkey dev` and `latchkey demo`.
package dev

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/embedded"
	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Config says where the two listen. An address with port 0 takes a free port.
type Config struct {
	// Mode says whether clients register at the identity provider, the default, or at the MCP
	// server: then the provider knows the server alone, as Google or GitHub would.
	Mode    oauth.Mode
	Addr    string
	IDPAddr string
	Path    string
	Scopes  []string
	// ToolScopes are those of the tool step_up.
	ToolScopes []string
	// ScopeWords say in words, for the page that asks users, what scopes allow, in mode proxy.
	ScopeWords map[string]string
	Origins    []string
	Headers    []string
	// Hosts are further hosts that requests may name.
	Hosts []string
	// CustomSchemes are the URI schemes of native applications that may log in.
	CustomSchemes []string
	// ClientDocuments says which clients may describe themselves by a document. The default is
	// none. In mode direct the identity provider reads them, and the policy is off or open.
	ClientDocuments proxy.ClientDocuments
	// Limits bounds what one client address may do, in mode proxy.
	Limits proxy.Limits
	// Endpoint, when set, answers verified callers in the place of the tools.
	Endpoint http.Handler
	Version  string
	Logger   *slog.Logger
}

// Pair is an MCP server and the identity provider that it trusts, listening and ready to run.
type Pair struct {
	// Resource is the URL of the MCP endpoint.
	Resource string
	// Issuer is the identity provider's issuer.
	Issuer string

	idp         *devidp.Server
	idpListener net.Listener
	run         func(ctx context.Context) error
	listener    net.Listener
}

// Listen opens both listeners. On an error nothing stays open.
func Listen(ctx context.Context, config Config) (*Pair, error) {
	idpListener, err := listen(ctx, config.IDPAddr)
	if err != nil {
		return nil, err
	}
	listener, err := listen(ctx, config.Addr)
	if err != nil {
		return nil, errors.Join(err, idpListener.Close())
	}
	p := &Pair{idpListener: idpListener, listener: listener}
	if err := p.build(config); err != nil {
		return nil, errors.Join(err, idpListener.Close(), listener.Close())
	}
	return p, nil
}

// listen opens a loopback listener: the pair hands out tokens to whoever clicks a name.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q must be host:port, such as 127.0.0.1:8080", addr)
	}
	if !plainurl.IsLoopbackHost(host) {
		return nil, fmt.Errorf("address %q must be on loopback, such as 127.0.0.1:8080: the embedded identity provider lets everybody in", addr)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s, choose another address: %w", addr, err)
	}
	return listener, nil
}

func (p *Pair) build(config Config) error {
	var err error
	p.Issuer = "http://" + p.idpListener.Addr().String()
	publicURL := "http://" + p.listener.Addr().String()
	p.Resource = publicURL + config.Path
	idp := devidp.Config{Issuer: p.Issuer, Logger: config.Logger, RedirectSchemes: config.CustomSchemes}
	documents := config.ClientDocuments
	documents.Policy = cmp.Or(documents.Policy, "off") // a laptop may have no network, and its clients can register
	if config.Mode != oauth.Proxy && documents.Policy != "off" {
		if documents.Policy != "open" {
			return fmt.Errorf("client documents: in mode direct the policy %q must be off or open", documents.Policy)
		}
		idp.MetadataClient = documents.Client
		if idp.MetadataClient == nil {
			idp.MetadataClient = egress.NewClient(egress.Policy{})
		}
	}
	newProvider := embedded.Provider
	if config.Mode == oauth.Proxy {
		idp.DefaultAudience = "api://mcp-server"
		app := embedded.NewApplication(server.RedirectURI(p.Resource), idp.DefaultAudience)
		devidp.Preregistered(app.Client())(&idp)
		newProvider = app.Provider
	}
	if p.idp, err = devidp.New(idp); err != nil {
		return err
	}
	provider, err := newProvider(p.Issuer, runtime.WithLogger(config.Logger))
	if err != nil {
		return err
	}
	handler, err := server.New(server.Config{
		Provider: provider, PublicURL: publicURL, Path: config.Path, ListenAddr: p.listener.Addr().String(),
		Scopes: config.Scopes, ToolScopes: config.ToolScopes, ScopeWords: config.ScopeWords, Origins: config.Origins,
		Headers: config.Headers, Hosts: config.Hosts, CustomSchemes: config.CustomSchemes, ClientDocuments: documents, Limits: config.Limits,
		Endpoint: config.Endpoint, Version: config.Version, Logger: config.Logger,
	})
	if err != nil {
		return err
	}
	p.run = func(ctx context.Context) error {
		return server.Run(ctx, p.listener, handler, server.Lifecycle{Logger: config.Logger})
	}
	return nil
}

// Run serves both until ctx ends or one of them fails, and lets requests in flight finish.
func (p *Pair) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- p.idp.Serve(ctx, p.idpListener) }()
	go func() { ended <- p.run(ctx) }()
	first := <-ended
	cancel()
	return errors.Join(first, <-ended)
}
