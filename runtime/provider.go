// Package runtime is the engine that every provider shares: it verifies tokens, serves metadata and
// guards handlers. A generated provider package fills in a [Definition]; [New] turns it into a
// [Provider]; a [Guard] protects net/http handlers with it. Package echoadapter does the same for
// Echo.
package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/explain"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/inspect"
	"github.com/latchkey-auth/latchkey/runtime/internal/keys"
	"github.com/latchkey-auth/latchkey/runtime/internal/metadata"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Provider is a compiled [Definition]. It is safe for concurrent use and owns no goroutine.
type Provider struct {
	description oauth.Description
	tokens      tokenVerifier
	keys        *keys.Remote // asked only where tokens are JWTs
	reach       func(context.Context) error
	inspector   *inspect.Inspector
	network     publicNetwork
	standIn     *standIn // nil in direct mode
	metadata    *metadata.Source
	discovery   *discovery // nil where the spec knows all endpoints
	logger      *slog.Logger
	observers   observe.Observer
	leeway      time.Duration
}

var (
	_ oauth.Provider       = (*Provider)(nil)
	_ oauth.UserMapper     = (*Provider)(nil)
	_ oauth.MetadataServer = (*Provider)(nil)
)

// tokenVerifier is a verification strategy of package verify.
type tokenVerifier interface {
	Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error)
	UserInfo(claims oauth.Claims) oauth.UserInfo
	// Explain runs all checks on a token and returns what each of them says.
	Explain(ctx context.Context, presented oauth.Presented) []explain.Check
	// Forget drops what is cached about a token.
	Forget(token string)
}

// New compiles a definition whose configuration was resolved by in. A problem of the configuration
// is an [*oauth.ConfigError]; any other error is a mistake in the definition.
func New(in *Inputs, d Definition) (*Provider, error) {
	if err := in.Err(); err != nil {
		return nil, err
	}
	document, err := in.overrideEndpoints(&d)
	if err != nil {
		return nil, err
	}
	found, err := in.discover(&d, document)
	if err != nil {
		return nil, err
	}
	if err := in.reach(namedBySpec(d)...); err != nil {
		return nil, err
	}
	o := in.options
	set := keys.Config{URL: d.Endpoints.JWKS, Client: o.client, Now: o.now, Events: o.events.For(d.Name, "")}
	if found != nil {
		set.Address = func() string { return found.endpoints().JWKS }
	}
	remote := keys.NewRemote(set)
	tokens, err := newVerifier(d, o, remote)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", d.Name, err)
	}
	standIn, err := newStandIn(d, o)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", d.Name, err)
	}
	if standIn != nil && found != nil {
		standIn.endpoints = found.endpoints
	}
	scopes := d.Scopes
	if o.scopesSet {
		scopes = o.scopes
	}
	p := &Provider{
		description: oauth.Description{
			Name: d.Name, Title: d.Title, Mode: d.Mode, Issuer: d.Issuer, Endpoints: d.Endpoints,
			Audience: firstSet(d.Tokens.Audience.AnyOf), ScopesSupported: scopes, GrantTypesSupported: d.GrantTypes,
		},
		tokens:  tokens,
		keys:    remote,
		standIn: standIn, discovery: found,
		logger: o.logger, observers: o.watching, leeway: o.leeway,
	}
	if standIn != nil {
		standIn.provider = p
	}
	p.metadata = metadata.NewSource(metadata.Config{
		Issuer: d.Issuer, Forms: d.Discovery, URL: document, Fallback: p.synthesised(), Client: o.client,
		Events: o.events.For(d.Name, ""), Now: o.now,
	})
	p.reach = p.howToReach(d)
	p.inspector = p.newInspector(d, o, document)
	p.network = publicNetwork{proxy: in.proxy(), roots: in.roots()}
	return p, nil
}

// newVerifier returns the verification that a definition asks for.
func newVerifier(d Definition, o options, remote *keys.Remote) (tokenVerifier, error) {
	mapper, err := verify.NewMapper(d.Claims)
	if err != nil {
		return nil, err
	}
	if len(d.Tokens.Issuers) == 0 && d.Tokens.Tenants == nil {
		d.Tokens.Issuers = []string{d.Issuer}
	}
	if d.Verifier != nil {
		return verify.NewCustom(verify.CustomConfig{
			Provider: d.Name, Verifier: d.Verifier, Issuers: d.Tokens.Issuers, Mapper: mapper, UserMapper: d.UserMapper,
			Leeway: o.leeway, Now: o.now,
		})
	}
	if d.Introspection != nil || d.TokenInfo != nil || d.UserInfo != nil {
		return newOpaque(d, o, mapper)
	}
	sender := o.events.For(d.Name, "")
	return verify.NewJWT(verify.Config{
		Provider: d.Name, Title: d.Title, Rules: d.Tokens, Mapper: mapper, UserMapper: d.UserMapper,
		Keys:     remote,
		Insecure: o.insecure, Cache: o.cache, Leeway: o.leeway, Now: o.now, Events: sender,
	})
}

