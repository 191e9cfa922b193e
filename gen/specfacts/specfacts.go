// Package specfacts reads from a spec the facts that a stand-in for its provider needs: how the
// provider is configured, which tokens it issues, and which of them must pass.
package specfacts

import (
	"cmp"
	"errors"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// Facts are the facts of one provider.
type Facts struct {
	// Title is the name for people.
	Title string
	// Seen is the real software, with its version, that the end-to-end tests log in to with the
	// spec, Imitated other people's imitations of the provider.
	Seen, Imitated []string
	// Discovery are the well-known documents that the provider serves, in the language's words,
	// best first.
	Discovery []string
	// Fields are the fields of the configuration. Config are the values that tests give them, by
	// their names.
	Fields []Field
	Config map[string]any
	// ClientID and ClientSecret name the fields that hold the credentials of the application at the
	// provider, in mode proxy.
	ClientID, ClientSecret string
	// AuthMethod is how the application authenticates at the token endpoint; empty for
	// client_secret_basic.
	AuthMethod string
	// AuthMethodField names the field that says so instead; empty for none.
	AuthMethodField string
	// Opaque tokens are no JWTs: the provider is asked about them, as Question says.
	Opaque   bool
	Question Question
	// Algorithms are the signature algorithms (JWA) of access tokens, the usual one first.
	Algorithms []string
	// SharedSecrets name the fields that hold the keys of HMAC algorithms, by algorithm.
	SharedSecrets map[string]string
	// AudienceClaim is the claim with a token's audience.
	AudienceClaim string
	// IssuerBound says that tokens need no audience, since the issuer issues for this server alone.
	IssuerBound bool
	// ClientClaims are the claims of opaque tokens that must hold the client id.
	ClientClaims []string
	// ScopeClaims are the claims that may hold the granted scopes; the first one present counts.
	ScopeClaims []string
	// PrefixedScopes says that a prefix stands before the names of an API's own scopes in requests.
	PrefixedScopes bool
	// CommaScopes says that commas separate scopes in a text.
	CommaScopes bool
	// Accept are tokens that must pass, Reject those that must not.
	Accept, Reject []Token
}

// Question is how a provider is asked about opaque tokens, and what its answers hold.
type Question struct {
	// Check names the endpoint: introspection, tokeninfo or userinfo.
	Check string
	// Scheme is that of a token in the Authorization header; Place and Parameter say where else it
	// is, in the language's words.
	Scheme, Place, Parameter string
	// AuthMethod is how the application authenticates there, in the language's words; empty for
	// the default.
	AuthMethod string
	// Expiry are the claims that say when a token ends, with their formats.
	Expiry map[string]string
	// Subject is the claim with the user, Profile the one of the user's profile; empty for no
	// profile.
	Subject, Profile string
	// Audience says that answers name the token's audience.
	Audience bool
}

// Field is one field of the configuration.
type Field struct {
	Name     string
	Type     string
	Env      string
	Required bool
	Default  []string
	Example  string
}

// Token is a token of the spec's tests: what differs from the usual one. Texts may hold the
// placeholders {issuer}, {resource} and {audience}; nil leaves a claim out.
type Token struct {
	Name    string
	Header  map[string]any
	Claims  map[string]any
	Profile map[string]any
	// User is the user that must come out of an accepted token, Reason why one is rejected.
	User   map[string]any
	Reason string
}

// Read returns the facts of a spec. The error joins everything that is wrong with its form; file is
// its name in messages.
func Read(file string, data []byte) (*Facts, error) {
	document, problems := spec.Parse(file, data)
	var failures []error
	for _, p := range problems {
		failures = append(failures, errors.New(p.Message))
	}
	if len(failures) > 0 {
		return nil, errors.Join(failures...)
	}
	s := &document.Spec
	facts := &Facts{
		Title: s.Title, Seen: s.Docs.Verified.Seen, Imitated: s.Docs.Verified.Imitated, Discovery: s.Discovery, Config: s.Test.Config,
		ClientID: s.Upstream.ClientID, ClientSecret: s.Upstream.ClientSecret, AuthMethod: s.Upstream.AuthMethod,
		AuthMethodField: s.Upstream.AuthMethodField,
		Opaque:          s.Tokens.Format == "opaque", Algorithms: s.Tokens.Algorithms, SharedSecrets: map[string]string{},
		AudienceClaim: cmp.Or(s.Tokens.Audience.Claim, "aud"), IssuerBound: s.Tokens.Audience.IssuerBound, ClientClaims: s.Tokens.Binding.ClientClaims,
		ScopeClaims: s.Scopes.ClaimNames(), CommaScopes: s.Scopes.Separator == "comma",
		PrefixedScopes: s.Upstream.ScopePrefix.Prefix != "",
		Accept:         tokens(s.Test.Accept), Reject: tokens(s.Test.Reject),
	}
	if facts.Opaque {
		facts.Question = question(s)
	}
	for i := range s.Config {
		f := &s.Config[i]
		facts.Fields = append(facts.Fields, Field{
			Name: f.Name, Type: f.Type, Env: f.Env, Required: f.Required, Default: f.Default, Example: f.Example,
		})
	}
	for _, shared := range s.Tokens.SharedSecrets {
		facts.SharedSecrets[shared.Algorithm] = shared.Secret
	}
	return facts, nil
}

func question(s *spec.Spec) Question {
	t := &s.Tokens
	q := Question{
		Check: t.Check, Expiry: map[string]string{}, Subject: s.Claims.UserID[0],
		Audience: len(t.Audience.Is) > 0 || t.Audience.Otherwise != "" || t.Audience.Also != "",
	}
	var expiry []spec.Expiry
	switch t.Check {
	case "introspection":
		q.Place, q.Parameter, q.AuthMethod, expiry = "form", "token", cmp.Or(t.Introspection.AuthMethod, "client_secret_basic"), t.Introspection.Expiry
	case "tokeninfo":
		q.Place, q.Parameter = cmp.Or(t.TokenInfo.TokenIn, "form"), cmp.Or(t.TokenInfo.Parameter, "access_token")
		q.Scheme, q.AuthMethod, expiry = t.TokenInfo.Scheme, t.TokenInfo.AuthMethod, t.TokenInfo.Expiry
	case "userinfo":
		q.Place, q.Scheme = "header", t.UserInfo.Scheme
	}
	for _, e := range expiry {
		q.Expiry[e.Claim] = e.Format
	}
	if len(t.Profile.Subject) > 0 {
		q.Profile = t.Profile.Subject[0]
	}
	return q
}

func tokens(list []spec.Token) []Token {
	all := make([]Token, len(list))
	for i, t := range list {
		all[i] = Token{Name: t.Name, Header: t.Header, Claims: t.Claims, Profile: t.Profile, User: t.User, Reason: t.Reason}
	}
	return all
}
