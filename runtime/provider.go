// Package runtime is the engine that every provider shares: it verifies tokens, serves metadata and guards handlers. A
// generated provider package fills in a [Definition]; [New] turns it into a [Provider]; a [Guard] protects net/http
// handlers with it. Package echoadapter does the same for Echo.
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
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/keys"
	"github.com/latchkey-auth/latchkey/runtime/metadata"
	"github.com/latchkey-auth/latchkey/runtime/verify"
)

// Provider is a compiled [Definition]. It is safe for concurrent use and owns no goroutine.
type Provider struct {
	description oauth.Description
	tokens      tokenVerifier
	proxy       *proxy // nil in direct mode
	metadata    *metadata.Source
	logger      *slog.Logger
}

var _ oauth.Provider = (*Provider)(nil)

// tokenVerifier is a verification strategy of package verify.
type tokenVerifier interface {
	Verify(ctx context.Context, token, resource string) (*oauth.AuthInfo, error)
	UserInfo(claims oauth.Claims) oauth.UserInfo
	// Forget drops what is cached about a token.
	Forget(token string)
}

// New compiles a definition whose configuration was resolved by in. A problem of the configuration is an
// [*oauth.ConfigError]; any other error is a mistake in the definition.
func New(in *Inputs, d Definition) (*Provider, error) {
	if err := in.Err(); err != nil {
		return nil, err
	}
	if err := in.overrideEndpoints(&d.Endpoints); err != nil {
		return nil, err
	}
	o := in.options
	if o.client == nil {
		o.client = egress.NewClient(egress.Policy{OperatorHosts: in.hosts})
	}
	tokens, err := newVerifier(d, o)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", d.Name, err)
	}
	proxy, err := newProxy(d, o)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", d.Name, err)
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
		tokens: tokens,
		proxy:  proxy,
		logger: o.logger,
	}
	p.metadata = metadata.NewSource(metadata.Config{
		Issuer: d.Issuer, Forms: d.Discovery, Fallback: p.synthesised(), Client: o.client, Logger: o.logger, Now: o.now,
	})
	return p, nil
}

// newVerifier returns the verification that a definition asks for.
func newVerifier(d Definition, o options) (tokenVerifier, error) {
	mapper, err := verify.NewMapper(d.Claims)
	if err != nil {
		return nil, err
	}
	if len(d.Tokens.Issuers) == 0 && d.Tokens.Tenants == nil {
		d.Tokens.Issuers = []string{d.Issuer}
	}
	if d.Verifier != nil {
		return verify.NewCustom(verify.CustomConfig{
			Provider: d.Name, Verifier: d.Verifier, Issuer: d.Issuer, Mapper: mapper, UserMapper: d.UserMapper,
			Leeway: o.leeway, Now: o.now,
		})
	}
	if d.Introspection != nil || d.TokenInfo != nil || d.UserInfo != nil {
		return newOpaque(d, o, mapper)
	}
	return verify.NewJWT(verify.Config{
		Provider: d.Name, Title: d.Title, Rules: d.Tokens, Mapper: mapper, UserMapper: d.UserMapper,
		Keys:     keys.NewRemote(keys.Config{URL: d.Endpoints.JWKS, Client: o.client, Now: o.now, Logger: o.logger}),
		Insecure: o.insecure, Cache: o.cache, Leeway: o.leeway, Now: o.now, Logger: o.logger, OpaqueHint: d.OpaqueHint,
		AlgorithmHint: d.AlgorithmHint,
	})
}

// answerCache bounds what a spec says about relying on a provider's answers by what the operator says about verified tokens.
func answerCache(answers verify.AnswerCache, limits TokenCache) verify.AnswerCache {
	answers.Off = answers.Off || limits.Off
	if limits.MaxEntries != 0 {
		answers.MaxEntries = limits.MaxEntries
	}
	if limits.MaxAge != 0 {
		answers.TTL = min(cmp.Or(answers.TTL, verify.DefaultAnswerTTL), limits.MaxAge)
		answers.RefusalTTL = min(cmp.Or(answers.RefusalTTL, verify.DefaultRefusalTTL), limits.MaxAge)
	}
	return answers
}