// answerCache is how long answers about opaque tokens are relied on, within the operator's limits
// for verified tokens.
func answerCache(limits TokenCache) verify.AnswerCache {
	answers := verify.AnswerCache{Off: limits.Off, MaxEntries: limits.MaxEntries}
	if limits.MaxAge != 0 {
		answers.TTL = min(verify.DefaultAnswerTTL, limits.MaxAge)
		answers.RefusalTTL = min(verify.DefaultRefusalTTL, limits.MaxAge)
	}
	return answers
}

// newOpaque returns the check of opaque tokens at the provider.
func newOpaque(d Definition, o options, mapper *verify.Mapper) (tokenVerifier, error) {
	sender := o.events.For(d.Name, "")
	var profile *verify.Profile
	if d.Profile != nil {
		var err error
		profile, err = verify.NewProfile(verify.ProfileConfig{
			Profile: *d.Profile, URL: d.Endpoints.UserInfo, Client: o.client, Events: sender, InsecureHTTPHosts: o.network.plainHTTP,
		})
		if err != nil {
			return nil, err
		}
	}
	common := verify.OpaqueConfig{
		Provider: d.Name, Title: d.Title, Issuers: d.Tokens.Issuers, Require: d.Tokens.Require, Binding: bindingOf(d),
		NumericSubject: d.Tokens.NumericSubject,
		Mapper:         mapper, UserMapper: d.UserMapper, Profile: profile,
		Insecure: verify.Insecure{SkipAudience: o.insecure.SkipAudience},
		Leeway:   o.leeway, Now: o.now, Events: sender, Client: o.client, InsecureHTTPHosts: o.network.plainHTTP,
		Cache: answerCache(o.cache), Limits: o.inquiries.compiled(),
	}
	if d.Upstream != nil {
		common.ScopeAliases = d.Upstream.ScopeAliases
	}
	audience := cmp.Or(d.Endpoints.Token, d.Issuer)
	switch {
	case d.Introspection != nil:
		common.SecretVariable = o.secretVariable(d.Introspection.Credentials)
		return verify.NewIntrospection(verify.IntrospectionConfig{
			OpaqueConfig: common, Introspection: *d.Introspection, URL: d.Endpoints.Introspection, AssertionAudience: audience,
		})
	case d.TokenInfo != nil:
		common.SecretVariable = o.secretVariable(d.TokenInfo.Credentials)
		return verify.NewTokenInfo(verify.TokenInfoConfig{
			OpaqueConfig: common, TokenInfo: *d.TokenInfo, URL: d.Endpoints.TokenInfo, AssertionAudience: audience,
		})
	default:
		return verify.NewUserInfo(verify.UserInfoConfig{OpaqueConfig: common, UserInfo: *d.UserInfo, URL: d.Endpoints.UserInfo})
	}
}

// Describe implements [oauth.Provider].
func (p *Provider) Describe() oauth.Description {
	d := p.description
	if p.discovery != nil {
		d.Endpoints = p.discovery.endpoints()
	}
	d.ScopesSupported = slices.Clone(d.ScopesSupported)
	d.GrantTypesSupported = slices.Clone(d.GrantTypesSupported)
	return d
}

// Verify implements [oauth.Provider]. Tokens of another scheme than Bearer are refused.
func (p *Provider) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	if presented.Scheme != "" && presented.Scheme != oauth.SchemeBearer {
		return nil, oauth.InvalidToken(oauth.ReasonSenderConstrained, errScheme)
	}
	if caller := p.vouchedFor(ctx, presented); caller != nil {
		return caller, nil
	}
	return p.tokens.Verify(ctx, presented)
}

// UserInfo implements [oauth.UserMapper].
func (p *Provider) UserInfo(claims oauth.Claims) oauth.UserInfo { return p.tokens.UserInfo(claims) }

// Format prints the provider's name alone, whatever the verb: its inside holds secrets.
func (p *Provider) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "%s (%s)", p.description.Name, p.description.Issuer)
}

