package dev

import (
	"crypto/rand"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// application is the one client that the identity provider knows in mode proxy: the MCP server. Its
// secret is made again for each run, and with it what seals the tokens of clients.
type application struct {
	id       string
	secret   oauth.Secret
	audience string
	callback string
}

func newApplication(resource string) application {
	return application{
		id: "mcp-server", secret: oauth.Secret(rand.Text() + rand.Text()), audience: "api://mcp-server",
		callback: server.RedirectURI(resource),
	}
}

// describe makes the identity provider one that registers nobody but the application.
func (a application) describe(idp *devidp.Config) {
	devidp.Preregistered(devidp.Client{ID: a.id, Secret: a.secret, Name: "MCP server", RedirectURIs: []string{a.callback}})(idp)
	idp.DefaultAudience = a.audience
}

// provider returns the identity provider as one in mode proxy.
func (a application) provider(issuer string, opts ...runtime.Option) (*runtime.Provider, error) {
	return newProvider(issuer, opts, func(d *runtime.Definition) {
		d.Mode, d.Discovery = oauth.Proxy, nil
		d.Endpoints.Registration, d.Endpoints.Revocation = "", d.Issuer+"/revoke"
		d.Tokens.Audience = facts.Audience{AnyOf: []string{a.audience}}
		d.Upstream = &facts.Upstream{
			Credentials:    facts.Credentials{ClientID: a.id, ClientSecret: a.secret},
			RequiredScopes: []string{"openid", "offline_access"},
		}
		d.ScopeWords = map[string]string{
			"openid": "Know who you are", "profile": "See your name and picture", "email": "See your mail address",
			"offline_access": "Stay logged in",
		}
	})
}
