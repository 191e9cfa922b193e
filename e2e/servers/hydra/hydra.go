// Package hydra runs an Ory Hydra server (Go, built from its module) with one application, and the
// login and consent pages that it leaves to others.
package hydra

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// userID is the one user, whom the login page knows at once.
const userID = "ada"

// Audience is that of the tokens for the application: Hydra grants those on a list alone, and only
// to logins that ask for them.
const Audience = "urn:mcp-server"

// Config says what to run.
type Config struct {
	// Binary is the program, LogDir where hydra.log goes.
	Binary, LogDir string
	// Port is that of its public API, AdminPort that of its admin API, PagesPort that of the login
	// and consent pages.
	Port, AdminPort, PagesPort int
	// RedirectURI is the application's.
	RedirectURI string
	// Scopes are further scopes of the application.
	Scopes []string
	// JWT issues access tokens as JWTs. They are opaque otherwise.
	JWT bool
}

// Server is a running Hydra.
type Server struct {
	config  Config
	process *harness.Process
	pages   *http.Server
	origin  string
	admin   string
	secret  string
}

var _ harness.Server = (*Server)(nil)

// clientID is the application.
const clientID = "mcp-server"

// Start starts the server and returns when it answers and knows the application.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{
		config: c, secret: rand.Text() + rand.Text(), origin: fmt.Sprintf("http://127.0.0.1:%d", c.Port),
		admin: fmt.Sprintf("http://127.0.0.1:%d/admin", c.AdminPort),
	}
	s.pages = &http.Server{
		Addr: fmt.Sprintf("127.0.0.1:%d", c.PagesPort), Handler: http.HandlerFunc(s.servePage), ReadHeaderTimeout: 10 * time.Second,
	}
	file := filepath.Join(c.LogDir, "hydra.yaml")
	err := os.MkdirAll(c.LogDir, 0o750)
	if err == nil {
		err = os.WriteFile(file, []byte(s.configuration()), 0o600)
	}
	if err != nil {
		return nil, err
	}
	s.process, err = harness.Start(ctx, harness.Command{
		Name: "hydra", LogDir: c.LogDir, Path: c.Binary, Args: []string{"serve", "all", "--dev", "-c", file, "--sqa-opt-out"},
	})
	if err != nil {
		return nil, err
	}
	go func() { _ = s.pages.ListenAndServe() }() // until Stop closes it
	if err = s.process.WaitReady(ctx, s.origin+"/health/ready"); err == nil {
		err = errors.Join(s.makeKeys(ctx), s.register(ctx))
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) configuration() string {
	pages := "http://" + s.pages.Addr
	return strings.Join([]string{
		fmt.Sprintf("serve: {public: {host: 127.0.0.1, port: %d}, admin: {host: 127.0.0.1, port: %d}}", s.config.Port, s.config.AdminPort),
		fmt.Sprintf("urls: {self: {issuer: %q}, login: %q, consent: %q}", s.origin, pages+"/login", pages+"/consent"),
		"dsn: memory",
		"strategies: {access_token: " + map[bool]string{true: "jwt", false: "opaque"}[s.config.JWT] + "}",
		fmt.Sprintf("secrets: {system: [%q]}", rand.Text()+rand.Text()),
		"",
	}, "\n")
}

// makeKeys makes the keys of tokens, which Hydra would else make of RSA with 4096 bits when it is
// first asked for them: that takes longer than anybody waits.
func (s *Server) makeKeys(ctx context.Context) error {
	var problems []error
	for _, set := range []string{"hydra.openid.id-token", "hydra.jwt.access-token"} {
		key := map[string]any{"alg": "ES256", "use": "sig", "kid": rand.Text()}
		problems = append(problems, s.call(ctx, http.MethodPost, "/keys/"+set, key, nil))
	}
	return errors.Join(problems...)
}

// register makes the application, as its operator does by the admin API.
func (s *Server) register(ctx context.Context) error {
	scopes := append([]string{"openid", "offline_access", "profile", "email"}, s.config.Scopes...)
	return s.call(ctx, http.MethodPost, "/clients", map[string]any{
		"client_id": clientID, "client_secret": s.secret, "redirect_uris": []string{s.config.RedirectURI},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
		"scope": strings.Join(scopes, " "), "audience": []string{Audience}, "token_endpoint_auth_method": "client_secret_basic",
	}, nil)
}

// call calls the admin API.
func (s *Server) call(ctx context.Context, method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, s.admin+path, bytes.NewReader(encoded)) //nolint:gosec // the server of the test
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: time.Minute}).Do(request) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("hydra: %s %s answers %d: %s", method, path, response.StatusCode, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// servePage is the login page, which knows the user, and the consent page, which grants whatever is
// asked for.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	next, err := s.accept(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, next, http.StatusFound) //nolint:gosec // where Hydra says
}

func (s *Server) accept(ctx context.Context, step string, query url.Values) (string, error) {
	challenge := step + "_challenge"
	at := "/oauth2/auth/requests/" + step
	which := "?" + url.Values{challenge: {query.Get(challenge)}}.Encode()
	answer := map[string]any{"subject": userID}
	if step == "consent" {
		var asked struct {
			Scope    []string `json:"requested_scope"`
			Audience []string `json:"requested_access_token_audience"`
		}
		if err := s.call(ctx, http.MethodGet, at+which, nil, &asked); err != nil {
			return "", err
		}
		answer = map[string]any{"grant_scope": asked.Scope, "grant_access_token_audience": asked.Audience}
	}
	var accepted struct {
		RedirectTo string `json:"redirect_to"`
	}
	err := s.call(ctx, http.MethodPut, at+"/accept"+which, answer, &accepted)
	return accepted.RedirectTo, err
}

// Issuer is urls.self.issuer.
func (s *Server) Issuer() string { return s.origin }

// UserID is the subject that the login page names.
func (s *Server) UserID() string { return userID }

// Command serves with latchkey's provider for tokens of the kind.
func (s *Server) Command(addr string) []string {
	if s.config.JWT {
		return harness.Serve("ory", addr)
	}
	return harness.Serve("hydra", addr)
}

// Environment configures latchkey's provider.
func (s *Server) Environment() []string {
	if s.config.JWT {
		return []string{
			"MCP_USE_OAUTH_ORY_PROJECT_URL=" + s.origin, "MCP_USE_OAUTH_ORY_CLIENT_ID=" + clientID,
			"MCP_USE_OAUTH_ORY_CLIENT_SECRET=" + s.secret, "MCP_USE_OAUTH_ORY_AUDIENCE=" + Audience,
		}
	}
	return []string{
		"MCP_USE_OAUTH_HYDRA_PUBLIC_URL=" + s.origin, "MCP_USE_OAUTH_HYDRA_ADMIN_URL=" + strings.TrimSuffix(s.admin, "/admin"),
		"MCP_USE_OAUTH_HYDRA_CLIENT_ID=" + clientID, "MCP_USE_OAUTH_HYDRA_CLIENT_SECRET=" + s.secret,
		"MCP_USE_OAUTH_HYDRA_AUDIENCE=" + Audience,
	}
}

// Log is what the server has logged so far.
func (s *Server) Log() string { return s.process.Log() }

// Stop ends the server and its pages.
func (s *Server) Stop() {
	_ = s.pages.Close()
	s.process.Stop()
}

// Login allows the client at latchkey's consent page. Hydra's own pages ask nothing.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	return harness.Walk(ctx, authorizeURL, harness.Allow, func(page *harness.Page) (*harness.Form, error) {
		return nil, fmt.Errorf("hydra answers %d at %s: %s", page.Status, page.URL.Path, page.Excerpt())
	})
}
