// Package oidcprovider runs a server on node-oidc-provider (npm oidc-provider), for which latchkey
// has no provider of its own: the resource server in front of it is cmd/customserver.
package oidcprovider

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// user is who logs in: the development pages let in anybody with any password.
const user = "ada"

// Config says what to run.
type Config struct {
	// Root is the folder of the end-to-end tests, Node the program that runs the server (22 or
	// newer).
	Root, Node string
	// LogDir receives oidc-provider.log.
	LogDir string
	Port   int
	// Resources are the protected resources that clients may ask for.
	Resources []string
	// Algorithm signs all tokens. The default is RS256.
	Algorithm string
	// KeyNamesNoAlgorithm leaves alg out of the published key.
	KeyNamesNoAlgorithm bool
	// Opaque makes access tokens that only the server can read.
	Opaque bool
	// Authority is the path of a certificate, in PEM, with which clients' metadata documents are
	// served. Empty knows none.
	Authority string

	applications []application
}

// Server is a running oidc-provider.
type Server struct {
	process *harness.Process
	origin  string
	opaque  bool
	secret  string // of the resource server, for introspection
}

var _ harness.Server = (*Server)(nil)

// Start starts the server and returns when it answers.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.applications == nil {
		c.applications = []application{} // an empty list in JSON
	}
	if c.Algorithm == "" {
		c.Algorithm = "RS256"
	}
	registered, err := json.Marshal(c.applications) //nolint:gosec // the server has to know their secrets
	if err != nil {
		return nil, err
	}
	s := &Server{origin: fmt.Sprintf("http://127.0.0.1:%d", c.Port), opaque: c.Opaque, secret: rand.Text()}
	s.process, err = harness.Start(ctx, harness.Command{
		Name: "oidc-provider", LogDir: c.LogDir,
		Path: c.Node, Args: []string{filepath.Join(c.Root, "servers", "oidcprovider", "server.mjs")},
		Env: append(c.further(),
			fmt.Sprintf("E2E_PORT=%d", c.Port),
			"E2E_RESOURCES="+strings.Join(c.Resources, " "),
			"E2E_APPLICATIONS="+string(registered),
			"E2E_ALGORITHM="+c.Algorithm,
			"E2E_SECRET="+rand.Text(),
			"E2E_INTROSPECTION_SECRET="+s.secret,
		),
	})
	if err != nil {
		return nil, err
	}
	if err := s.process.WaitReady(ctx, s.origin+"/jwks"); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// further are the variables of what is not usual.
func (c Config) further() []string {
	var env []string
	if c.KeyNamesNoAlgorithm {
		env = append(env, "E2E_KEY_NAMES_NO_ALGORITHM=yes")
	}
	if c.Opaque {
		env = append(env, "E2E_FORMAT=opaque")
	}
	if c.Authority != "" {
		env = append(env, "E2E_DOCUMENTS=yes", "NODE_EXTRA_CA_CERTS="+c.Authority)
	}
	return env
}

// Issuer is the server's origin.
func (s *Server) Issuer() string { return s.origin }

// UserID is the account that logs in.
func (s *Server) UserID() string { return user }

// Command configures cmd/customserver: to ask about opaque tokens, to check others itself.
func (s *Server) Command(addr string) []string {
	command := []string{
		"--addr", addr, "--public-url", "http://" + addr, "--path", "/mcp", "--issuer", s.origin,
		"--authorize", s.origin + "/auth", "--token", s.origin + "/token",
	}
	if s.opaque {
		return append(command, "--introspection", s.origin+"/token/introspection", "--introspection-client", "resource-server")
	}
	return append(command, "--jwks", s.origin+"/jwks")
}

// Environment is the secret of the resource server.
func (s *Server) Environment() []string { return []string{"CUSTOMSERVER_CLIENT_SECRET=" + s.secret} }

// Log is what the server has logged so far.
func (s *Server) Log() string { return s.process.Log() }

// Stop ends the server.
func (s *Server) Stop() { s.process.Stop() }

// Login fills in the development pages: one for login, one for consent.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	browser := harness.NewBrowser()
	page, err := browser.Visit(ctx, authorizeURL, s.isClient)
	for range 3 {
		if err != nil {
			return "", err
		}
		if page.Status == 0 {
			return page.URL.String(), nil
		}
		form, err := fillIn(page)
		if err != nil {
			return "", err
		}
		page, err = browser.Submit(ctx, form, s.isClient)
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("oidc-provider asks for the same pages again")
}

// fillIn answers a development page: the one for login, or the one for consent.
func fillIn(page *harness.Page) (*harness.Form, error) {
	form, err := page.Form("prompt")
	if err != nil {
		return nil, err
	}
	if form.Values.Get("prompt") == "login" {
		form.Values.Set("login", user)
		form.Values.Set("password", "anything will do")
	}
	return form, nil
}

// isClient tells the client's address from the server's own.
func (s *Server) isClient(u *url.URL) bool { return u.Scheme+"://"+u.Host != s.origin }
