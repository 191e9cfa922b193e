package upstream

import (
	"fmt"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Config says which provider a [Client] talks to.
type Config struct {
	// Provider are the facts about the provider and our application there.
	Provider facts.Upstream
	// RedirectURI is where the provider sends browsers back to: the one that is registered there.
	RedirectURI string
	// HTTP sends the requests. Redirects are never followed, whatever it says. The default reaches the hosts of the
	// provider's token and revocation endpoints only.
	HTTP *http.Client
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// Client is our application at a provider. It is safe for concurrent use and owns no goroutine.
type Client struct { //nolint:recvcheck // Format has to cover copies too
	provider    *provider
	redirectURI string
	http        *http.Client
	// assertionKey signs for [facts.AuthPrivateKeyJWT]; nil for every other method.
	assertionKey *jose.SigningKey
	now          func() time.Time
}

// New returns the client of a configuration. Its error names everything that is wrong with it and holds no secret.
func New(config Config) (*Client, error) {
	p := provider(config.Provider)
	p.setDefaults()
	if err := p.check(); err != nil {
		return nil, err
	}
	c := &Client{provider: &p, redirectURI: config.RedirectURI, now: config.Now}
	if c.now == nil {
		c.now = time.Now
	}
	if p.AuthMethod == facts.AuthPrivateKeyJWT {
		key, err := jose.ParseSigningKey(p.ClientKey.Reveal(), p.ClientKeyID)
		if err != nil {
			return nil, fmt.Errorf("upstream ClientKey: %w", err)
		}
		c.assertionKey = key
	}
	client := config.HTTP
	if client == nil {
		client = egress.NewClient(egress.Policy{OperatorHosts: p.origins()})
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c, nil
}

// Provider returns the facts about the provider, defaults filled in.
func (c *Client) Provider() facts.Upstream { return facts.Upstream(*c.provider) }

// Format prints the provider's name alone, whatever the verb: the inside holds secrets.
func (c Client) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[client of %s]", c.provider.Name)
}
