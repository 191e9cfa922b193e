package oidcprovider

import (
	"context"
	"crypto/rand"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// The audiences of the applications' access tokens.
const (
	audience      = "urn:mcp-server"
	otherAudience = "urn:another-application"
)

// application is an OAuth client that is registered beforehand.
type application struct {
	ID          string `json:"id"`
	Secret      string `json:"secret"`
	RedirectURI string `json:"redirectURI"`
	Audience    string `json:"audience"`
}

// Upstream is an oidc-provider that knows two applications and registers nobody: cmd/customserver,
// in proxy mode, is one of them. Its access tokens are JWTs for the application's audience; a
// resource indicator is refused.
type Upstream struct {
	*Server

	application, other application
	passthrough        bool
}

var _ harness.Server = (*Upstream)(nil)

// StartUpstream starts the server for an application with the redirect URI. With passthrough
// clients get the provider's own access tokens.
func StartUpstream(ctx context.Context, c Config, redirectURI string, passthrough bool) (*Upstream, error) {
	u := &Upstream{
		application: application{"mcp-server", rand.Text() + rand.Text(), redirectURI, audience},
		other:       application{"another-application", rand.Text() + rand.Text(), redirectURI, otherAudience},
		passthrough: passthrough,
	}
	c.applications = []application{u.application, u.other}
	var err error
	u.Server, err = Start(ctx, c)
	return u, err
}

// Login allows the client at latchkey's consent page and answers the development pages.
func (u *Upstream) Login(ctx context.Context, authorizeURL string) (string, error) {
	return harness.Walk(ctx, authorizeURL, harness.Allow, fillIn)
}

// Command configures cmd/customserver.
func (u *Upstream) Command(addr string) []string {
	command := append(u.Server.Command(addr), "--client-id", u.application.ID, "--audience", audience,
		"--revocation", u.origin+"/token/revocation",
		// The provider gives refresh tokens for this alone (OpenID Connect Core section 11).
		"--required", "offline_access", "--prompt", "consent")
	if u.passthrough {
		command = append(command, "--passthrough")
	}
	return command
}

// Environment holds the application's secret.
func (u *Upstream) Environment() []string {
	return []string{"CUSTOMSERVER_CLIENT_SECRET=" + u.application.Secret}
}

// OtherTokens logs the same user in to the other application, without latchkey.
func (u *Upstream) OtherTokens(ctx context.Context) (*harness.Tokens, error) {
	return harness.Application{
		ID: u.other.ID, Secret: u.other.Secret, RedirectURI: u.other.RedirectURI,
		Authorize: u.origin + "/auth", Token: u.origin + "/token", Scope: "openid",
	}.Login(ctx, fillIn)
}
