// Package glewlwyd runs a Glewlwyd server (C, the Debian package), an independent implementation of
// RFC 7591, RFC 8707 and RFC 9068.
package glewlwyd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// The one user. The password is a test value: it opens nothing but a server that lives as long as
// its test.
const (
	username = "ada"
	password = "test-password-of-ada"
)

// ResourceScope is the scope that carries the resource: Glewlwyd refuses a resource that no asked
// scope lists.
const ResourceScope = "mcp"

// plugin is the name of the OpenID Connect plugin's instance, a part of its paths.
const plugin = "oidc"

// Config says what to run.
type Config struct {
	// Home is the folder in which e2e/run has unpacked the package and its libraries, beside an
	// empty database. LogDir receives glewlwyd.log and the server's own files.
	Home, LogDir string
	Port         int
	// Resources are the resources (RFC 8707) that each scope allows.
	Resources []string
	// Scopes are further scopes, besides ResourceScope.
	Scopes []string
}

// Server is a running Glewlwyd.
type Server struct {
	config  Config
	process *harness.Process
	origin  string
	userID  string
}

var _ harness.Server = (*Server)(nil)

// Start starts the server, sets it up and returns when its user has logged in once, by which the
// server gives them their subject.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{config: c, origin: fmt.Sprintf("http://127.0.0.1:%d", c.Port)}
	err := s.start(ctx)
	if err == nil {
		err = s.setUp(ctx)
	}
	if err == nil {
		s.userID, err = s.subject(ctx)
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	database, err := os.ReadFile(filepath.Join(s.config.Home, "empty.db"))
	if err != nil {
		return err
	}
	file := filepath.Join(s.config.LogDir, "glewlwyd.conf")
	err = errors.Join(
		os.MkdirAll(s.config.LogDir, 0o750),
		os.WriteFile(filepath.Join(s.config.LogDir, "glewlwyd.db"), database, 0o600), //nolint:gosec // the test's own folder
		os.WriteFile(file, []byte(s.configuration()), 0o600),
	)
	if err != nil {
		return err
	}
	s.process, err = harness.Start(ctx, harness.Command{
		Name: "glewlwyd", LogDir: s.config.LogDir, Path: filepath.Join(s.config.Home, "usr", "bin", "glewlwyd"),
		Args: []string{"--config-file=" + file},
		Env:  []string{"LD_LIBRARY_PATH=" + filepath.Join(s.config.Home, "usr", "lib", "x86_64-linux-gnu")},
	})
	if err != nil {
		return err
	}
	return s.process.WaitReady(ctx, s.origin+"/config")
}

// configuration is the server's file. Its pages are not served: their scripts call the API that
// Login calls.
func (s *Server) configuration() string {
	modules := filepath.Join(s.config.Home, "usr", "lib", "glewlwyd")
	return strings.Join([]string{
		fmt.Sprintf("port=%d", s.config.Port),
		`bind_address="127.0.0.1"`,
		fmt.Sprintf("external_url=%q", s.origin),
		`login_url="login.html"`,
		`api_prefix="api"`,
		`allow_origin="*"`,
		`allow_methods="GET, POST, PUT, DELETE, OPTIONS"`,
		`allow_headers="Origin, X-Requested-With, Content-Type, Accept, Bearer, Authorization, DPoP"`,
		`log_mode="console"`,
		`log_level="INFO"`,
		`session_key="GLEWLWYD2_SESSION_ID"`,
		`admin_scope="g_admin"`,
		`profile_scope="g_profile"`,
		`hash_algorithm="SHA512"`,
		fmt.Sprintf("user_module_path=%q", filepath.Join(modules, "user")),
		fmt.Sprintf("user_middleware_module_path=%q", filepath.Join(modules, "user_middleware")),
		fmt.Sprintf("client_module_path=%q", filepath.Join(modules, "client")),
		fmt.Sprintf("user_auth_scheme_module_path=%q", filepath.Join(modules, "scheme")),
		fmt.Sprintf("plugin_module_path=%q", filepath.Join(modules, "plugin")),
		fmt.Sprintf("database = { type = \"sqlite3\"; path = %q; };", filepath.Join(s.config.LogDir, "glewlwyd.db")),
		"",
	}, "\n")
}

// subject logs the user in as a client that has registered itself, and reads who they are.
func (s *Server) subject(ctx context.Context) (string, error) {
	client, err := harness.NewConfidentialClient(ctx, s)
	if err != nil {
		return "", err
	}
	tokens, err := client.Login(ctx, ResourceScope, s.config.Resources[0])
	if err != nil {
		return "", err
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	parts := strings.Split(tokens.AccessToken, ".")
	if len(parts) != 3 {
		return "", errors.New("glewlwyd: the access token is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	return claims.Subject, err
}

// Issuer is the plugin's, below which it has its metadata.
func (s *Server) Issuer() string { return s.origin + "/api/" + plugin }

// ClientAuth says that clients need a secret: one that registers for none gets a code, and no token
// for it.
func (s *Server) ClientAuth() string { return "client_secret_basic" }

// UserID is the subject that Glewlwyd gave to its user.
func (s *Server) UserID() string { return s.userID }

// Command serves with the generic provider of direct mode. openid is not among the scopes: without
// a nonce, which MCP clients do not send, Glewlwyd refuses it.
func (s *Server) Command(addr string) []string {
	return []string{
		"--addr", addr, "--public-url", "http://" + addr, "--issuer", s.Issuer(),
		"--authorize", s.Issuer() + "/auth", "--token", s.Issuer() + "/token", "--jwks", s.Issuer() + "/jwks",
		"--supported", ResourceScope, "--scope", ResourceScope,
	}
}

// Environment is nothing: cmd/customserver is configured by its flags.
func (s *Server) Environment() []string { return nil }

// Log is what the server has logged so far.
func (s *Server) Log() string { return s.process.Log() }

// Stop ends the server.
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Stop()
	}
}

// Login signs in as the user, grants what the client asks for and goes on, as the scripts of
// Glewlwyd's login page do.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	browser := harness.NewBrowser()
	atLogin := func(u *url.URL) bool { return u.Path == "/login.html" || !strings.HasPrefix(u.String(), s.origin+"/") }
	page, err := browser.Visit(ctx, authorizeURL, atLogin)
	if err != nil || page.URL.Path != "/login.html" {
		return redirect(page, err)
	}
	asked := page.URL.Query()
	back, err := url.Parse(asked.Get("callback_url"))
	if err != nil {
		return "", err
	}
	query := back.Query()
	query.Set("g_continue", "")
	back.RawQuery = query.Encode()
	session := session{browser, s.origin + "/api"}
	if err := session.call(ctx, http.MethodPost, "/auth/", object{"username": username, "password": password}); err != nil {
		return "", err
	}
	grant := "/auth/grant/" + url.PathEscape(asked.Get("client_id"))
	if err := session.call(ctx, http.MethodPut, grant, object{"scope": asked.Get("scope")}); err != nil {
		return "", err
	}
	return redirect(browser.Visit(ctx, back.String(), atLogin))
}

// redirect is where the browser is sent back to the client.
func redirect(page *harness.Page, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if page.Status != 0 || page.URL.Path == "/login.html" {
		return "", fmt.Errorf("glewlwyd answers %d at %s: %s", page.Status, page.URL.Path, page.Excerpt())
	}
	return page.URL.String(), nil
}