// newOpaque returns the check of opaque tokens at the provider.
func newOpaque(d Definition, o options, mapper *verify.Mapper) (tokenVerifier, error) {
	var profile *verify.Profile
	if d.Profile != nil {
		config := *d.Profile
		config.URL, config.Client = d.Endpoints.UserInfo, o.client
		var err error
		if profile, err = verify.NewProfile(config); err != nil {
			return nil, err
		}
	}
	complete := func(config verify.OpaqueConfig) verify.OpaqueConfig {
		config.Provider, config.Title, config.Issuers, config.Require = d.Name, d.Title, d.Tokens.Issuers, d.Tokens.Require
		config.Mapper, config.UserMapper, config.Profile = mapper, d.UserMapper, profile
		config.Insecure = verify.Insecure{SkipAudience: o.insecure.SkipAudience}
		config.Leeway, config.Now, config.Logger, config.Client = o.leeway, o.now, o.logger, o.client
		config.Cache = answerCache(config.Cache, o.cache)
		if d.Upstream != nil {
			config.ScopeAliases = d.Upstream.ScopeAliases
		}
		if b := &config.Binding; len(b.Audience.AnyOf) == 0 && !b.Audience.OrResource {
			b.Audience = d.Tokens.Audience
		}
		return config
	}
	switch {
	case d.Introspection != nil:
		config := *d.Introspection
		config.OpaqueConfig, config.URL = complete(config.OpaqueConfig), d.Endpoints.Introspection
		return verify.NewIntrospection(config)
	case d.TokenInfo != nil:
		config := *d.TokenInfo
		config.OpaqueConfig, config.URL = complete(config.OpaqueConfig), d.Endpoints.TokenInfo
		return verify.NewTokenInfo(config)
	default:
		config := *d.UserInfo
		config.OpaqueConfig, config.URL = complete(config.OpaqueConfig), d.Endpoints.UserInfo
		return verify.NewUserInfo(config)
	}
}

// Describe implements [oauth.Provider].
func (p *Provider) Describe() oauth.Description {
	d := p.description
	d.ScopesSupported = slices.Clone(d.ScopesSupported)
	d.GrantTypesSupported = slices.Clone(d.GrantTypesSupported)
	return d
}

// Verify implements [oauth.Provider].
func (p *Provider) Verify(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
	return p.tokens.Verify(ctx, token, resource)
}

// UserInfo implements [oauth.Provider].
func (p *Provider) UserInfo(claims oauth.Claims) oauth.UserInfo { return p.tokens.UserInfo(claims) }

// Format prints the provider's name alone, whatever the verb: its inside holds secrets.
func (p *Provider) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "%s (%s)", p.description.Name, p.description.Issuer)
}

// synthesised is the metadata of a provider that publishes none.
func (p *Provider) synthesised() oauth.AuthorizationServerMetadata { return Synthesise(p.description) }

// Synthesise puts authorization server metadata together from a provider's description. It announces S256, which OAuth 2.1
// demands of every authorization server.
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
	// Issuer is what iss must be, byte for byte. Required.
	Issuer string
	// Audience is what aud must contain. The default is the server's resource URL.
	Audience string
	// Algorithms are the accepted algorithms. The default is every asymmetric one that RFC 8725 allows.
	Algorithms []string
}

// DefaultAlgorithms are the asymmetric algorithms that are accepted where nothing narrower is known.
func DefaultAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// JWKSVerifier returns a verifier of JWTs against a remote key set, for the custom provider. The signature, the issuer,
// the times and the audience are always checked; [InsecureSkipAudience] turns the last off.
func JWKSVerifier(config JWKSConfig, opts ...Option) (oauth.TokenVerifier, error) {
	in := NewInputs("jwksVerifier:", opts...)
	url := in.URL(config.JWKSURL, Field{Name: "jwksUrl", Required: true, Missing: "jwksVerifier: jwksUrl is required", KeepSlash: true})
	issuer := in.String(config.Issuer, Field{Name: "issuer", Required: true, Missing: "jwksVerifier: issuer is required"})
	if err := in.Err(); err != nil {
		return nil, err
	}
	o := in.options
	if o.client == nil {
		o.client = egress.NewClient(egress.Policy{OperatorHosts: in.hosts})
	}
	algorithms := config.Algorithms
	if len(algorithms) == 0 {
		algorithms = DefaultAlgorithms()
	}
	mapper, err := verify.NewMapper(verify.ClaimMap{UserID: []string{"sub"}, Scopes: []string{"scope", "scp"}})
	if err != nil {
		return nil, err
	}
	return verify.NewJWT(verify.Config{
		Provider: "jwks", Title: "JWKS verifier", Mapper: mapper,
		Rules: verify.Rules{
			Issuers: []string{issuer}, Algorithms: algorithms,
			Audience: verify.Audience{AnyOf: []string{config.Audience}, OrResource: true},
		},
		Keys:     keys.NewRemote(keys.Config{URL: url, Client: o.client, Now: o.now, Logger: o.logger}),
		Insecure: o.insecure, Cache: o.cache, Leeway: o.leeway, Now: o.now, Logger: o.logger,
	})
}

// errNoProvider is for callers that pass a nil provider.
var errNoProvider = errors.New("a guard needs a provider")

// metadataSource returns where a provider's authorization server metadata comes from: its own source, or a synthesis for
// hand-written providers.
func metadataSource(p oauth.Provider) *metadata.Source {
	if own, ok := p.(*Provider); ok {
		return own.metadata
	}
	d := p.Describe()
	return metadata.NewSource(metadata.Config{
		Issuer: d.Issuer, Fallback: Synthesise(d), Now: time.Now,
	})
}
