// Package embedded is the embedded identity provider as a provider: for the command line, which
// runs it beside a server, and for tests.
package embedded

import (
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Provider returns the embedded identity provider with the given issuer as a provider.
func Provider(issuer string, opts ...runtime.Option) (*runtime.Provider, error) {
	return newProvider(issuer, opts, func(*runtime.Definition) {})
}

// newProvider returns the embedded identity provider, after a change to what is known of it.
func newProvider(issuer string, opts []runtime.Option, change func(*runtime.Definition)) (*runtime.Provider, error) {
	in := runtime.NewInputs("Embedded identity provider", opts...)
	base := in.URL(issuer, runtime.Field{Name: "issuer", Required: true})
	if err := in.Err(); err != nil {
		return nil, err
	}
	definition := runtime.Definition{
		Name: "devidp", Title: "Embedded identity provider", Mode: oauth.Direct, Issuer: base,
		Endpoints: oauth.Endpoints{
			Authorization: base + "/authorize", Token: base + "/token", JWKS: base + "/jwks", Registration: base + "/register",
		},
		Discovery: []facts.Form{facts.OAuthInserted, facts.OpenIDAppended},
		Tokens: facts.Rules{
			Algorithms: []string{"ES256", "RS256", "EdDSA"},
			Types:      []string{"at+jwt"},
			Audience:   facts.Audience{OrResource: true},
		},
		Claims: facts.ClaimMap{
			UserID: []string{"sub"}, Email: []string{"email"}, Name: []string{"name"}, Username: []string{"preferred_username"},
			Picture: []string{"picture"}, Roles: facts.List{From: []string{"roles"}}, Permissions: facts.List{From: []string{"permissions"}},
			Scopes: []string{"scope"}, Extra: []facts.Extra{{Claim: "email_verified"}},
		},
		Scopes:     []string{"openid", "profile", "email", "offline_access"},
		GrantTypes: []string{"authorization_code", "refresh_token"},
	}
	change(&definition)
	return runtime.New(in, definition)
}
