// Package model is a provider as the emitters see it: named, resolved, decided.
package model

import (
	"cmp"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/names"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// Model is a provider as the emitters see it: everything is named and decided, nothing is left to
// look up.
type Model struct {
	Name    string
	Title   string
	Mode    string
	Summary string
	DocsURL string
	Setup   []string
	Notes   []string
	// CheckedOn and CheckedAgainst are the provenance of the facts.
	CheckedOn      string
	CheckedAgainst []string
	// Seen is the real software, Imitated the imitations, that the end-to-end tests log in to.
	Seen     []string
	Imitated []string

	Fields []Field
	Groups []Group
	Values []Value

	Issuer    Expression
	Endpoints []Endpoint
	Discovery []string
	// Discover is what the provider's own document says, ModeField the field that holds the mode.
	Discover  spec.Discover
	ModeField *Field
	// ClientDocuments says that clients may come with a client ID metadata document.
	ClientDocuments bool
	// Upstream is the application at the provider; nil in mode direct.
	Upstream *Upstream
	// TokenMode says whose tokens clients get, in mode proxy.
	TokenMode  string
	ScopeWords []spec.ScopeWord
	Tokens     Tokens
	Claims     Claims
	Scopes     Choice
	Grants     Choice
	Test       Test
}

// Field is one field of the generated Config.
type Field struct {
	spec.Field

	// Go is the field's name in Config, Local that of the variable with its resolved value.
	Go    string
	Local string
}

// DefaultText is the default as a variable would hold it.
func (f *Field) DefaultText() string { return strings.Join(f.Default, " ") }

// Group is a set of fields of which one must be set.
type Group struct {
	Message string
	Fields  []*Field
}

// Value is a derived value. All alternatives but the last have conditions.
type Value struct {
	Local        string
	Alternatives []Alternative
}

// Alternative is a form of a value, taken when all conditions, local variables, are set.
type Alternative struct {
	Conditions []string
	Is         Expression
}

// Expression is text to put together, and the template that people read in its place.
type Expression struct {
	Parts    []Part
	Template string
}

// Part is literal text or a local variable.
type Part struct {
	Text  string
	Local string
}

// Endpoint is one URL of the provider under its name in Go.
type Endpoint struct {
	Go  string
	Key string
	URL Expression
}

// Tokens are the rules for tokens.
type Tokens struct {
	// Verifier is the field that checks tokens in place of the rules; nil where the rules do.
	Verifier *Field
	// Check is how opaque tokens are checked at the provider; nil where tokens are no opaque ones.
	Check         *OpaqueCheck
	Issuers       []Expression
	Tenants       *Tenants // nil where the issuer is the same for everybody
	Algorithms    []string
	Types         Choice
	Audience      Audience
	Require       []Requirement
	RequireField  *Field // in place of Require
	SharedSecrets []SharedSecret
	IDTokenShaped string
	// NumericSubject is why sub may be a number.
	NumericSubject string
	OpaqueHint     string
	AlgorithmHint  string
}

// Audience is the rule for a token's recipients.
type Audience struct {
	spec.Audience

	AnyOf []Expression
}

// SharedSecret is the key of an HMAC algorithm.
type SharedSecret struct {
	Algorithm string
	Field     *Field
	Missing   string
}

// Claims is the mapping to the user.
type Claims struct {
	spec.Claims

	UserIDs, Emails, Names Choice
	RolesField             *Field // in place of Roles
	Scopes                 Choice
	ScopeSeparator         string
	Extra                  []Extra
	UserMapper             *Field
}

// Extra is one further claim.
type Extra struct {
	Claim string
	As    string
	Doc   string
	Go    string
	Local string
	Type  string
}

// Choice is a list that the spec gives or a field holds.
type Choice struct {
	List  []string
	Field *Field
}

// Test is what the generated test does.
type Test struct {
	Config []TestValue
	// Secret is the shared secret's value, where the config has one.
	Secret string
	Accept []spec.Token
	Reject []spec.Token
}

// TestValue is one configured field.
type TestValue struct {
	Field *Field
	// Text or List is the value; a field that is a function has neither.
	Text string
	List []string
}

// New names and resolves everything that a valid spec says.
func New(s *spec.Spec) *Model {
	m := &Model{
		Name: s.Name, Title: s.Title, Mode: s.Mode, Summary: s.Docs.Summary, DocsURL: s.Docs.URL, Setup: s.Docs.Setup,
		Notes: s.Docs.Notes, CheckedOn: s.Docs.Verified.On, CheckedAgainst: s.Docs.Verified.Sources,
		Seen: s.Docs.Verified.Seen, Imitated: s.Docs.Verified.Imitated,
		Discovery: s.Discovery, Discover: s.Discover, ClientDocuments: s.ClientDocuments,
	}
	scope := newScope(s)
	for i := range s.Config {
		f := &s.Config[i]
		m.Fields = append(m.Fields, Field{Field: *f, Go: f.GoName(), Local: scope.local[f.Name]})
	}
	m.ModeField = m.field(s.Discover.Mode)
	m.groups(s)
	m.values(s, scope)
	m.Issuer = scope.expression(s.Issuer)
	m.endpoints(s, scope)
	m.upstream(s, scope)
	m.tokens(s, scope)
	m.check(s, scope)
	m.tenants(s, scope)
	m.requirements(s, scope)
	m.claims(s)
	m.Scopes = Choice{List: s.Scopes.Default, Field: m.field(s.Scopes.Field)}
	m.Grants = Choice{List: s.Grants.Types, Field: m.field(s.Grants.Field)}
	m.test(s)
	return m
}

// field returns a field by its name in the spec, nil for none.
func (m *Model) field(name string) *Field {
	for i := range m.Fields {
		if m.Fields[i].Name == name {
			return &m.Fields[i]
		}
	}
	return nil
}

func (m *Model) groups(s *spec.Spec) {
	for _, g := range s.RequireOneOf {
		group := Group{Message: g.Message}
		for _, name := range g.Fields {
			group.Fields = append(group.Fields, m.field(name))
		}
		m.Groups = append(m.Groups, group)
	}
}

func (m *Model) values(s *spec.Spec, scope *scope) {
	for _, v := range s.Values {
		value := Value{Local: scope.local[v.Name]}
		if v.Is != "" {
			value.Alternatives = []Alternative{{Is: scope.expression(v.Is)}}
		}
		for i, text := range v.First {
			a := Alternative{Is: scope.expression(text)}
			if i < len(v.First)-1 {
				a.Conditions = scope.conditions(text)
			}
			value.Alternatives = append(value.Alternatives, a)
		}
		m.Values = append(m.Values, value)
	}
}

func (m *Model) endpoints(s *spec.Spec, scope *scope) {
	e := s.Endpoints
	for _, endpoint := range []struct{ name, key, template string }{
		{"Authorization", "authorization", e.Authorization}, {"Token", "token", e.Token}, {"JWKS", "jwks", e.JWKS},
		{"Registration", "registration", e.Registration}, {"UserInfo", "userinfo", e.UserInfo},
		{"TokenInfo", "tokeninfo", e.TokenInfo}, {"Introspection", "introspection", e.Introspection},
		{"Revocation", "revocation", e.Revocation}, {"EndSession", "end_session", e.EndSession},
	} {
		if endpoint.template != "" {
			m.Endpoints = append(m.Endpoints, Endpoint{
				Go: endpoint.name, Key: endpoint.key, URL: scope.expression(endpoint.template),
			})
		}
	}
}

func (m *Model) tokens(s *spec.Spec, scope *scope) {
	t := s.Tokens
	m.Tokens = Tokens{
		Verifier: m.field(t.Verifier), Algorithms: t.Algorithms, Types: Choice{List: t.Types, Field: m.field(t.TypesField)}, RequireField: m.field(t.RequireField),
		Audience: Audience{Audience: t.Audience}, IDTokenShaped: t.IDTokenShaped, NumericSubject: t.NumericSubject, OpaqueHint: t.OpaqueHint,
		AlgorithmHint: t.AlgorithmHint,
	}
	for _, issuer := range t.Issuers {
		m.Tokens.Issuers = append(m.Tokens.Issuers, scope.expression(issuer))
	}
	for _, audience := range t.Audience.Is {
		m.Tokens.Audience.AnyOf = append(m.Tokens.Audience.AnyOf, scope.expression(audience))
	}
	for _, secret := range t.SharedSecrets {
		m.Tokens.SharedSecrets = append(m.Tokens.SharedSecrets, SharedSecret{
			Algorithm: secret.Algorithm, Field: m.field(secret.Secret), Missing: secret.Missing,
		})
	}
}

// scopeClaims are the claims that may hold the granted scopes.
func (m *Model) scopeClaims(s *spec.Spec) Choice {
	if field := m.field(s.Scopes.ClaimField); field != nil {
		return Choice{Field: field}
	}
	return Choice{List: s.Scopes.ClaimNames()}
}

func (m *Model) claims(s *spec.Spec) {
	fields := s.Claims.Fields
	m.Claims = Claims{
		Claims: s.Claims, Scopes: m.scopeClaims(s), UserMapper: m.field(s.Claims.UserMapper), RolesField: m.field(fields.Roles),
		UserIDs: Choice{List: s.Claims.UserID, Field: m.field(fields.UserID)},
		Emails:  Choice{List: s.Claims.Email, Field: m.field(fields.Email)},
		Names:   Choice{List: s.Claims.Name, Field: m.field(fields.Name)},
	}
	if s.Scopes.Separator == "comma" {
		m.Claims.ScopeSeparator = ","
	}
	for i := range s.Claims.Extra {
		e := &s.Claims.Extra[i]
		m.Claims.Extra = append(m.Claims.Extra, Extra{
			Claim: e.Claim, As: e.As, Doc: e.Doc, Go: e.GoName(), Local: safeLocal(localName(e.Go, e.UserName())), Type: e.GoType(),
		})
	}
}

func (m *Model) test(s *spec.Spec) {
	m.Test = Test{Accept: s.Test.Accept, Reject: s.Test.Reject}
	for i := range m.Fields {
		f := &m.Fields[i]
		value := TestValue{Field: f}
		configured, set := s.Test.Config[f.Name]
		switch v := configured.(type) {
		case string:
			value.Text = v
		case []any:
			for _, entry := range v {
				text, _ := entry.(string)
				value.List = append(value.List, text)
			}
		default:
			value.Text = f.Example
		}
		if set || f.Required {
			m.Test.Config = append(m.Test.Config, value)
		}
		if len(m.Tokens.SharedSecrets) > 0 && m.Tokens.SharedSecrets[0].Field == f {
			m.Test.Secret = value.Text
		}
	}
}

// scope gives names of specs their local variables.
type scope struct {
	spec  *spec.Spec
	local map[string]string
}

func newScope(s *spec.Spec) *scope {
	sc := &scope{spec: s, local: map[string]string{}}
	taken := map[string]bool{}
	declare := func(name, local string) {
		local = safeLocal(local)
		for taken[local] {
			local += "Value"
		}
		taken[local] = true
		sc.local[name] = local
	}
	for i := range s.Config {
		declare(s.Config[i].Name, localName(s.Config[i].Go, s.Config[i].Name))
	}
	for _, v := range s.Values {
		declare(v.Name, names.Local(v.Name))
	}
	return sc
}

// ownNames are the names that the generated functions use themselves.
var ownNames = []string{
	"cfg", "err", "facts", "in", "info", "json", "oauth", "opts", "proxy", "runtime", "tenants", "time",
}

// localName is the local variable for something with a name in the spec and, where that is not
// right, one in Go.
func localName(goName, name string) string { return names.Local(cmp.Or(goName, name)) }

// safeLocal keeps a local variable from hiding something that the generated code needs.
func safeLocal(name string) string {
	if token.IsKeyword(name) || types.Universe.Lookup(name) != nil || slices.Contains(ownNames, name) {
		return name + "Value"
	}
	return name
}

func (sc *scope) expression(template string) Expression {
	e := Expression{Template: sc.readable(template)}
	for _, part := range parse(template) {
		if sc.placeholder(part.Ref) {
			part = spec.Part{Text: "{" + part.Ref + "}"}
		}
		if n := len(e.Parts); part.Ref == "" && n > 0 && e.Parts[n-1].Local == "" {
			e.Parts[n-1].Text += part.Text
			continue
		}
		e.Parts = append(e.Parts, Part{Text: part.Text, Local: sc.local[part.Ref]})
	}
	return e
}

// conditions are the local variables of the references that may be empty.
func (sc *scope) conditions(template string) []string {
	conditions := map[string]bool{}
	for _, ref := range parse(template).Refs() {
		if sc.mayBeEmpty(ref) {
			conditions[sc.local[ref]] = true
		}
	}
	return slices.Sorted(maps.Keys(conditions))
}

func (sc *scope) mayBeEmpty(name string) bool {
	for i := range sc.spec.Config {
		if f := &sc.spec.Config[i]; f.Name == name {
			return f.MayBeEmpty()
		}
	}
	v := sc.value(name)
	return v != nil && parse(v.Is).Bare() && sc.mayBeEmpty(parse(v.Is)[0].Ref)
}

func (sc *scope) value(name string) *spec.Value {
	for i := range sc.spec.Values {
		if sc.spec.Values[i].Name == name {
			return &sc.spec.Values[i]
		}
	}
	return nil
}

// readable replaces values by their templates, so that only config fields are left in braces. Of
// several templates the last is shown, which needs the least.
func (sc *scope) readable(template string) string {
	var b strings.Builder
	for _, part := range parse(template) {
		v := sc.value(part.Ref)
		switch {
		case part.Ref == "":
			b.WriteString(part.Text)
		case v == nil:
			b.WriteString("{" + part.Ref + "}")
		default:
			b.WriteString(sc.readable(cmp.Or(v.Is, last(v.First))))
		}
	}
	return b.String()
}

func last(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// parse splits a template that validation has accepted.
func parse(template string) spec.Template {
	t, _ := spec.ParseTemplate(template)
	return t
}
