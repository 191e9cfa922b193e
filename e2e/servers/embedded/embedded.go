// Package embedded stands for the identity provider inside `latchkey dev`: it is ours, but who
// talks to it is not.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// user is one of the provider's made-up people, subject and email what its tokens say of her.
const (
	user    = "alice"
	subject = "user-alice"
	email   = "alice@example.com"
)

// Server is the identity provider of a `latchkey dev` that the test starts as its resource server.
type Server struct{ addr string }

var _ harness.Server = (*Server)(nil)

// New returns the server that will listen on the port.
func New(port int) *Server { return &Server{addr: fmt.Sprintf("127.0.0.1:%d", port)} }

// Issuer is the provider's origin.
func (s *Server) Issuer() string { return "http://" + s.addr }

// UserID is the subject of the user who logs in.
func (s *Server) UserID() string { return subject }

// Email is in the provider's access tokens.
func (s *Server) Email() string { return email }

// Command runs provider and resource server in one process.
func (s *Server) Command(addr string) []string {
	return []string{"dev", "--addr", addr, "--idp-addr", s.addr, "--path", "/mcp"}
}

// Environment is empty: there is nothing to configure.
func (s *Server) Environment() []string { return nil }

// Log is empty: the process logs for both.
func (s *Server) Log() string { return "" }

// Stop does nothing: the process ends as the resource server.
func (s *Server) Stop() {}

// Login picks the user and allows what the client asks for.
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
		form, formErr := page.Form("user")
		if formErr == nil {
			err = form.Press("user", user)
		} else if form, err = page.Form("decision"); err == nil {
			err = form.Press("decision", "allow")
		}
		if err != nil {
			return "", err
		}
		page, err = browser.Submit(ctx, form, s.isClient)
	}
	return "", errors.New("the embedded provider asks for the same pages again")
}

// isClient tells the client's address from the provider's own.
func (s *Server) isClient(u *url.URL) bool { return u.Host != s.addr }
