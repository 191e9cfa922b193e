package broker

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/peers"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// VerifyFunc checks an access token of the provider.
type VerifyFunc = grants.VerifyFunc

// ErrNoUpstreamToken is the error where there is no provider token to give.
var ErrNoUpstreamToken = grants.ErrNoUpstreamToken

// Config says what a [Broker] stands in front of, and for whom. Resource, Upstream and Verify are
// required; the zero value of every other field is the safe default.
type Config struct {
	// Options are those of the mount. Without sealing keys the key is derived from the provider's
	// client secret, which then needs 32 characters.
	proxy.Options

	// Resource is the public URL of the protected endpoint, such as https://mcp.example.com/mcp. It
	// is also the issuer, and all other URLs derive from it; nothing is derived from a request.
	Resource string
	// Subresources are the URLs of further protected endpoints that clients may name in the
	// resource parameter: those below Resource that have metadata of their own, such as
	// https://mcp.example.com/mcp/sse.
	Subresources []string
	// Name is the server's name on the consent page. The default is the host of Resource.
	Name string

	// Upstream is the provider. Endpoints, when set, says where its endpoints are now: its own
	// document names them. Sealed values are then bound to its issuer and to our client id alone.
	Upstream  facts.Upstream
	Endpoints func() oauth.Endpoints
	// SecretVariable is the variable that our secret at the provider was read from, for hints;
	// empty where it was not.
	SecretVariable string
	// UsualScopes are asked for when a client names none. Clients may ask for these and for those
	// of Options; others that they ask for are left out.
	UsualScopes []string

	// Verify checks the provider's access tokens: once when they arrive and, where the provider
	// gives no refresh token, on each refresh. It never gets a token that came from outside.
	Verify VerifyFunc
	// Forget drops what Verify keeps about a token. It is called for tokens that were revoked at
	// the provider. The default does nothing, for a Verify that keeps nothing.
	Forget func(token string)

	// Peers names the clients of requests, for limits. The default is the addresses of the
	// connections.
	Peers *peers.Peers
	// AllowedOrigins are the browser origins whose scripts may register and get tokens:
	// "https://app.example.com", or "*" for all. Metadata is readable from every origin.
	AllowedOrigins []string
	// AllowedHeaders are further headers that these scripts may send.
	AllowedHeaders []string

	// UpstreamClient makes the requests to the provider. The default may reach the hosts of
	// Upstream's URLs only.
	UpstreamClient *http.Client
	// InsecureHTTPHosts are the hosts of Upstream's URLs that plain http may reach besides those of
	// this machine.
	InsecureHTTPHosts plainurl.HTTPHosts
	// LookupEnv finds the environment's proxy. The default is [os.LookupEnv].
	LookupEnv func(name string) (string, bool)
	// RootCAs are the certificate authorities to trust behind that proxy. Nil means the system's.
	RootCAs *x509.CertPool

	// NeededScopes are needed for every request, and Hierarchy lets broader ones stand for them:
	// the operator is warned where a provider does not grant one that was asked for.
	NeededScopes []string
	Hierarchy    oauth.ScopeHierarchy

	// Events gets refusals, with their reasons, and what was granted. It never gets a token, code
	// or secret. Nil is nobody.
	Events *events.Sender
	// Now replaces time.Now, for tests.
	Now func() time.Time
}

const (
	defaultAccessLifetime  = time.Hour
	maxAccessLifetime      = 24 * time.Hour
	defaultRefreshLifetime = 30 * 24 * time.Hour

	defaultRevocationMemory = time.Second
	defaultStoreGrace       = 30 * time.Second
)

// complete fills in the defaults and returns what is wrong with the rest.
func (c *Config) complete() error {
	var problems []error
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Verify == nil {
		problems = append(problems, errors.New("a Verify function is required: without it nobody knows whose the provider's tokens are"))
	}
	if c.Forget == nil {
		c.Forget = func(string) {}
	}
	c.Tokens = cmp.Or(c.Tokens, proxy.Sealed)
	if c.Tokens != proxy.Sealed && c.Tokens != proxy.Passthrough {
		problems = append(problems, fmt.Errorf("mode of Tokens %q must be %q or %q", c.Tokens, proxy.Sealed, proxy.Passthrough))
	}
	if c.AccessLifetime < 0 || c.AccessLifetime > maxAccessLifetime {
		problems = append(problems, fmt.Errorf("AccessLifetime %s must be between 0 and %s", c.AccessLifetime, maxAccessLifetime))
	}
	c.AccessLifetime = cmp.Or(c.AccessLifetime, defaultAccessLifetime)
	if c.RefreshLifetime < 0 {
		problems = append(problems, errors.New("RefreshLifetime must not be negative"))
	}
	c.RefreshLifetime = cmp.Or(c.RefreshLifetime, defaultRefreshLifetime)
	if c.Store == nil { // which costs no round trip
		c.RevocationMemory, c.StoreGrace = -1, -1
		c.Store = store.NewMemory(store.MemoryConfig{Now: c.Now, Observer: c.Events})
	}
	c.RevocationMemory = cmp.Or(c.RevocationMemory, defaultRevocationMemory)
	c.StoreGrace = cmp.Or(c.StoreGrace, defaultStoreGrace)
	if c.Peers == nil {
		c.Peers = peers.New(nil, c.Events)
	}
	if c.LookupEnv == nil {
		c.LookupEnv = os.LookupEnv
	}
	return errors.Join(problems...)
}

// loginScopes are the usual scopes that nothing but the login needs.
func (c *Config) loginScopes() []string {
	return slices.DeleteFunc(slices.Clone(c.UsualScopes), func(s string) bool { return slices.Contains(c.NeededScopes, s) })
}
