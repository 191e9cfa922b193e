package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/pacedbody"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/metadata"
	"github.com/latchkey-auth/latchkey/runtime/internal/peers"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// GuardConfig says what a [Guard] protects. The zero value of every field but Resource is the safe
// default.
type GuardConfig struct {
	// Resource is the public URL of the protected endpoint, for example
	// https://mcp.example.com/mcp. Required. Nothing is ever derived from a request's Host or
	// forwarded headers. A slash at its end is a part of it: tokens and metadata are compared byte
	// for byte. Requests to the other spelling are requests to the same endpoint, where the
	// application routes both to it.
	Resource string
	// ExternalPrefix is the beginning of the resource's path that a reverse proxy takes away before
	// it passes requests on: with the resource https://example.com/api/mcp and the prefix "/api"
	// they arrive at /mcp. [Guard.Routes] lists the paths that arrive; whatever clients are told is
	// with the prefix. The default is none.
	ExternalPrefix string
	// ResourceMetadataURL is where challenges send clients for the metadata of the resource itself
	// (RFC 9728 section 5.1), for proxies that pass no other of its addresses on, or a document that
	// somebody else serves. The default is the path-inserted address or, with an ExternalPrefix, the
	// one below the resource, since the former is outside the prefix. Subpaths keep the default.
	ResourceMetadataURL string
	// Name is shown to people by clients that read the metadata.
	Name string
	// Documentation is the URL of documentation for people.
	Documentation string
	// Scopes are needed for every request. They are announced with the provider's own, so the
	// provider must know them.
	Scopes []string
	// ScopesSupported replaces the scopes that metadata and challenges announce: the provider's,
	// without offline_access, and Scopes. Clients ask for all of them at once, so one that the
	// provider does not know breaks their login.
	ScopesSupported []string
	// Hierarchy lets broader scopes satisfy narrower needs.
	Hierarchy oauth.ScopeHierarchy
	// Subpaths are further endpoints below the resource, such as "/sse", each with metadata and an
	// audience of its own.
	Subpaths []string
	// AllowedOrigins are the browser origins whose scripts may call the protected endpoints:
	// "https://app.example.com", or "*" for all. Their preflight requests are answered here.
	// Metadata is readable from every origin.
	AllowedOrigins []string
	// AllowedHeaders are the names of further headers that these scripts may send. The headers of
	// MCP clients, those of its tool parameters (Mcp-Param-*) and of traces are allowed without it.
	AllowedHeaders []string
	// LandingPage, when set, answers browsers that open the endpoint without a token. It is public.
	LandingPage http.Handler
	// ClientAddress says which client a request is of, for budgets: those of proxy mode, and those
	// of [WithInquiryLimits]. The default is the connection's own address; behind a reverse proxy
	// all clients share one. See package clientaddr.
	ClientAddress func(*http.Request) string
	// Proxy adjusts proxy mode. It means nothing for a provider in direct mode.
	Proxy proxy.Options
	// MaxTokenBytes bounds the token, in bytes. The default is [DefaultMaxTokenBytes]; at most 512
	// KB are possible, since net/http takes a header of 1 MB as a whole. Servers in front have
	// limits of their own, often of 8 KB.
	MaxTokenBytes int
	// InsecureStreamsOutliveTokens lets an answer that streams go on after its token expired or was
	// revoked: see [Guard.Stream]. The guard says so at its start.
	InsecureStreamsOutliveTokens bool
	// Logger gets what happens here, by [observe.Slog]. The default is the provider's, else
	// [slog.Default].
	Logger *slog.Logger
	// Observer sees what happens here, beside the log and the provider's observers.
	Observer observe.Observer
}

// DefaultMaxTokenBytes is the size in bytes of the longest token that a guard looks at, where
// nothing else is configured.
const DefaultMaxTokenBytes = 16 << 10

