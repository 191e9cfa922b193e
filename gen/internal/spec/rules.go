package spec

import (
	"fmt"
	"slices"
	"strings"
)

func (c *checker) endpoints() {
	e := &c.Spec.Endpoints
	if open, _ := c.template(c.Spec.Issuer, "issuer", anIssuer); open {
		c.Reportf("issuer-optional", "issuer", "the issuer may be empty: then tokens of every issuer would have to do")
	}
	for _, endpoint := range []struct {
		key, template string
		needed        bool
	}{
		{"authorization", e.Authorization, true}, {"token", e.Token, true}, {"jwks", e.JWKS, c.Spec.Tokens.Format == "jwt"},
		{"registration", e.Registration, false}, {"userinfo", e.UserInfo, false}, {"tokeninfo", e.TokenInfo, false},
		{"introspection", e.Introspection, false}, {"revocation", e.Revocation, false}, {"end_session", e.EndSession, false},
	} {
		path := "endpoints." + endpoint.key
		if open, _ := c.template(endpoint.template, path, anURL); open && endpoint.needed {
			c.Reportf("endpoint-optional", path, "%s may be empty, but the provider cannot work without it", endpoint.key)
		}
	}
	if c.Spec.Tokens.Format == "jwt" && e.JWKS == "" && c.Known("endpoints.jwks") && c.Known("endpoints") {
		c.Reportf("jwks-missing", "endpoints", "endpoints need jwks: signed tokens are checked with the provider's keys")
	}
}

func (c *checker) tokens() {
	t := &c.Spec.Tokens
	switch {
	case !c.Known("tokens") || !c.Known("tokens.format") || !c.Known("tokens.verifier"):
	case t.Format == "" && t.Verifier == "" && c.Has("tokens"):
		c.Reportf("format-missing", "tokens", "tokens need a format, or a verifier that checks them")
	case t.Format != "" && t.Verifier != "":
		c.used[t.Verifier] = true
		c.ReportKeyf("format-verifier", "tokens.verifier", "tokens have a format or a verifier, not both")
	case t.Verifier != "":
		c.verifier(t)
	case t.Format == "opaque":
		c.opaque(t)
	default:
		c.signatures(t)
	}
	c.notOpaque(t)
	c.tokenMode(t)
	c.tenants(&t.Tenants)
	c.requirements(t.Require)
	for i, issuer := range t.Issuers {
		path := fmt.Sprintf("tokens.issuers[%d]", i)
		if ValidHost(issuer) { // compared, never fetched: Google's older tokens have no scheme there
			continue
		}
		if open, _ := c.template(issuer, path, anIssuer); open {
			c.Reportf("issuer-optional", path, "an issuer may be empty: then tokens of every issuer would have to do")
		}
	}
	if len(t.Issuers) > 0 && !slices.Contains(t.Issuers, c.Spec.Issuer) {
		c.Reportf("issuers-incomplete", "tokens.issuers", "issuers must contain the issuer %q itself", c.Spec.Issuer)
	}
	c.audience(&t.Audience)
}

// verifier checks that nothing is said which a verifier would ignore.
func (c *checker) verifier(t *Tokens) {
	if f := c.typed("verifier-type", t.Verifier, "tokens.verifier", TypeVerifier); f != nil && !f.Required {
		c.Reportf("verifier-optional", "tokens.verifier", "%s must be required: without it nothing would check tokens", f.Name)
	}
	for _, key := range []string{
		"algorithms", "types", "issuers", "tenants", "require", "shared_secrets", "id_token_shaped", "opaque_hint",
		"algorithm_hint",
	} {
		if c.Has("tokens." + key) {
			c.ReportKeyf("verifier-rules", "tokens."+key, "%q does nothing here: the verifier makes its own rules", key)
		}
	}
	for _, key := range []string{"claim", "otherwise", "issuer_bound", "reason", "hint"} {
		if c.Has("tokens.audience." + key) {
			c.ReportKeyf("verifier-rules", "tokens.audience."+key, "%q does nothing here: the verifier makes its own rules", key)
		}
	}
}

