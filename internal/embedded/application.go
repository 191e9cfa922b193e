package embedded

import (
	"crypto/rand"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Application is a server in mode proxy as the identity provider knows it. Its secret is made again
// for each run, and with it what seals the tokens of clients.
type Application struct {
	id       string
	secret   oauth.Secret
	callback string
	audience string
}

// NewApplication returns the application with the given redirect URI. The audience is the default
// one of the identity provider, since such a server names no resource there.
func NewApplication(callback, audience string) Application {
	return Application{
		id: "mcp-server-" + rand.Text(), secret: oauth.Secret(rand.Text() + rand.Text()), callback: callback, audience: audience,
	}
}

// Client is what the identity provider must know of the application.
func (a Application) Client() devidp.Client {
	return devidp.Client{ID: a.id, Secret: a.secret, Name: "MCP server", RedirectURIs: []string{a.callback}}
}

// Provider returns the identity provider as one in mode proxy.
func (a Application) Provider(issuer string, opts ...runtime.Option) (*runtime.Provider, error) {
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
