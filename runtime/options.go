package runtime

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// DefaultLeeway is how far the clocks of provider and server may be apart.
const DefaultLeeway = 30 * time.Second

// Option sets what cuts across all providers. Options with a name that starts with Insecure weaken
// security; each logs a warning.
type Option func(*options)

type options struct {
	logger    *slog.Logger
	observers []observe.Observer
	watching  observe.Observer // all observers
	events    *events.Sender   // to the log and the observers
	now       func() time.Time
	client    *http.Client
	lookupEnv func(string) (string, bool)
	leeway    time.Duration
	scopes    []string
	scopesSet bool
	insecure  verify.Insecure
	cache     TokenCache
	inquiries InquiryLimits
	endpoints map[string]string
	network   network
	discovery context.Context //nolint:containedctx // an option of New, which ends with it
	// variables are the names of the variables by their values, for hints.
	variables map[oauth.Secret]string
}

func newOptions(opts []Option) options {
	o := options{leeway: DefaultLeeway, variables: map[oauth.Secret]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	o.watching = observe.Multi(o.observers...)
	o.events = events.To(observe.Slog(o.logger), o.watching)
	if o.now == nil {
		o.now = time.Now
	}
	if o.lookupEnv == nil {
		o.lookupEnv = os.LookupEnv
	}
	return o
}

// secretVariable is the variable that the secret of some credentials was read from; empty where it
// was not.
func (o *options) secretVariable(c facts.Credentials) string {
	for _, secret := range []oauth.Secret{c.ClientSecret, c.ClientKey} {
		if secret != "" && o.variables[secret] != "" {
			return o.variables[secret]
		}
	}
	return ""
}

// WithLogger sets where refusals, outages and warnings are logged, by [observe.Slog]. The default
// is [slog.Default].
func WithLogger(logger *slog.Logger) Option { return func(o *options) { o.logger = logger } }

// WithObserver adds an observer of everything that happens, beside the log and the other observers.
func WithObserver(observer observe.Observer) Option {
	return func(o *options) { o.observers = append(o.observers, observer) }
}

// WithClock replaces time.Now, for tests.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithHTTPClient replaces the client for all requests to the provider. The default client allows
// nothing that the provider's own configuration does not name; a replacement takes over that duty,
// proxy, certificate authorities and time limits included.
func WithHTTPClient(client *http.Client) Option { return func(o *options) { o.client = client } }

// WithLookupEnv replaces os.LookupEnv as the source of variables for unset configuration fields.
func WithLookupEnv(lookup func(name string) (string, bool)) Option {
	return func(o *options) { o.lookupEnv = lookup }
}

// WithLeeway sets how far the clocks of provider and server may be apart when exp and nbf are
// checked. The default is [DefaultLeeway].
func WithLeeway(leeway time.Duration) Option { return func(o *options) { o.leeway = leeway } }

// TokenCache bounds the cache of verified tokens.
type TokenCache = verify.TokenCache

// WithTokenCache bounds the cache of verified tokens, which is on by default. For a provider that
// is asked about its tokens (introspection, token information, user information) MaxEntries and
// MaxAge bound what its spec says about relying on answers; a smaller MaxAge means that a
// revocation is noticed earlier and that the provider is asked more often.
func WithTokenCache(limits TokenCache) Option { return func(o *options) { o.cache = limits } }

// WithoutTokenCache verifies every token on every request. A provider that is asked about its
// tokens is then asked every time: mind its limits.
func WithoutTokenCache() Option { return WithTokenCache(TokenCache{Off: true}) }

// InquiryLimits bounds how often a provider is asked about opaque tokens that turn out to be no
// good and were not good within the last hour: everybody can make up such tokens, and would use up
// what the provider allows this server. What goes beyond is answered with 503 and Retry-After; good
// tokens cost nothing. Each replica counts for itself. A zero Rate means its default.
type InquiryLimits struct {
	// AllStrangers is for those of all client addresses together. The default is 1 per second after
	// 120 at once.
	AllStrangers proxy.Rate
	// AddressStrangers is for those of one client address, which [GuardConfig.ClientAddress] says.
	// The default is 1 per two seconds after 60 at once. It is off for clients of which nothing but
	// a private address is known.
	AddressStrangers proxy.Rate
}

// WithInquiryLimits bounds the questions about strangers' opaque tokens. It means nothing for
// tokens that are verified by keys.
func WithInquiryLimits(limits InquiryLimits) Option {
	return func(o *options) { o.inquiries = limits }
}

// compiled is what verification takes, with nothing in place of rates that are not set.
func (l InquiryLimits) compiled() verify.InquiryLimits {
	set := func(r proxy.Rate) verify.Limit {
		if r.PerSecond <= 0 || r.Burst <= 0 {
			return verify.Limit{}
		}
		return verify.Limit(r)
	}
	return verify.InquiryLimits{AllStrangers: set(l.AllStrangers), AddressStrangers: set(l.AddressStrangers)}
}

// WithScopesSupported replaces the provider's list of scopes that metadata announces. Clients ask
// for all of them, and most providers refuse a login that asks for an unknown one: name only what
// the provider knows. No arguments announce none.
func WithScopesSupported(scopes ...string) Option {
	return func(o *options) { o.scopes, o.scopesSet = scopes, true }
}

// WithEndpoint replaces one of the provider's endpoints: authorization, token, userinfo, tokeninfo,
// jwks, introspection, revocation, registration or end_session; or, by the name discovery, the
// address from which the provider's metadata is fetched, which must still name the provider's
// issuer. It is for sovereign clouds, private gateways and tests. The URL's host counts as written
// by the operator: it may be loopback or private. Where the provider takes tokens in the path of
// tokeninfo, {token} stands for them.
func WithEndpoint(name, url string) Option {
	return func(o *options) {
		if o.endpoints == nil {
			o.endpoints = map[string]string{}
		}
		o.endpoints[name] = url
	}
}

// InsecureSkipSignature accepts tokens without checking who signed them. Every other check still
// runs. It is for local debugging: anybody can then write a token.
func InsecureSkipSignature() Option { return func(o *options) { o.insecure.SkipSignature = true } }

// InsecureSkipAudience accepts tokens that the provider issued for other servers. Any of those
// servers can then act as the user here.
func InsecureSkipAudience() Option { return func(o *options) { o.insecure.SkipAudience = true } }
