package model

import (
	"cmp"

	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// Upstream is the application at the provider, in mode proxy.
type Upstream struct {
	spec.Upstream

	Credentials Credentials
	// RequiredField and ParamsField hold what the spec leaves to the configuration; nil for none.
	RequiredField   *Field
	ParamsField     *Field
	TokenField      *Field
	Title           Expression
	ResourceScope   Expression
	ScopeNames      []Named
	ScopePrefix     Expression
	AuthorizeParams []Named
	TokenParams     []Named
	ResponseIssuers []Expression
}

// Credentials are this server's own at an endpoint of the provider: the fields that hold them, nil
// where there are none.
type Credentials struct {
	// Method is the word of the spec for how they are sent; empty for the default. MethodField
	// holds it where the configuration says.
	Method       string
	MethodField  *Field
	ClientID     *Field
	ClientSecret *Field
	ClientKey    *Field
	ClientKeyID  *Field
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
	// Credentials are those for the endpoint.
	Credentials Credentials
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

// Requirement is one claim that must be there, or must not.
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
	if s.Mode == "direct" {
		return
	}
	u := s.Upstream
	m.Upstream = &Upstream{
		Upstream: u,
		Credentials: Credentials{
			Method: u.AuthMethod, MethodField: m.field(u.AuthMethodField),
			ClientID: m.field(u.ClientID), ClientSecret: m.field(u.ClientSecret),
			ClientKey: m.field(u.ClientKey), ClientKeyID: m.field(u.ClientKeyID),
		},
		RequiredField:   m.field(u.RequiredScopes.Field),
		ParamsField:     m.field(u.AuthorizeParamsField),
		TokenField:      m.field(u.TokenParamsField),
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
	c := &OpaqueCheck{
		At: t.Check, Introspection: t.Introspection, TokenInfo: t.TokenInfo, UserInfo: t.UserInfo, Binding: t.Binding,
		Credentials: Credentials{Method: "none"},
	}
	if len(t.Profile.Subject) > 0 {
		c.Profile = &Profile{Profile: t.Profile, Emails: scope.expression(t.Profile.Emails)}
	}
	switch c.At {
	case "introspection":
		i := t.Introspection
		c.Credentials = m.checkCredentials(cmp.Or(i.AuthMethod, "client_secret_basic"), i.ClientID, i.ClientSecret, i.ClientKey, i.ClientKeyID)
	case "tokeninfo":
		i := t.TokenInfo
		c.Credentials = m.checkCredentials(cmp.Or(i.AuthMethod, "none"), i.ClientID, i.ClientSecret, i.ClientKey, i.ClientKeyID)
	}
	m.Tokens.Check = c
}

// checkCredentials are the credentials where tokens are checked: those of the section, else those
// of the application at the provider, as far as the method needs them.
func (m *Model) checkCredentials(method, id, secret, key, keyID string) Credentials {
	c := Credentials{Method: method}
	if method == "none" {
		return c
	}
	var ours Credentials
	if m.Upstream != nil {
		ours = m.Upstream.Credentials
	}
	c.ClientID = cmp.Or(m.field(id), ours.ClientID)
	if method != spec.PrivateKeyJWT {
		c.ClientSecret = cmp.Or(m.field(secret), ours.ClientSecret)
		return c
	}
	if c.ClientKey, c.ClientKeyID = m.field(key), m.field(keyID); c.ClientKey == nil {
		c.ClientKey, c.ClientKeyID = ours.ClientKey, ours.ClientKeyID
	}
	return c
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
