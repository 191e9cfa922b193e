package model

import (
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// Upstream is the application at the provider, in mode proxy.
type Upstream struct {
	spec.Upstream

	// ClientID and ClientSecret are the fields that hold them; ClientSecret is nil where there is
	// none.
	ClientID     *Field
	ClientSecret *Field
	// AuthMethodField, RequiredField and ParamsField hold what the spec leaves to the
	// configuration; nil for none.
	AuthMethodField *Field
	// ClientKey and ClientKeyID are the key of private_key_jwt; nil for none.
	ClientKey       *Field
	ClientKeyID     *Field
	RequiredField   *Field
	ParamsField     *Field
	Title           Expression
	ResourceScope   Expression
	ScopeNames      []Named
	ScopePrefix     Expression
	AuthorizeParams []Named
	TokenParams     []Named
	ResponseIssuers []Expression
}

// Named is an expression under a name.
type Named struct {
	Name string
	Is   Expression
}

// OpaqueCheck is how opaque tokens are checked at the provider.
type OpaqueCheck struct {
	// At names the endpoint that is asked: introspection, tokeninfo or userinfo.
	At            string
	Introspection spec.Introspection
	TokenInfo     spec.TokenInfo
	UserInfo      spec.UserInfo
	// Profile is the user's profile in addition; nil for none.
	Profile *Profile
	Binding spec.Binding
	// ClientID and ClientSecret are the fields with the credentials for the endpoint; nil where
	// none are sent.
	ClientID     *Field
	ClientSecret *Field
}

// Profile is where the user's profile is.
type Profile struct {
	spec.Profile

	Emails Expression
}

// Tenants are issuers that differ by tenant.
type Tenants struct {
	spec.Tenants

	Issuer  Expression
	Field   *Field
	Allowed *Field
}

// Requirement is one claim that must be there.
type Requirement struct {
	spec.Requirement

	// Values are the accepted values that the configuration gives. WhenSet says that it may give
	// none.
	Values  []Expression
	WhenSet bool
}

// Passthrough reports whether clients get the provider's own access tokens.
func (m *Model) Passthrough() bool { return m.TokenMode == "passthrough" }

func (m *Model) upstream(s *spec.Spec, scope *scope) {
	m.TokenMode, m.ScopeWords = s.Tokens.Mode, s.Scopes.Words
	if s.Mode != "proxy" {
		return
	}
	u := s.Upstream
	m.Upstream = &Upstream{
		Upstream: u, ClientID: m.field(u.ClientID), ClientSecret: m.field(u.ClientSecret),
		ClientKey: m.field(u.ClientKey), ClientKeyID: m.field(u.ClientKeyID),
		AuthMethodField: m.field(u.AuthMethodField), RequiredField: m.field(u.RequiredScopes.Field),
		ParamsField:     m.field(u.AuthorizeParamsField),
		Title:           scope.expression(u.Title),
		ResourceScope:   scope.expression(u.ResourceScope),
		ScopePrefix:     scope.expression(u.ScopePrefix.Prefix),
		AuthorizeParams: scope.named(u.AuthorizeParams), TokenParams: scope.named(u.TokenParams),
	}
	for _, name := range u.ScopeNames {
		m.Upstream.ScopeNames = append(m.Upstream.ScopeNames, Named{Name: name.Name, Is: scope.expression(name.Is)})
	}
	for _, issuer := range u.ResponseIssuers {
		m.Upstream.ResponseIssuers = append(m.Upstream.ResponseIssuers, scope.expression(issuer))
	}
}

func (sc *scope) named(parameters []spec.Parameter) []Named {
	var list []Named
	for _, p := range parameters {
		list = append(list, Named{Name: p.Name, Is: sc.expression(p.Is)})
	}
	return list
}

func (m *Model) check(s *spec.Spec, scope *scope) {
	t := s.Tokens
	if t.Format != "opaque" {
		return
	}
	c := &OpaqueCheck{At: t.Check, Introspection: t.Introspection, TokenInfo: t.TokenInfo, UserInfo: t.UserInfo, Binding: t.Binding}
	if len(t.Profile.Subject) > 0 {
		c.Profile = &Profile{Profile: t.Profile, Emails: scope.expression(t.Profile.Emails)}
	}
	id, secret := t.Introspection.ClientID, t.Introspection.ClientSecret
	if c.At == "tokeninfo" {
		id, secret = t.TokenInfo.ClientID, t.TokenInfo.ClientSecret
	}
	if c.AuthMethod() != "none" {
		c.ClientID, c.ClientSecret = m.field(id), m.field(secret)
		if m.Upstream != nil && c.ClientID == nil {
			c.ClientID = m.Upstream.ClientID
		}
		if m.Upstream != nil && c.ClientSecret == nil {
			c.ClientSecret = m.Upstream.ClientSecret
		}
	}
	m.Tokens.Check = c
}

// AuthMethod is how this server authenticates where tokens are checked.
func (c *OpaqueCheck) AuthMethod() string {
	switch {
	case c.At == "introspection" && c.Introspection.AuthMethod == "":
		return "client_secret_basic"
	case c.At == "introspection":
		return c.Introspection.AuthMethod
	case c.At == "tokeninfo" && c.TokenInfo.AuthMethod != "":
		return c.TokenInfo.AuthMethod
	default:
		return "none"
	}
}

func (m *Model) tenants(s *spec.Spec, scope *scope) {
	t := s.Tokens.Tenants
	if t.Issuer == "" {
		return
	}
	m.Tokens.Tenants = &Tenants{
		Tenants: t, Issuer: scope.expression(t.Issuer), Field: m.field(t.Field), Allowed: m.field(t.Allowed),
	}
}

func (m *Model) requirements(s *spec.Spec, scope *scope) {
	for _, r := range s.Tokens.Require {
		requirement := Requirement{Requirement: r}
		for _, text := range r.Is {
			requirement.Values = append(requirement.Values, scope.expression(text))
			requirement.WhenSet = requirement.WhenSet || len(scope.conditions(text)) > 0
		}
		m.Tokens.Require = append(m.Tokens.Require, requirement)
	}
}

// placeholder reports whether a reference stands for something that only the running server knows:
// it stays as it is.
func (sc *scope) placeholder(ref string) bool {
	_, known := sc.local[ref]
	return ref != "" && !known
}
