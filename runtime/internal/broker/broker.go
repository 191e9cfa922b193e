package broker

import (
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/pages"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Broker is an authorization server in front of a provider. It is safe for concurrent use and owns no goroutine.
type Broker struct { //nolint:recvcheck // Format has to cover copies too
	// Pointers, since fmt would print the secrets of unexported fields when somebody prints a copy of the broker.
	config   *Config
	upstream *upstream.Client
	resource string
	path     string // of the resource, without trailing slash
	origin   string // scheme and host of the resource
	cookies  cookieJar
	tickets  *tickets.Boxes
	store    store.Store
	prefix   string // of keys in the store
	pages    *pages.Pages
	limits   limiters
	cors     cors.Policy
	// scopesMark changes whenever the list of scopes does: see scopeSet.
	scopesMark uint32
	documents  *documents
	logger     *slog.Logger
	now        func() time.Time
}

// maxScopes bounds the scopes of a server: a transaction has a bit for each.
const maxScopes = 64

// ErrSealingKeys is the error of [New] for keys that cannot be used, and for none where none can be derived.
var ErrSealingKeys = errors.New("sealing keys")

// New returns the broker of a configuration. Its error names everything that is wrong with it and holds no secret.
func New(config Config) (*Broker, error) {
	b := &Broker{config: &config, logger: config.Logger, now: config.Now, store: config.Store}
	if b.logger == nil {
		b.logger = slog.Default()
	}
	if b.now == nil {
		b.now = time.Now
	}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	b.warn()
	return b, nil
}

// check checks and completes the configuration.
func (b *Broker) check() error {
	c := b.config
	problems := []error{b.checkResources(), b.checkUpstream(), redirecturi.CheckSchemes(c.CustomSchemes), b.checkScopes()}
	if c.Verify == nil {
		problems = append(problems, errors.New("a Verify function is required: without it nobody knows whose the provider's tokens are"))
	}
	if c.VerifyFresh == nil {
		c.VerifyFresh = c.Verify
	}
	if c.Forget == nil {
		c.Forget = func(string) {}
	}
	if c.Tokens == "" {
		c.Tokens = proxy.Sealed
	}
	if c.Tokens != proxy.Sealed && c.Tokens != proxy.Passthrough {
		problems = append(problems, fmt.Errorf("mode of Tokens %q must be %q or %q", c.Tokens, proxy.Sealed, proxy.Passthrough))
	}
	if c.RefreshLifetime < 0 {
		problems = append(problems, errors.New("RefreshLifetime must not be negative"))
	}
	if c.RefreshLifetime == 0 {
		c.RefreshLifetime = defaultRefreshLifetime
	}
	var err error
	if b.cors, err = corsPolicy(c.AllowedOrigins); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// checkUpstream makes the client of the provider, whose redirect URI follows from the resource.
func (b *Broker) checkUpstream() (err error) {
	b.upstream, err = upstream.New(upstream.Config{
		Provider: b.config.Upstream, RedirectURI: b.CallbackURL(), HTTP: b.config.UpstreamClient, Now: b.now,
	})
	if err != nil {
		return err
	}
	b.config.Upstream = b.upstream.Provider()
	return nil
}

func (b *Broker) checkResources() error {
	resource, err := oauth.CanonicalResource(b.config.Resource)
	if err != nil {
		return err
	}
	u, err := url.Parse(resource)
	if err != nil {
		return err
	}
	b.resource, b.path, b.origin = resource, u.Path, u.Scheme+"://"+u.Host
	if b.config.Name == "" {
		b.config.Name = u.Host
	}
	b.config.Subresources = slices.Clone(b.config.Subresources)
	for i, sub := range b.config.Subresources {
		canonical, err := oauth.CanonicalResource(sub)
		if err != nil {
			return fmt.Errorf("subresource: %w", err)
		}
		if !strings.HasPrefix(canonical, resource+"/") {
			return fmt.Errorf("subresource %s must be below %s", canonical, resource)
		}
		b.config.Subresources[i] = canonical
	}
	return nil
}

func (b *Broker) checkScopes() error {
	c := b.config
	if len(c.Scopes) > maxScopes {
		return fmt.Errorf("there are %d scopes, at most %d are supported", len(c.Scopes), maxScopes)
	}
	for _, s := range c.Scopes {
		if !oauth.ValidScope(s) {
			return fmt.Errorf("scope %q has characters that a scope cannot have (RFC 6749 section 3.3)", s)
		}
	}
	if c.DefaultScopes == nil {
		c.DefaultScopes = c.Scopes
	}
	for _, s := range c.DefaultScopes {
		if !slices.Contains(c.Scopes, s) {
			return fmt.Errorf("default scope %q is not among the scopes", s)
		}
	}
	mark := fnv.New32a()
	_, _ = mark.Write([]byte(strings.Join(c.Scopes, " ")))
	b.scopesMark = mark.Sum32()
	return nil
}

// build makes the parts.
func (b *Broker) build() error {
	c := b.config
	ring, err := seal.NewRing(seal.Config{
		Keys: c.SealingKeys, Secret: b.config.Upstream.ClientSecret, PreviousSecrets: c.PreviousClientSecrets,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSealingKeys, err)
	}
	b.tickets = tickets.New(ring, b.binding(), b.now)
	if b.pages, err = pages.New(pages.Config{
		Resource: b.resource, Name: c.Name, Provider: c.Upstream.Title, Templates: c.Templates, Logo: c.Logo, Logger: b.logger,
	}); err != nil {
		return err
	}
	mount := tickets.Digest("mount", b.resource).String()[:8]
	b.prefix = "latchkey:" + mount + ":"
	b.cookies = newCookieJar(mount, strings.HasPrefix(b.resource, "https://"))
	if b.store == nil {
		b.store = store.NewMemory(store.MemoryConfig{Now: b.now, Observer: observe.Slog(b.logger)})
	}
	fetcher := c.DocumentClient
	if fetcher == nil {
		fetcher = egress.NewClient(egress.Policy{})
	}
	b.limits = newLimiters(c.Limits)
	b.documents = newDocuments(fetcher, c.CustomSchemes, b.limits, b.now, b.logger)
	return nil
}

// binding names everything whose change must end what was sealed before: another tenant or token endpoint vouches for
// other people.
func (b *Broker) binding() seal.Binding {
	return seal.Binding{
		Issuer: b.config.Upstream.Issuer + " " + b.config.Upstream.Token, Resource: b.resource,
		Provider: b.config.Upstream.Name, Client: b.config.Upstream.ClientID,
	}
}

// warn tells the operator about everything that weakens security.
func (b *Broker) warn() {
	if b.config.InsecureOpaquePassthrough {
		b.logger.Warn("opaque provider tokens are passed through: applications that share the provider may use them here and there",
			"option", "InsecureOpaquePassthrough", "provider", b.config.Upstream.Name)
	}
	if b.config.Upstream.CodeProtection == facts.ProtectNothing {
		b.logger.Warn("nothing binds the provider's authorization codes to a login", "provider", b.config.Upstream.Name,
			"reason", b.config.Upstream.UnprotectedReason)
	}
	if len(b.config.CustomSchemes) > 0 {
		b.logger.Info("applications may be redirected to by custom scheme", "schemes", b.config.CustomSchemes)
	}
}

// Issuer returns the issuer: the resource URL of the mount.
func (b *Broker) Issuer() string { return b.resource }

// CallbackURL returns the redirect URI to register at the provider.
func (b *Broker) CallbackURL() string { return b.resource + pathCallback }

// Format prints the resource and the provider alone, whatever the verb: the inside holds secrets.
func (b Broker) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[broker of %s for %s]", b.resource, b.config.Upstream.Name)
}

// namesResource checks the resource parameter of a request (RFC 8707) and returns the resource that it names, ours if it
// is absent.
func (b *Broker) namesResource(asked string) (string, *oauth.Error) {
	if asked == "" {
		return b.resource, nil
	}
	canonical, err := oauth.CanonicalResource(asked)
	if err != nil || canonical != b.resource && !slices.Contains(b.config.Subresources, canonical) {
		return "", refusal.Caused(oauth.CodeInvalidTarget, refusal.ReasonResource, "The resource is not this server", err)
	}
	return canonical, nil
}