// minSecret is the least length of an HMAC key: that of the hash (RFC 7518 section 3.2).
var minSecret = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

func (c *checker) signatures(t *Tokens) {
	if len(t.Algorithms) == 0 && c.Known("tokens.algorithms") && t.Format != "" {
		c.Reportf("algorithms-missing", "tokens", "tokens need algorithms: what a token itself says of its algorithm "+
			"cannot be trusted (RFC 8725 section 3.1)")
	}
	seen := map[string]bool{}
	for i, s := range t.SharedSecrets {
		path := fmt.Sprintf("tokens.shared_secrets[%d]", i)
		f := c.typed("secret-type", s.Secret, path+".secret", TypeSecret)
		if least := minSecret[s.Algorithm]; f != nil && f.MinLength < least {
			c.Reportf("secret-length", path+".secret", "%s needs min_length: %d, since a shorter key of %s can be guessed "+
				"(RFC 7518 section 3.2)", f.Name, least, s.Algorithm)
		}
		if !slices.Contains(t.Algorithms, s.Algorithm) && s.Algorithm != "" {
			c.Reportf("secret-algorithm", path+".algorithm", "%s is not among algorithms", s.Algorithm)
		}
		if seen[s.Algorithm] {
			c.Reportf("secret-repeated", path+".algorithm", "there is a shared secret for %s already", s.Algorithm)
		}
		seen[s.Algorithm] = true
	}
	for i, algorithm := range t.Algorithms {
		if minSecret[algorithm] > 0 && !seen[algorithm] {
			c.Reportf("hmac-secret", fmt.Sprintf("tokens.algorithms[%d]", i), "%s needs an entry under shared_secrets: without a secret "+
				"of its own, the provider's public key could be taken for one (RFC 8725 section 3.1)", algorithm)
		}
	}
}

func (c *checker) audience(a *Audience) {
	const path = "tokens.audience"
	open, good := true, true
	for i, text := range a.Is {
		mayBeEmpty, ok := c.template(text, fmt.Sprintf("%s.is[%d]", path, i), anyText)
		open, good = open && mayBeEmpty, good && ok
	}
	if a.Otherwise != "" && !open && good {
		c.ReportKeyf("otherwise-unreachable", path+".otherwise", "otherwise does nothing: is always has a value")
	}
	switch {
	case a.IssuerBound && a.Otherwise != "":
		c.ReportKeyf("audience-conflict", path+".otherwise", "issuer_bound and otherwise contradict each other: "+
			"either tokens can name this server or they cannot")
	case a.IssuerBound && a.Reason == "" && c.Known(path+".reason"):
		c.ReportKeyf("issuer-bound-reason", path+".issuer_bound", "issuer_bound needs a reason: tokens for every other server "+
			"of this issuer will be accepted")
	case a.Reason != "" && !a.IssuerBound:
		c.ReportKeyf("reason-unused", path+".reason", "reason is for issuer_bound")
	}
	t := &c.Spec.Tokens
	if t.Verifier != "" || !c.Known("tokens") || !c.Known(path) || !c.Has("tokens") {
		return
	}
	if t.Format == "opaque" {
		c.binding(&t.Binding, a.Otherwise != "" || len(a.Is) > 0 && !open || !good)
		return
	}
	switch {
	case a.IssuerBound && len(t.Types) == 0 && len(t.Require) == 0 && c.Known("tokens.types") && c.Known("tokens.require"):
		c.ReportKeyf("issuer-bound-unguarded", path+".issuer_bound", "issuer_bound needs types or require: without an audience, "+
			"something else must tell access tokens from ID and session tokens")
	case a.IssuerBound || a.Otherwise != "" || !c.Known(path+".is") || !c.Known(path+".otherwise"):
	case len(a.Is) == 0:
		c.Reportf("audience-missing", path, "tokens need an audience rule: a token that was made for another server must not "+
			"be accepted here (RFC 8725 section 3.9)")
	case open && good:
		c.Reportf("audience-optional", path+".is", "every value of is may be empty: add `otherwise: resource`")
	}
}

