// Package betterauth runs a Better Auth server (npm better-auth with @better-auth/oauth-provider).
package betterauth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// The one user. The password is a test value: it opens nothing but a server that lives as long as
// its test.
const (
	email    = "ada@example.com"
	password = "test-password-of-ada"
)

// Config says what to run.
type Config struct {
	// Root is the folder of the end-to-end tests, Node the program that runs the server.
	Root, Node string
	// LogDir receives better-auth.log.
	LogDir string
	Port   int
	// Resources are the registered protected resources, linked to every client that registers.
	Resources []string
	// Algorithm signs access tokens: EdDSA (the default), ES256 or RS256.
	Algorithm string
	// State is a file that keeps what the server knows, keys included, when it is asked to end
	// (SIGTERM). By default it forgets everything.
	State string
}

// Server is a running Better Auth.
type Server struct {
	config  Config
	secret  string
	process *harness.Process
	origin  string
	userID  string
}

var _ harness.Server = (*Server)(nil)

// Start starts the server and returns when it answers.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{config: c, secret: rand.Text() + rand.Text(), origin: fmt.Sprintf("http://127.0.0.1:%d", c.Port)}
	return s, s.start(ctx)
}

func (s *Server) start(ctx context.Context) error {
	ready := make(chan string, 1)
	var err error
	s.process, err = harness.Start(ctx, harness.Command{
		Name: "better-auth", LogDir: s.config.LogDir,
		Path: s.config.Node, Args: []string{filepath.Join(s.config.Root, "servers", "betterauth", "server.mjs")},
		Env: []string{
			fmt.Sprintf("E2E_PORT=%d", s.config.Port),
			"E2E_RESOURCES=" + strings.Join(s.config.Resources, " "),
			"E2E_ALGORITHM=" + algorithm(s.config),
			"E2E_SECRET=" + s.secret,
			"E2E_EMAIL=" + email,
			"E2E_PASSWORD=" + password,
			"E2E_STATE=" + s.config.State,
		},
		Output: func(line string) {
			var message struct {
				Ready  bool   `json:"ready"`
				UserID string `json:"userId"`
			}
			if json.Unmarshal([]byte(line), &message) == nil && message.Ready {
				select {
				case ready <- message.UserID:
				default:
				}
			}
		},
	})
	if err != nil {
		return err
	}
	if err := s.process.WaitReady(ctx, s.KeySetURL()); err != nil {
		s.Stop()
		return err
	}
	select {
	case s.userID = <-ready:
	case <-ctx.Done():
		s.Stop()
		return ctx.Err()
	}
	return nil
}

// End ends the server by a signal and returns when it is gone.
func (s *Server) End(ctx context.Context, signal syscall.Signal) error {
	return s.process.End(ctx, signal)
}

// StartAgain starts the server that ended, at the same address. Config.State decides what it still
// knows.
func (s *Server) StartAgain(ctx context.Context) error { return s.start(ctx) }

// KeySetURL is the address of the server's key set.
func (s *Server) KeySetURL() string { return s.Issuer() + "/jwks" }

func algorithm(c Config) string {
	if c.Algorithm == "" {
		return "EdDSA"
	}
	return c.Algorithm
}

// Issuer is the base URL with the plugin's path, which is also what latchkey's provider is
// configured with.
func (s *Server) Issuer() string { return s.origin + "/api/auth" }

// UserID is the id that Better Auth gave to its user.
func (s *Server) UserID() string { return s.userID }

// Credentials are what its user types at the sign-in page.
func (s *Server) Credentials() (user, secret string) { return email, password }

// Command serves with latchkey's provider.
func (s *Server) Command(addr string) []string { return harness.Serve("betterauth", addr) }

// Environment configures latchkey's provider.
func (s *Server) Environment() []string {
	return []string{"MCP_USE_OAUTH_BETTER_AUTH_URL=" + s.Issuer()}
}

// Log is what the server has logged so far.
func (s *Server) Log() string { return s.process.Log() }

// Stop ends the server.
func (s *Server) Stop() { s.process.Stop() }

// Login signs in as the user and consents. Better Auth leaves both pages to the application; what
// the scripts of login.html and consent.html post is posted here. Both get the signed query of the
// page back, which is how the server finds the request again.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	browser := harness.NewBrowser()
	page, err := browser.Visit(ctx, authorizeURL, s.needsScript)
	if err != nil {
		return "", err
	}
	next := page.URL
	for range 3 {
		if !s.ours(next) {
			return next.String(), nil
		}
		var answer *harness.Page
		switch next.Path {
		case "/login":
			answer, err = browser.PostJSON(ctx, s.Issuer()+"/sign-in/email", map[string]any{
				"email": email, "password": password, "oauth_query": next.RawQuery,
			})
		case "/consent":
			answer, err = browser.PostJSON(ctx, s.Issuer()+"/oauth2/consent", map[string]any{
				"accept": true, "oauth_query": next.RawQuery,
			})
		default:
			return "", fmt.Errorf("better auth answers %d at %s: %s", page.Status, next.Path, page.Excerpt())
		}
		if err != nil {
			return "", err
		}
		if next, err = s.target(answer); err != nil {
			return "", err
		}
		if page, err = browser.Visit(ctx, next.String(), s.needsScript); err != nil {
			return "", err
		}
		next = page.URL
	}
	return "", errors.New("better auth asks for the same pages again")
}

// ours tells the server's own addresses from the client's.
func (s *Server) ours(u *url.URL) bool { return u.Scheme+"://"+u.Host == s.origin }

// needsScript tells where redirects end: at a page, or at the client.
func (s *Server) needsScript(u *url.URL) bool {
	return !s.ours(u) || u.Path == "/login" || u.Path == "/consent"
}

// target reads where a page's script is told to go.
func (s *Server) target(page *harness.Page) (*url.URL, error) {
	var body struct {
		URL string `json:"url"`
	}
	if page.Status != http.StatusOK {
		return nil, fmt.Errorf("better auth answers %d at %s: %s", page.Status, page.URL.Path, page.Excerpt())
	}
	if err := json.Unmarshal(page.Body, &body); err != nil || body.URL == "" {
		return nil, fmt.Errorf("better auth names no next page at %s", page.URL.Path)
	}
	return page.URL.Parse(body.URL)
}
