package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/latchkey-auth/latchkey/internal/secretenv"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// SealingKeysVariable is the variable with the sealing keys of proxy mode, newest first, separated
// by commas or spaces.
const SealingKeysVariable = "MCP_USE_OAUTH_SEALING_KEYS"

// SealingKeys returns the keys in [SealingKeysVariable], or in the file that the variable with
// _FILE at the end of its name gives, newest first; none where neither is set. It is an error to
// set both, or to name a file that cannot be read.
func SealingKeys(lookupEnv func(name string) (string, bool)) ([]oauth.Secret, error) {
	text, _, err := secretenv.Lookup(lookupEnv, SealingKeysVariable)
	if err != nil {
		return nil, err
	}
	var keys []oauth.Secret
	for _, key := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		keys = append(keys, oauth.Secret(key))
	}
	return keys, nil
}

// standIn is what a provider in proxy mode keeps for the brokers of its mounts.
type standIn struct {
	provider    *Provider
	upstream    facts.Upstream
	endpoints   func() oauth.Endpoints // nil where they stay as they are
	tokens      proxy.TokenMode
	scopePrefix facts.ScopePrefix
	scopeWords  map[string]string
	options     options
	client      *http.Client
}

// newStandIn completes the upstream leg of a definition.
func newStandIn(d Definition, o options) (*standIn, error) {
	switch {
	case d.Mode != oauth.Proxy && d.Upstream == nil:
		return nil, nil //nolint:nilnil // a provider in direct mode has no proxy
	case d.Mode != oauth.Proxy:
		return nil, errors.New("an upstream application is for mode proxy only")
	case d.Upstream == nil:
		return nil, errors.New("mode proxy needs an upstream application")
	}
	u := *d.Upstream
	u.Name, u.Title, u.Issuer = d.Name, cmp.Or(u.Title, d.Title), cmp.Or(u.Issuer, d.Issuer)
	u.Authorization, u.Token, u.Revocation = d.Endpoints.Authorization, d.Endpoints.Token, d.Endpoints.Revocation
	u.AuthorizeParams, u.TokenParams = withValue(u.AuthorizeParams), withValue(u.TokenParams)
	if u.ResourceIsAudience && firstSet(d.Tokens.Audience.AnyOf) != "" {
		u.Resource = facts.ResourceStrip
	}
	if d.Tokens.Tenants != nil {
		u.ResponseIssuers = append(slices.Clone(u.ResponseIssuers), u.Issuer, d.Tokens.Tenants.Issuer)
	}
	if u.ClientSecret == "" && u.AuthMethod != facts.AuthPrivateKeyJWT {
		u.AuthMethod = facts.AuthNone
	}
	return &standIn{
		upstream: u, tokens: d.TokenMode, scopePrefix: d.ScopePrefix, scopeWords: d.ScopeWords, options: o, client: o.client,
	}, nil
}

// withValue leaves out the parameters whose value the configuration left empty.
func withValue(params map[string]string) map[string]string {
	params = maps.Clone(params)
	maps.DeleteFunc(params, func(_, value string) bool { return value == "" })
	return params
}

// upstreamFor returns the facts about the provider for a server with the given scopes.
func (p *standIn) upstreamFor(scopes []string) facts.Upstream {
	u := p.upstream
	if p.scopePrefix.Prefix == "" {
		return u
	}
	u.ScopeNames = maps.Clone(u.ScopeNames)
	if u.ScopeNames == nil {
		u.ScopeNames = map[string]string{}
	}
	for _, scope := range slices.Concat(scopes, u.RequiredScopes) {
		_, named := u.ScopeNames[scope]
		if !named && !slices.Contains(p.scopePrefix.Except, scope) && !strings.Contains(scope, "://") {
			u.ScopeNames[scope] = p.scopePrefix.Prefix + scope
		}
	}
	return u
}

// mode says whose access tokens the clients of a mount get.
func (p *standIn) mode(config GuardConfig) proxy.TokenMode {
	return cmp.Or(config.Proxy.Tokens, p.tokens, proxy.Sealed)
}

