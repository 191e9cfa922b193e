package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/pages"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Broker is an authorization server in front of a provider. It is safe for concurrent use and owns
// no goroutine.
type Broker struct { //nolint:recvcheck // Format has to cover copies too
	provider string // its name
	site     site
	grants   *grants.Grants
	metadata metadata
	routes   []Route
}

// ErrSealingKeys is the error of [New] for keys that cannot be used, and for none where none can be
// derived.
var ErrSealingKeys = errors.New("sealing keys")

// New returns the broker of a configuration. Its error names everything that is wrong with it and
// holds no secret.
func New(config Config) (*Broker, error) {
	b, err := build(&config)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	return b, nil
}

// rooms are the parts of a broker below its endpoints.
type rooms struct {
	site     site
	scopes   scopes
	provider *upstream.Client
	tickets  *tickets.Boxes
	entries  grants.Entries
	grants   *grants.Grants
	clients  *clients.Registry
	pages    *pages.Pages
	limits   *limiters
}

// build makes the rooms and connects the endpoints to them.
func build(c *Config) (*Broker, error) {
	m, scripts, err := foundation(c)
	if err != nil {
		return nil, err
	}
	ring, err := seal.NewRing(seal.Config{
		Keys: c.SealingKeys, Secret: c.Upstream.ClientSecret, PreviousSecrets: c.PreviousClientSecrets,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealingKeys, err)
	}
	if m.pages, err = pages.New(pages.Config{
		Resource: m.site.resource(), Name: cmp.Or(c.Name, m.site.host), Provider: c.Upstream.Title,
		Templates: c.Templates, Logo: c.Logo, Events: c.Events,
	}); err != nil {
		return nil, err
	}
	bound := c.binding(m.site.resource())
	m.tickets = tickets.New(ring, bound, mark(m.site, c.Tokens), c.Now)
	m.entries = grants.Entries{Store: watchedStore{c.Store, c.Events}, Names: ring.Names(bound)}
	m.grants = grants.New(grants.Config{
		Options: c.withoutKeys(), Resources: m.site.resources, Scopes: m.scopes.all, Tickets: m.tickets, Entries: m.entries,
		Provider: m.provider, Verify: c.Verify, Forget: c.Forget, TokenURL: c.Upstream.Token, RevocationURL: c.Upstream.Revocation,
		SecretVariable: c.SecretVariable, NeededScopes: c.NeededScopes, AlwaysAsked: c.Upstream.RequiredScopes, Hierarchy: c.Hierarchy, Now: c.Now, Events: c.Events,
	})
	m.limits = newLimiters(c.Limits, c.Peers, c.Now)
	m.clients, err = clients.New(clients.Config{
		Box: m.tickets.Client, CustomSchemes: c.CustomSchemes, GrantTypes: m.grants.Types(), Scopes: m.scopes.all,
		Audiences: []string{m.site.resource(), m.site.url(pathToken)}, Once: m.once,
		Documents: c.ClientDocuments, LookupEnv: c.LookupEnv, RootCAs: c.RootCAs,
		MayFetch: m.limits.mayFetch, Now: c.Now, Events: c.Events,
	})
	if err != nil {
		return nil, err
	}
	warn(c)
	return &Broker{
		provider: c.Upstream.Name, site: m.site, grants: m.grants,
		metadata: newMetadata(m.site, m.scopes.all, m.grants.Types(), m.clients.TakesDocuments()),
		routes:   routes(scripts, answers{pages: m.pages, events: c.Events}, m.endpoints(c)),
	}, nil
}

// foundation checks the configuration, and makes what needs nothing else of it. Its error names
// everything that is wrong.
func foundation(c *Config) (m rooms, scripts cors.Policy, err error) {
	problem := c.complete()
	m.site, err = newSite(c.Resource, c.Subresources)
	problem = errors.Join(problem, err)
	m.provider, err = upstream.New(upstream.Config{
		Provider: c.Upstream, Endpoints: c.Endpoints, RedirectURI: m.site.url(pathCallback), HTTP: c.UpstreamClient, InsecureHTTPHosts: c.InsecureHTTPHosts,
		Limits: providerLimits(c.Limits), Now: c.Now,
	})
	problem = errors.Join(problem, err)
	m.scopes, err = newScopes(c.UsualScopes, c.Scopes)
	problem = errors.Join(problem, err)
	scripts, err = corsPolicy(c.AllowedOrigins, c.AllowedHeaders)
	problem = errors.Join(problem, err, redirecturi.CheckSchemes(c.CustomSchemes))
	if problem == nil {
		c.Upstream = m.provider.Provider()
	}
	return m, scripts, problem
}

