package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
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
	// forwarded headers.
	Resource string
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
	views  *views         // nil without a hierarchy
	leeway time.Duration
	peers  *peers.Peers
	// inquires tells that somebody is asked about tokens, which counts by the client's address.
	inquires bool
	alone    *Site // of this guard and no other
}

// endpoint is a protected path with what its challenges say.
type endpoint struct {
	path        string
	origin      string // scheme and host
	resource    string
	metadataURL string
}

// Route is a public path of a guard with its handler. The handler answers all methods.
type Route struct {
	Path    string
	Handler http.Handler
	// Shared marks a path that is not this resource's alone: the well-known forms at the root of
	// the host and those of the issuer. With several guards on one host they belong to the first:
	// see [Site].
	Shared bool
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

func (g *Guard) addEndpoints(resource string) error {
	for _, sub := range append(slices.Clone(g.config.Subpaths), "") {
		full, err := oauth.CanonicalResource(resource + sub)
		if err != nil || sub != "" && (!strings.HasPrefix(sub, "/") || full != resource+sub) {
			return fmt.Errorf("subpath %q must be a path such as /sse", sub)
		}
		u, err := url.Parse(full)
		if err != nil {
			return err
		}
		g.endpoints = append(g.endpoints, endpoint{
			path: u.Path, origin: u.Scheme + "://" + u.Host, resource: full, metadataURL: oauth.ProtectedResourceMetadataURL(full),
		})
	}
	slices.SortStableFunc(g.endpoints, func(a, b endpoint) int { return len(b.path) - len(a.path) })
	return nil
}

// addRoutes lists the metadata paths: for every endpoint its own document, the root forms, and the
// authorization server's documents at the root and where clients look that take the resource or the
// issuer for the base.
func (g *Guard) addRoutes(resource string) error {
	for _, e := range slices.Backward(g.endpoints) {
		handler, err := metadata.ResourceHandler(g.resourceMetadata(e.resource))
		if err != nil {
			return err
		}
		g.route(e.metadataURL, handler, false)
		// Proxies that route by the path's beginning pass on nothing else.
		g.route(oauth.AppendWellKnown(e.resource, oauth.WellKnownProtectedResource), handler, false)
		if e.resource == resource {
			g.route(oauth.RootWellKnown(resource, oauth.WellKnownProtectedResource), handler, true)
		}
	}
	authorizationServer := metadataHandlerOf(g.provider)
	if g.broker != nil {
		authorizationServer = g.broker.MetadataHandler
	}
	for _, suffix := range []string{oauth.WellKnownAuthorizationServer, oauth.WellKnownOpenID} {
		handler := authorizationServer(suffix)
		g.route(oauth.InsertWellKnown(resource, suffix), handler, false)
		g.route(oauth.RootWellKnown(resource, suffix), handler, true)
		g.route(oauth.InsertWellKnown(g.issuer, suffix), handler, true)
		if g.broker != nil {
			g.route(oauth.AppendWellKnown(resource, suffix), handler, false)
		}
	}
	if g.broker != nil {
		for _, r := range g.broker.Routes() {
			g.route(resource+r.Path, r.Handler, false)
		}
	}
	return nil
}

// route adds the path of a URL unless it is there already. The resource's own forms come first:
// without a path they are the root's, and not shared.
func (g *Guard) route(address string, handler http.Handler, shared bool) {
	u, err := url.Parse(address)
	if err != nil || u.Path == "" || slices.ContainsFunc(g.routes, func(r Route) bool { return r.Path == u.Path }) {
		return
	}
	g.routes = append(g.routes, Route{Path: u.Path, Handler: pacedbody.Handler(handler), Shared: shared})
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

// EndpointPaths returns the paths of the protected endpoints: the resource's own first.
func (g *Guard) EndpointPaths() []string {
	paths := make([]string, 0, len(g.endpoints))
	for _, e := range slices.Backward(g.endpoints) {
		paths = append(paths, e.path)
	}
	return paths
}

// Authenticate verifies a request's bearer token and returns its caller. The error is an
// [*oauth.Error]; answer it with [Guard.Refuse].
func (g *Guard) Authenticate(r *http.Request) (*oauth.AuthInfo, error) {
	var begin time.Time
	watched := g.events.Enabled(observe.CallerVerified)
	if watched {
		begin = time.Now()
	}
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
	if watched {
		if refused := g.admitted(r, info, begin); refused != nil {
			return nil, refused
		}
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
	if refused := g.events.Decide(r.Context(), event); refused != nil {
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

// presented is a token with what else of its request a proof may be bound to.
func (e *endpoint) presented(r *http.Request, token string) oauth.Presented {
	presented := e.credential(r, token)
	presented.URL = e.requestURL(r.URL.EscapedPath())
	return presented
}

// credential is what a request presents, without the URL, which takes memory for most paths.
func (e *endpoint) credential(r *http.Request, token string) oauth.Presented {
	presented := oauth.Presented{
		Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: e.resource, Method: r.Method,
	}
	if proofs := r.Header["Dpop"]; len(proofs) == 1 {
		presented.Proof = proofs[0]
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		presented.Certificate = r.TLS.PeerCertificates[0]
	}
	return presented
}

// requestURL is the URL of a request as it is configured, for its path as it was asked for.
func (e *endpoint) requestURL(asked string) string {
	if e.resource[len(e.origin):] == asked { // as nearly all are: no string has to be made
		return e.resource
	}
	return e.origin + asked
}

// endpointOf returns the endpoint that a URL is for. Protected handlers elsewhere belong to the
// resource itself.
//
// A caller must not choose another audience by writing the path differently. Routers read one in
// two ways: net/http's undoes its escapes and dot segments, Echo takes it as it stands. Where that
// makes a difference, plain is false.
func (g *Guard) endpointOf(u *url.URL) (_ *endpoint, plain bool) {
	if len(g.endpoints) == 1 {
		return &g.endpoints[0], true
	}
	cleaned, verbatim := g.endpointAt(cleanPath(u)), g.endpointAt(cmp.Or(u.RawPath, u.Path))
	return cleaned, cleaned == verbatim
}

// endpointAt returns the endpoint that a path is at or below.
func (g *Guard) endpointAt(asked string) *endpoint {
	for i := range g.endpoints {
		if below, ok := strings.CutPrefix(asked, g.endpoints[i].path); ok && (below == "" || below[0] == '/') {
			return &g.endpoints[i]
		}
	}
	return &g.endpoints[len(g.endpoints)-1]
}

// cleanPath is the path as net/http's router divides it. An encoded slash divides nothing, so
// /mcp%2Fsse is below no endpoint; dot segments lead where they lead.
func cleanPath(u *url.URL) string {
	if u.RawPath != "" && strings.Count(u.RawPath, "/") != strings.Count(u.Path, "/") {
		return ""
	}
	return path.Clean(u.Path)
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
