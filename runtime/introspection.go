package runtime

import (
	"cmp"
	"slices"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// IntrospectionConfig says how [IntrospectionVerifier] checks tokens.
type IntrospectionConfig struct {
	// Credentials are this server's own there. The default of AuthMethod is [facts.AuthBasic],
	// which needs ClientID and ClientSecret; [facts.AuthPrivateKeyJWT] needs ClientID and
	// ClientKey.
	facts.Credentials

	// URL is the introspection endpoint (RFC 7662). Required.
	URL string
	// Issuer is what iss must be where an answer has one, byte for byte, and the issuer of callers.
	// Assertions of [facts.AuthPrivateKeyJWT] are for it. Required.
	Issuer string
	// Audience is what the answer's aud must contain. The default is the server's resource URL.
	Audience string
	// ClientIDs, for an authorization server whose answers have no aud, are the applications whose
	// tokens are accepted.
	ClientIDs []string
	// NoTokenType, when not empty, is the reason why the answers need not say what kind of token
	// they describe: see [verify.IntrospectionConfig].
	NoTokenType string
}

// IntrospectionVerifier returns a verifier that asks the authorization server about each token, for
// the custom provider: the way for opaque tokens, and for those whose revocation has to count
// within a minute. Answers are relied on as docs/opaque-tokens.md says. The verifier always checks
// what the answer says of times, issuer, audience and sender constraint; [InsecureSkipAudience]
// turns the audience off.
func IntrospectionVerifier(config IntrospectionConfig, opts ...Option) (oauth.TokenVerifier, error) {
	in := NewInputs("introspectionVerifier:", opts...)
	url := in.Endpoint(config.URL, Field{Name: "url", Required: true, Missing: "introspectionVerifier: url is required"})
	issuer := in.Identifier(config.Issuer, Field{Name: "issuer", Required: true, Missing: "introspectionVerifier: issuer is required"})
	credentials := introspectionCredentials(in, config.Credentials)
	if err := in.Err(); err != nil {
		return nil, err
	}
	if err := in.reach(); err != nil {
		return nil, err
	}
	o := in.options
	binding := facts.Binding{ClientIDs: config.ClientIDs}
	if config.Audience != "" || len(config.ClientIDs) == 0 {
		binding.Audience = facts.Audience{AnyOf: []string{config.Audience}, OrResource: true}
	}
	return verify.NewIntrospection(verify.IntrospectionConfig{
		OpaqueConfig: verify.OpaqueConfig{
			Provider: "introspection", Title: "Introspection verifier", Issuers: []string{issuer}, Binding: binding,
			Insecure: o.insecure, Leeway: o.leeway, Now: o.now, Events: o.events, Client: o.client,
			InsecureHTTPHosts: o.network.plainHTTP, Cache: answerCache(o.cache), Limits: o.inquiries.compiled(),
		},
		Introspection:     facts.Introspection{Credentials: credentials, NoTokenType: config.NoTokenType},
		URL:               url,
		AssertionAudience: issuer,
	})
}

// introspectionCredentials resolves the credentials, of which each method needs others.
func introspectionCredentials(in *Inputs, c facts.Credentials) facts.Credentials {
	method := cmp.Or(c.AuthMethod, facts.AuthBasic)
	needed := func(name string, by ...facts.AuthMethod) Field {
		return Field{
			Name: name, Required: slices.Contains(by, method), Missing: "introspectionVerifier: " + name + " is required",
		}
	}
	return facts.Credentials{
		AuthMethod:   method,
		ClientID:     in.String(c.ClientID, needed("clientId", facts.AuthBasic, facts.AuthPost, facts.AuthPrivateKeyJWT)),
		ClientSecret: in.Secret(c.ClientSecret, needed("clientSecret", facts.AuthBasic, facts.AuthPost, facts.AuthBearer)),
		ClientKey:    in.Secret(c.ClientKey, needed("clientKey", facts.AuthPrivateKeyJWT)),
		ClientKeyID:  in.String(c.ClientKeyID, Field{Name: "clientKeyId"}),
	}
}