// Guard protects handlers of one resource and serves the metadata by which clients find the
// provider.
type Guard struct {
	provider  oauth.Provider
	config    GuardConfig
	endpoints []endpoint // longest path first; the last is the resource itself
	routes    []Route
	events    *events.Sender
	cors      cors.Policy
	// verify checks access tokens: the provider's, or those that the server issues in proxy mode.
	verify func(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error)
	// recall, where there is one, returns the caller of a token that verify accepted and remembers,
	// or nil.
	recall func(token, resource string) *oauth.AuthInfo
	// issuer is the authorization server that clients are sent to.
	issuer string
	broker *broker.Broker // nil in direct mode
	sealed bool           // verify takes the server's own tokens
	views  *views         // nil without a hierarchy
	leeway time.Duration
	peers  *peers.Peers
	// inquires tells that somebody is asked about tokens, which counts by the client's address.
	inquires bool
	alone    *Site // of this guard and no other
}

// NewGuard returns the guard of a resource.
func NewGuard(provider oauth.Provider, config GuardConfig) (*Guard, error) {
	if _, ok := oauth.Capability[oauth.Provider](provider); !ok { // a nil pointer has none
		return nil, errNoProvider
	}
	resource, err := oauth.CanonicalResource(config.Resource)
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if config.MaxTokenBytes, err = maxTokenBytes(config.MaxTokenBytes); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	g := &Guard{
		provider: provider, config: config, events: senderOf(provider, resource, config), verify: provider.Verify,
		recall: recallOf(provider), issuer: provider.Describe().Issuer, views: newViews(config.Hierarchy),
		leeway: leewayOf(provider), inquires: inquires(provider),
	}
	g.peers = peers.New(config.ClientAddress, g.events)
	if err := g.announceable(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if g.cors, err = corsPolicy(config.AllowedOrigins, config.AllowedHeaders); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if err := g.addEndpoints(resource); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if err := g.addBroker(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if err := g.addRoutes(resource); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if g.alone, err = NewSite(g); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	g.warn()
	return g, nil
}

// maxTokenBytes checks the limit of a configuration, and puts the default in the place of zero.
func maxTokenBytes(configured int) (int, error) {
	switch {
	case configured < 0 || configured > verify.MaxTokenSize:
		return 0, fmt.Errorf("MaxTokenBytes %d must be between 1 and %d: net/http takes a header of 1 MB as a whole",
			configured, verify.MaxTokenSize)
	case configured == 0:
		return DefaultMaxTokenBytes, nil
	}
	return configured, nil
}

// announceable checks what metadata and challenges will say.
func (g *Guard) announceable() error {
	if g.issuer == "" {
		return errors.New("the provider names no issuer, so clients could not find it (RFC 9728 section 2)")
	}
	for _, scope := range slices.Concat(g.config.Scopes, g.config.ScopesSupported) {
		if !oauth.ValidScope(scope) {
			return fmt.Errorf("%q is not one scope (RFC 6749 section 3.3); list several as several", scope)
		}
	}
	return nil
}

func (g *Guard) resourceMetadata(resource string) oauth.ProtectedResourceMetadata {
	return oauth.ProtectedResourceMetadata{
		Resource:               resource,
		AuthorizationServers:   []string{g.issuer},
		ScopesSupported:        g.announcedScopes(),
		BearerMethodsSupported: []string{"header"},
		ResourceName:           g.config.Name,
		ResourceDocumentation:  g.config.Documentation,
	}
}

// announcedScopes are what clients should ask for at login.
func (g *Guard) announcedScopes() []string {
	scopes := g.config.ScopesSupported
	if scopes == nil {
		scopes = union(g.provider.Describe().ScopesSupported, g.config.Scopes)
	}
	return metadata.Announced(scopes)
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Routes returns the guard's public paths, for routers other than net/http's. Of several guards on
// one host take those of their [Site].
func (g *Guard) Routes() []Route { return g.alone.Routes() }

// Handler serves the guard's public paths and answers 404 to all others. It is for the one guard of
// a host: mount it at "/". Several make a [Site].
func (g *Guard) Handler() http.Handler { return g.alone.Handler() }

// Format prints the guard's resource, whatever the verb: its inside holds secrets.
func (g *Guard) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "guard of %s", g.Resource())
}

// Resource returns the canonical URL of the protected resource.
func (g *Guard) Resource() string { return g.endpoints[len(g.endpoints)-1].resource }

// EndpointPaths returns the paths at which requests for the protected endpoints arrive: the
// resource's own first.
func (g *Guard) EndpointPaths() []string {
	paths := make([]string, 0, len(g.endpoints))
	for _, e := range slices.Backward(g.endpoints) {
		paths = append(paths, e.spelled)
	}
	return paths
}

// Authenticate verifies a request's bearer token and returns its caller. The error is an
// [*oauth.Error]; answer it with [Guard.Refuse].
func (g *Guard) Authenticate(r *http.Request) (*oauth.AuthInfo, error) {
	if !g.events.Enabled(observe.CallerVerified) {
		return g.authenticate(r)
	}
	begin := time.Now()
	info, err := g.authenticate(r)
	if err != nil {
		return nil, err
	}
	if refused := g.admitted(r, info, begin); refused != nil {
		return nil, refused
	}
	return info, nil
}

// authenticate is Authenticate, of which no observer is told.
func (g *Guard) authenticate(r *http.Request) (*oauth.AuthInfo, error) {
	token, err := bearerToken(r, g.config.MaxTokenBytes)
	if err != nil {
		return nil, err
	}
	e, plain := g.endpointOf(r.URL)
	if !plain {
		return nil, ambiguousPath()
	}
	info, err := g.callerOf(r, token, e)
	if err != nil {
		return nil, err
	}
	if g.views != nil {
		info = g.views.of(info)
	}
	if !info.HasAll(g.config.Scopes...) {
		return nil, oauth.MissingScopes(g.config.Scopes...).For(info)
	}
	return info, nil
}

// admitted tells the observers of a verified caller. It returns the refusal of one who does not
// agree.
func (g *Guard) admitted(r *http.Request, info *oauth.AuthInfo, begin time.Time) error {
	event := events.By(info, observe.Event{
		Kind: observe.CallerVerified, Level: slog.LevelDebug, Resource: info.Resource,
		Method: r.Method, Path: r.URL.Path, Duration: time.Since(begin),
	})
	if refused := g.events.Decide(r.Context(), &event); refused != nil {
		return refused.For(info)
	}
	g.events.Observe(r.Context(), event)
	return nil
}

// callerOf verifies a token. A token that equals one that was accepted before needs no further look
// at its characters.
func (g *Guard) callerOf(r *http.Request, token string, e *endpoint) (*oauth.AuthInfo, error) {
	if g.recall != nil {
		if info := g.recall(token, e.resource); info != nil {
			return info, nil
		}
	}
	if !isToken68(token) {
		return nil, malformed(oauth.ReasonMalformedHeader)
	}
	ctx := r.Context()
	if g.inquires {
		ctx = verify.WithAddress(ctx, g.peers.Budget(r))
	}
	return g.verified(ctx, e.presented(r, token))
}

// verified asks the provider about a token.
func (g *Guard) verified(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	info, err := g.verify(ctx, presented)
	if err == nil && (info == nil || info.Subject == "") { // all callers without a subject would be one user to sessions
		return nil, errors.New("the provider accepted a token without naming its caller")
	}
	return info, err
}

// Protect lets only verified callers reach next, where [oauth.FromContext] finds them. It answers
// CORS preflight requests of the allowed origins. Bodies may be slow, and have to go on: one that
// brings less than 128 bytes a second runs out of a minute of patience, and after ten minutes it
// ends in any case. How long they may be is for next to say.
func (g *Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, body := pacedbody.Begin(w, r)
		defer body.End()
		if g.Preflight(w, r) || g.Landing(w, r) {
			return
		}
		info, err := g.Authenticate(r)
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		w, r = g.Stream(w, r, info)
		defer g.EndStream(r)
		next.ServeHTTP(w, r)
	})
}

// Landing answers a browser's request with the landing page and reports whether it did.
func (g *Guard) Landing(w http.ResponseWriter, r *http.Request) bool {
	if g.config.LandingPage == nil || !opensPage(r) {
		return false
	}
	w.Header().Add("Vary", "Accept, Authorization") // a cache must not show the page to clients
	g.config.LandingPage.ServeHTTP(w, r)
	return true
}

// opensPage reports whether a request looks like a person opening a page: no credentials, HTML
// wanted, not a stream.
func opensPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && len(r.Header.Values("Authorization")) == 0 &&
		strings.Contains(accept, "text/html") && !strings.Contains(accept, "text/event-stream")
}
