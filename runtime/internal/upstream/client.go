package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Config says which provider a [Client] talks to.
type Config struct {
	// Provider are the facts about the provider and our application there.
	Provider facts.Upstream
	// Endpoints, when set, says where the provider's endpoints are now, in place of those of
	// Provider: the provider's document may name others in time.
	Endpoints func() oauth.Endpoints
	// RedirectURI is where the provider sends browsers back to: the one that is registered there.
	RedirectURI string
	// HTTP sends the requests. Redirects are never followed, whatever it says. The default reaches
	// the hosts of the provider's token and revocation endpoints only.
	HTTP *http.Client
	// InsecureHTTPHosts are the hosts that plain http may reach besides those of this machine.
	InsecureHTTPHosts plainurl.HTTPHosts
	// Limits bound what reaches the provider on behalf of others.
	Limits Limits
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// Client is our application at a provider. It is safe for concurrent use and owns no goroutine.
type Client struct { //nolint:recvcheck // Format has to cover copies too
	provider    *provider
	endpoints   func() oauth.Endpoints
	redirectURI string
	gate        *Gate
	budgets     budgets
	revoked     *revocations
	// auth is how our application authenticates, revocationAuth how it does so where tokens are
	// revoked.
	auth, revocationAuth *ClientAuth
	now                  func() time.Time
}

// New returns the client of a configuration. Its error names everything that is wrong with it and
// holds no secret.
func New(config Config) (*Client, error) {
	p := provider(config.Provider)
	p.setDefaults()
	c := &Client{provider: &p, redirectURI: config.RedirectURI, now: config.Now, budgets: newBudgets(config.Limits), revoked: newRevocations()}
	if c.now == nil {
		c.now = time.Now
	}
	if c.endpoints = config.Endpoints; c.endpoints == nil {
		fixed := oauth.Endpoints{Authorization: p.Authorization, Token: p.Token, Revocation: p.Revocation}
		c.endpoints = func() oauth.Endpoints { return fixed }
	}
	if err := errors.Join(p.check(config.InsecureHTTPHosts), c.authenticate()); err != nil {
		return nil, err
	}
	client := config.HTTP
	if client == nil {
		client = egress.NewClient(egress.Policy{OperatorHosts: p.origins()})
	}
	c.gate = NewGate(client)
	return c, nil
}

// authenticate makes the client's authentication.
func (c *Client) authenticate() (err error) {
	p := c.provider
	if c.auth, err = NewClientAuth(p.Credentials, p.Token, c.now); err != nil {
		return fmt.Errorf("upstream %w", err)
	}
	if c.revocationAuth = c.auth; p.RevocationStyle == facts.RevokeGitHub && p.Revocation != "" {
		basic := p.Credentials
		basic.AuthMethod = facts.AuthBasic // whatever its token endpoint takes
		if c.revocationAuth, err = NewClientAuth(basic, p.Token, c.now); err != nil {
			return fmt.Errorf("upstream RevocationStyle %s: %w", p.RevocationStyle, err)
		}
	}
	return nil
}

// Provider returns the facts about the provider, defaults filled in.
func (c *Client) Provider() facts.Upstream { return facts.Upstream(*c.provider) }

// Format prints the provider's name alone, whatever the verb: the inside holds secrets.
func (c Client) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[client of %s]", c.provider.Name)
}
