// Package specfacts reads from a spec the facts that a stand-in for its provider needs: how the
// provider is configured, which tokens it issues, and which of them must pass.
package specfacts

import (
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
	// Opaque tokens are no JWTs: the provider is asked about them.
	Opaque bool
	// Algorithms are the signature algorithms (JWA) of access tokens, the usual one first.
	Algorithms []string
	// SharedSecrets name the fields that hold the keys of HMAC algorithms, by algorithm.
	SharedSecrets map[string]string
	// IssuerBound says that tokens need no audience, since the issuer issues for this server alone.
	IssuerBound bool
	// ClientClaims are the claims of opaque tokens that must hold the client id.
	ClientClaims []string
	// ScopeClaims are the claims that may hold the granted scopes; the first one present counts.
	ScopeClaims []string
	// Accept are tokens that must pass, Reject those that must not.
	Accept, Reject []Token
}

// Field is one field of the configuration.
type Field struct {
	Name     string
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
		Opaque: s.Tokens.Format == "opaque", Algorithms: s.Tokens.Algorithms, SharedSecrets: map[string]string{},
		IssuerBound: s.Tokens.Audience.IssuerBound, ClientClaims: s.Tokens.Binding.ClientClaims,
		ScopeClaims: s.Scopes.ClaimNames(), Accept: tokens(s.Test.Accept), Reject: tokens(s.Test.Reject),
	}
	for i := range s.Config {
		f := &s.Config[i]
		facts.Fields = append(facts.Fields, Field{
			Name: f.Name, Env: f.Env, Required: f.Required, Default: f.Default, Example: f.Example,
		})
	}
	for _, shared := range s.Tokens.SharedSecrets {
		facts.SharedSecrets[shared.Algorithm] = shared.Secret
	}
	return facts, nil
}

func tokens(list []spec.Token) []Token {
	all := make([]Token, len(list))
	for i, t := range list {
		all[i] = Token{Name: t.Name, Header: t.Header, Claims: t.Claims, Profile: t.Profile, User: t.User, Reason: t.Reason}
	}
	return all
}