func (c *checker) claims() {
	m := &c.Spec.Claims
	c.claimList("claims.roles", &m.Roles)
	c.claimList("claims.permissions", &m.Permissions)
	if m.UserMapper != "" {
		c.typed("user-mapper-type", m.UserMapper, "claims.user_mapper", TypeUserMapper)
	}
	asNames, goNames := map[string]bool{}, map[string]string{}
	for i := range m.Extra {
		c.extra(&m.Extra[i], fmt.Sprintf("claims.extra[%d]", i), asNames, goNames)
	}
}

func (c *checker) claimList(path string, l *List) {
	switch {
	case !c.Has(path) || !c.Known(path) || !c.Known(path+".from") || !c.Known(path+".each"):
		return
	case len(l.From) == 0 && l.Each == "":
		c.Reportf("list-empty", path, "%s need from, or each and list", c.Naming(path))
	case len(l.From) > 0 && l.Each != "":
		c.ReportKeyf("list-both", path+".each", "%s come from `from` or from `each`, not from both", c.Naming(path))
	case l.Each != "" && l.List == "" && c.Known(path+".list"):
		c.ReportKeyf("each-without-list", path+".each", "each needs list: where the list is in each member")
	case l.Each == "" && l.List != "":
		c.ReportKeyf("list-without-each", path+".list", "list goes with each")
	}
	if l.As != "" {
		c.entryForm(l, path+".as")
	}
}

func (c *checker) entryForm(l *List, path string) {
	allowed := []string{"value"}
	if l.Each != "" {
		allowed = append(allowed, "key")
	}
	t, err := ParseTemplate(l.As)
	if err != nil {
		c.Reportf("template-syntax", path, "as: %v", err)
		return
	}
	for _, ref := range t.Refs() {
		if !slices.Contains(allowed, ref) {
			c.Reportf("as-reference", path, "{%s} means nothing here: as has {%s}", ref, strings.Join(allowed, "} and {"))
		}
	}
	if !slices.Contains(t.Refs(), "value") {
		c.Reportf("as-value", path, "as needs {value}: all entries would be the same without it")
	}
}

// userFields are the members of a user in JSON that have a field of their own. They win over extra
// claims.
var userFields = []string{
	"userId", "email", "name", "username", "nickname", "picture", "roles", "permissions", "scopes",
}

func (c *checker) extra(e *Extra, path string, asNames map[string]bool, goNames map[string]string) {
	if e.Claim == "" {
		return
	}
	as := e.UserName()
	switch {
	case slices.Contains(userFields, as):
		c.Reportf("extra-shadowed", path, "the extra claim %q would be hidden by the user's own field of that name: give it another with `as:`", as)
	case asNames[as]:
		c.Reportf("extra-repeated", path, "there is an extra claim %q already", as)
	}
	asNames[as] = true
	goName := e.GoName()
	if goName == "" {
		c.Reportf("extra-go-name", path, "no Go name can be made from the claim %q: give it one with `go:`", e.Claim)
		return
	}
	if other, taken := goNames[goName]; taken && other != e.Claim {
		c.Reportf("go-name-taken", path, "%s and %s both become %s in Go: give one of them another name with `go:`", other, e.Claim, goName)
	}
	goNames[goName] = e.Claim
}

func (c *checker) scopes() {
	s := &c.Spec.Scopes
	if s.Field != "" {
		c.typed("list-field-type", s.Field, "scopes.field", TypeList)
		if len(s.Default) > 0 {
			c.ReportKeyf("scopes-both", "scopes.default", "scopes have a default or a field: give the default to the config field %s", s.Field)
		}
	}
	if c.Spec.Mode == "direct" && c.Has("scopes.words") {
		c.ReportKeyf("proxy-only", "scopes.words", "words are for mode proxy: clients of this provider are asked by the provider itself")
	}
	if c.Spec.Grants.Field != "" {
		c.typed("list-field-type", c.Spec.Grants.Field, "grants.field", TypeList)
	}
}