// synthesised is the metadata of a provider that publishes none.
func (p *Provider) synthesised() oauth.AuthorizationServerMetadata { return Synthesise(p.description) }

// Synthesise puts authorization server metadata together from a provider's description. It
// announces S256, which OAuth 2.1 demands of every authorization server.
func Synthesise(d oauth.Description) oauth.AuthorizationServerMetadata {
	return oauth.AuthorizationServerMetadata{
		Issuer:                            d.Issuer,
		AuthorizationEndpoint:             d.Endpoints.Authorization,
		TokenEndpoint:                     d.Endpoints.Token,
		JWKSURI:                           d.Endpoints.JWKS,
		RegistrationEndpoint:              d.Endpoints.Registration,
		UserInfoEndpoint:                  d.Endpoints.UserInfo,
		IntrospectionEndpoint:             d.Endpoints.Introspection,
		RevocationEndpoint:                d.Endpoints.Revocation,
		EndSessionEndpoint:                d.Endpoints.EndSession,
		ScopesSupported:                   d.ScopesSupported,
		ResponseTypesSupported:            []string{"code"},
		GrantTypesSupported:               d.GrantTypesSupported,
		CodeChallengeMethodsSupported:     []string{"S256"},
		TokenEndpointAuthMethodsSupported: []string{"none", "client_secret_basic", "client_secret_post"},
	}
}

func firstSet(values []string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// JWKSConfig says how [JWKSVerifier] checks tokens.
type JWKSConfig struct {
	// JWKSURL is the key set's address. Required.
	JWKSURL string
	// Issuer is what iss must be, byte for byte. It is never fetched from, so that any StringOrURI
	// will do, such as http://adfs.example.com/adfs/services/trust (RFC 7519 section 4.1.1).
	// Required.
	Issuer string
	// Audience is what aud must contain. The default is the server's resource URL.
	Audience string
	// Algorithms are the accepted algorithms. The default is every asymmetric one that RFC 8725
	// allows.
	Algorithms []string
	// Types are the accepted typ headers. The default is JWT, at+jwt and none at all.
	Types []string
	// Require lists claims that must be there: what tells access tokens from the provider's other
	// tokens, or from those for other applications.
	Require []facts.Requirement
	// IDTokenShaped, when not empty, is the reason why the provider's access tokens look like ID
	// tokens, with at_hash for one, as those of Dex do. Such tokens are refused otherwise. Then an
	// ID token may pass as well: say in Types or Require what tells them apart.
	IDTokenShaped string
	// NumericSubject, when not empty, is the reason why the provider's sub is a number. It is
	// refused otherwise (RFC 7519 section 4.1.2).
	NumericSubject string
}

// DefaultAlgorithms are the asymmetric algorithms that are accepted where nothing narrower is
// known.
func DefaultAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// JWKSVerifier returns a verifier of JWTs against a remote key set, for the custom provider. The
// signature, the issuer, the times and the audience are always checked; [InsecureSkipAudience]
// turns the last off.
func JWKSVerifier(config JWKSConfig, opts ...Option) (oauth.TokenVerifier, error) {
	in := NewInputs("jwksVerifier:", opts...)
	url := in.Endpoint(config.JWKSURL, Field{Name: "jwksUrl", Required: true, Missing: "jwksVerifier: jwksUrl is required"})
	issuer := in.Identifier(config.Issuer, Field{Name: "issuer", Required: true, Missing: "jwksVerifier: issuer is required"})
	if err := in.Err(); err != nil {
		return nil, err
	}
	if err := in.reach(); err != nil {
		return nil, err
	}
	o := in.options
	algorithms := config.Algorithms
	if len(algorithms) == 0 {
		algorithms = DefaultAlgorithms()
	}
	return verify.NewJWT(verify.Config{
		Provider: "jwks", Title: "JWKS verifier",
		Rules: facts.Rules{
			Issuers: []string{issuer}, Algorithms: algorithms, Types: config.Types, Require: config.Require,
			Audience:      facts.Audience{AnyOf: []string{config.Audience}, OrResource: true},
			IDTokenShaped: config.IDTokenShaped, NumericSubject: config.NumericSubject,
		},
		Keys:     keys.NewRemote(keys.Config{URL: url, Client: o.client, Now: o.now, Events: o.events}),
		Insecure: o.insecure, Cache: o.cache, Leeway: o.leeway, Now: o.now, Events: o.events,
	})
}

// errNoProvider is for callers that pass a nil provider.
var errNoProvider = errors.New("a guard needs a provider")