// endpoints connects the endpoints to the rooms.
func (m rooms) endpoints(c *Config) endpoints {
	out := answers{pages: m.pages, events: c.Events}
	who := asking{clients: m.clients, limits: m.limits}
	jar := newCookieJar(m.site.mount, m.site.secure())
	begun := &logins{
		cookies: jar, box: m.tickets.Login, entries: m.entries, site: m.site, scopes: m.scopes, provider: m.provider, now: c.Now,
	}
	known := &remembered{cookies: jar, box: m.tickets.Consents, site: m.site, now: c.Now}
	asked := &consents{
		cookies: jar, box: m.tickets.Form, site: m.site, words: c.ScopeWords, login: c.loginScopes(), scopes: m.scopes, limits: m.limits, remembered: known, logins: begun,
		loginPage: c.Upstream.Authorization, now: c.Now, answers: out,
	}
	authorize := &authorization{
		requests: requests{clients: m.clients, resources: m.site.resources, scopes: m.scopes, limits: m.limits}, site: m.site,
		limits: m.limits, cookies: jar, remembered: known, logins: begun, consents: asked, answers: out,
	}
	return endpoints{
		register:  (&registration{clients: m.clients, limits: m.limits, answers: out}).serve,
		authorize: authorize.serve,
		consent:   asked.serve,
		callback:  (&callback{logins: begun, grants: m.grants, provider: m.provider, site: m.site, answers: out}).serve,
		token:     (&token{grants: m.grants, asking: who, answers: out}).serve,
		revoke:    (&revocation{grants: m.grants, asking: who, limits: m.limits, answers: out}).serve,
	}
}

// once marks a client's assertion as used, and reports whether it was not before.
func (m rooms) once(ctx context.Context, assertion tickets.ID, lifetime time.Duration) (bool, error) {
	return m.entries.Once(ctx, "assertion", assertion, lifetime, slices.Collect(m.entries.Names.Keys())...)
}

// withoutKeys returns the options without what only the key ring needs.
func (c *Config) withoutKeys() proxy.Options {
	options := c.Options
	options.SealingKeys, options.PreviousClientSecrets = nil, nil
	return options
}

// binding names everything whose change must end what was sealed before: another tenant or token
// endpoint vouches for other people.
func (c *Config) binding(resource string) seal.Binding {
	u := c.Upstream
	issuer := u.Issuer + " " + u.Token
	if c.Endpoints != nil {
		issuer = u.Issuer
	}
	return seal.Binding{Issuer: issuer, Resource: resource, Provider: u.Name, Client: u.ClientID}
}

// mark stands for what a login under way takes for granted: of two replicas with other resources or
// another mode, one would make another token of it than the user was asked about.
func mark(s site, mode proxy.TokenMode) tickets.ID {
	return tickets.Digest(append([]string{"configuration", string(mode)}, s.resources...)...)
}

// warn tells the operator about everything that weakens security.
func warn(c *Config) {
	notice := func(level slog.Level, reason oauth.Reason, message string, detail slog.Attr) {
		c.Events.Observe(context.Background(), observe.Event{
			Kind: observe.Notice, Level: level, Reason: reason, Message: message, Details: []slog.Attr{detail},
		})
	}
	if c.InsecureOpaquePassthrough {
		notice(slog.LevelWarn, oauth.ReasonInsecureSetting,
			"opaque provider tokens are passed through: applications that share the provider may use them here and there",
			slog.String("setting", "InsecureOpaquePassthrough"))
	}
	if c.Upstream.CodeProtection == facts.ProtectNothing {
		notice(slog.LevelWarn, oauth.ReasonInsecureSetting, "nothing binds the provider's authorization codes to a login",
			slog.String("because", c.Upstream.UnprotectedReason))
	}
	if len(c.CustomSchemes) > 0 {
		notice(slog.LevelInfo, "", "applications may be redirected to by custom scheme", slog.Any("schemes", c.CustomSchemes))
	}
}

// Issuer returns the issuer: the resource URL of the mount.
func (b *Broker) Issuer() string { return b.site.resource() }

// CallbackURL returns the redirect URI to register at the provider.
func (b *Broker) CallbackURL() string { return b.site.url(pathCallback) }

// Routes returns the endpoints, all public, for routers other than net/http's.
func (b *Broker) Routes() []Route { return slices.Clone(b.routes) }

// MetadataHandler serves the document of a well-known suffix, [oauth.WellKnownAuthorizationServer]
// or [oauth.WellKnownOpenID], to clients on any origin.
func (b *Broker) MetadataHandler(suffix string) http.Handler {
	return cors.Public(func(w http.ResponseWriter, _ *http.Request) { writeDocument(w, b.metadata.document(suffix)) })
}

// VerifyAccessToken verifies a sealed access token for a resource: see
// [grants.Grants.VerifyAccessToken].
func (b *Broker) VerifyAccessToken(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
	return b.grants.VerifyAccessToken(ctx, token, resource)
}

// UpstreamToken returns the provider's access token of the caller that ctx carries: see
// [grants.Grants.UpstreamToken].
func (b *Broker) UpstreamToken(ctx context.Context) (oauth.Secret, error) {
	return b.grants.UpstreamToken(ctx)
}

// Format prints the resource and the provider alone, whatever the verb: the inside holds secrets.
func (b Broker) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[broker of %s for %s]", b.site.resource(), b.provider)
}
