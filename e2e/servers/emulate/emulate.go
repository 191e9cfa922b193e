// Package emulate runs the emulator of well-known services (npm emulate) as one of the providers
// that know no dynamic clients: one application is registered there, and latchkey stands in front
// of it in proxy mode.
//
// A gateway, which gateway.go describes, stands in front of the emulator and adds what it lacks.
package emulate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// The people at the emulator. It takes any token that it does not know for one of the first person
// of its configuration, so nobody is first, and an answer about nobody is the emulator's refusal.
const (
	nobody = "nobody@example.com"
	user   = "ada@example.com"
	login  = "ada"
)

// Config says what to run.
type Config struct {
	// Root is the folder of the end-to-end tests, Node the program that runs the emulator (22 or
	// newer).
	Root, Node string
	// LogDir receives emulate.log.
	LogDir string
	Port   int
	// Service is what is emulated.
	Service Service
	// RedirectURI is where users come back to: the callback of the server in proxy mode.
	RedirectURI string
}

// Application is an OAuth client that is registered at the emulator.
type Application struct{ ID, Secret string }

// Server is a running emulator of one service.
type Server struct {
	process *harness.Process
	gateway *gateway
	service Service
	origin  string
	issuer  string
	userID  string
	// redirect is where all applications are registered with.
	redirect string

	application, other Application
}

var _ harness.Server = (*Server)(nil)

// Start starts the emulator and returns when it answers.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{
		service: c.Service, origin: fmt.Sprintf("http://127.0.0.1:%d", c.Port), redirect: c.RedirectURI,
		application: newApplication("mcp-server"), other: newApplication("another-application"),
	}
	seed, err := s.seed(c.LogDir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(seed) }() // it holds the secrets of the applications, and is read at the start
	s.process, err = harness.Start(ctx, harness.Command{
		Name: "emulate", LogDir: c.LogDir, Path: c.Node,
		Args: []string{
			filepath.Join(c.Root, "node_modules", "emulate", "dist", "index.js"), "start", "--service", c.Service.name,
			"--port", strconv.Itoa(c.Port), "--base-url", s.origin, "--seed", seed,
		},
	})
	if err != nil {
		return nil, err
	}
	if err := s.process.WaitReady(ctx, s.origin+"/_emulate/favicon.ico"); err != nil {
		s.process.Stop()
		return nil, err
	}
	s.gateway = newGateway(s)
	if err := s.discover(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// discover learns what the emulator makes up: its issuer, where it has one, and the user's
// identifier.
func (s *Server) discover(ctx context.Context) error {
	if s.issuer = s.service.issuer; s.issuer == "" {
		answer, err := s.gateway.ask(ctx, http.MethodGet, s.service.discovery, nil, nil)
		if err != nil {
			return err
		}
		var metadata struct {
			Issuer string `json:"issuer"`
		}
		if err := json.Unmarshal(answer.body, &metadata); err != nil {
			return err
		}
		s.issuer = metadata.Issuer
	}
	tokens, err := s.OtherTokens(ctx)
	if err != nil {
		return err
	}
	profile, err := s.gateway.profile(ctx, tokens.AccessToken)
	if err != nil {
		return err
	}
	s.userID = profile.id()
	return nil
}

// newApplication makes up credentials. The secret is long enough to derive sealing keys from.
func newApplication(name string) Application {
	return Application{ID: name, Secret: rand.Text() + rand.Text()}
}

// seed writes the emulator's configuration.
func (s *Server) seed(dir string) (string, error) {
	applications := make([]map[string]any, 0, 2)
	for _, a := range []Application{s.application, s.other} {
		applications = append(applications, map[string]any{
			"client_id": a.ID, "client_secret": a.Secret, "name": a.ID, "redirect_uris": []string{s.redirect},
		})
	}
	people := []map[string]any{
		{"login": "nobody", "email": nobody, "name": "Nobody"},
		{"okta_id": oktaUser, "login": login, "email": user, "name": "Ada Lovelace", "first_name": "Ada", "last_name": "Lovelace"},
	}
	encoded, err := json.Marshal(map[string]any{
		s.service.name: map[string]any{"users": people, s.service.applications: applications},
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "emulate-seed.json")
	return path, os.WriteFile(path, encoded, 0o600)
}

// Issuer is what callers are said to come from: the provider's issuer, not latchkey's own, which
// issues the tokens.
func (s *Server) Issuer() string { return s.issuer }

// UserID is the identifier that the emulator made up for its user.
func (s *Server) UserID() string { return s.userID }

// Email is what the service says of its user.
func (s *Server) Email() string {
	if s.service.noEmail {
		return ""
	}
	return user
}

// Command is that of `latchkey serve` or, where the service has no fitting provider, of
// cmd/customserver.
func (s *Server) Command(addr string) []string { return s.service.command(s, addr) }

// Environment holds the credentials of the application.
func (s *Server) Environment() []string {
	environment := []string{s.service.variables[1] + "=" + s.application.Secret}
	if id := s.service.variables[0]; id != "" {
		environment = append(environment, id+"="+s.application.ID)
	}
	return environment
}

// Log is what the emulator has logged so far.
func (s *Server) Log() string { return s.process.Log() }

// Stop ends the emulator.
func (s *Server) Stop() {
	if s.gateway != nil {
		s.gateway.stop()
	}
	s.process.Stop()
}

// Login allows the client at the consent page and picks the user at the emulator.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	return harness.Walk(ctx, authorizeURL, harness.Allow, Pick)
}

// Pick chooses the user at the emulator's page, which asks for nothing else.
func Pick(page *harness.Page) (*harness.Form, error) {
	for _, button := range [][2]string{{"email", user}, {"login", login}, {"user_ref", oktaUser}} {
		if form, err := page.FormWith(button[0], button[1]); err == nil {
			return form, nil
		}
	}
	return nil, fmt.Errorf("%s is not among the users at %s (status %d): %s", user, page.URL.Redacted(), page.Status, page.Excerpt())
}