// check returns how the broker of a mount checks the provider's tokens: with the provider's own
// rules, after which the outermost of the providers that wrap it decides.
func (p *standIn) check(outermost oauth.Provider) broker.VerifyFunc {
	own := func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
		return p.provider.tokens.Verify(ctx, bearer(token, resource))
	}
	if exchanged, ok := p.provider.tokens.(verify.ExchangeVerifier); ok {
		own = exchanged.VerifyExchanged
	}
	if outermost == oauth.Provider(p.provider) {
		return own
	}
	return func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
		caller, err := own(ctx, token, resource)
		if err != nil {
			return nil, err
		}
		ctx = context.WithValue(ctx, vouchedKey{}, &vouched{by: p.provider, token: token, resource: resource, caller: caller})
		return outermost.Verify(ctx, bearer(token, resource))
	}
}

// bearer is a token that came with no request.
func bearer(token, resource string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource}
}

// broker returns the broker of a guard's mount, whose provider may wrap this one.
func (p *standIn) broker(g *Guard, subresources []string) (*broker.Broker, error) {
	outermost, config := g.provider, g.config
	options := config.Proxy
	if len(options.SealingKeys) == 0 {
		keys, err := SealingKeys(p.options.lookupEnv)
		if err != nil {
			return nil, err
		}
		options.SealingKeys = keys
	}
	options.Tokens = p.mode(config)
	options.ScopeWords = merged(p.scopeWords, options.ScopeWords)
	usual := union(outermost.Describe().ScopesSupported, config.Scopes)
	roots, err := p.options.network.authorities()
	if err != nil {
		return nil, err
	}
	b, err := broker.New(broker.Config{
		Options: options, Resource: g.Resource(), Subresources: subresources, Name: config.Name,
		Upstream: p.upstreamFor(union(usual, options.Scopes)), Endpoints: p.endpoints, UsualScopes: usual, Verify: p.check(outermost),
		Forget: p.provider.tokens.Forget, AllowedOrigins: config.AllowedOrigins, AllowedHeaders: config.AllowedHeaders,
		UpstreamClient:    p.client,
		InsecureHTTPHosts: p.options.network.plainHTTP, SecretVariable: p.options.secretVariable(p.upstream.Credentials),
		NeededScopes: config.Scopes, Hierarchy: config.Hierarchy, Events: g.events, Now: p.options.now,
		Peers:     g.peers,
		LookupEnv: p.options.lookupEnv, RootCAs: roots,
	})
	if errors.Is(err, broker.ErrSealingKeys) {
		err = fmt.Errorf("%w (set %s)", err, SealingKeysVariable)
	}
	return b, err
}

// merged returns the entries of both, and the second's of a key that both have.
func merged(first, second map[string]string) map[string]string {
	both := make(map[string]string, len(first)+len(second))
	maps.Copy(both, first)
	maps.Copy(both, second)
	return both
}

// addBroker puts a broker in front of a provider in proxy mode: clients are then sent to this
// server, and the tokens that it verifies are its own, unless the provider's are passed through.
func (g *Guard) addBroker() error {
	p, err := standInOf(g.provider)
	if p == nil || err != nil {
		return err
	}
	var subresources []string
	for _, e := range g.endpoints[:len(g.endpoints)-1] {
		subresources = append(subresources, e.resource)
	}
	b, err := p.broker(g, subresources)
	if err != nil {
		return err
	}
	g.broker, g.issuer = b, b.Issuer()
	if p.mode(g.config) == proxy.Sealed {
		g.recall, g.inquires, g.sealed = nil, false, true
		g.verify = func(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
			return b.VerifyAccessToken(ctx, presented.Token.Reveal(), presented.Resource)
		}
	}
	return nil
}

// UpstreamToken returns the provider's own access token of the caller that ctx carries, for tools
// that call the provider's API in the user's name. It fails in direct mode and where provider
// tokens are passed through: a client's token must not be passed on.
func (g *Guard) UpstreamToken(ctx context.Context) (oauth.Secret, error) {
	if g.broker == nil {
		return "", broker.ErrNoUpstreamToken
	}
	return g.broker.UpstreamToken(ctx)
}
