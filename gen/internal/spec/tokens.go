package spec

import (
	"fmt"
	"slices"
	"strings"
)

// tokenRules are the rules for access tokens.
type tokenRules struct{ templates }

func (c tokenRules) check() {
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
		opaqueRules(c).check(t)
	default:
		c.signatures(t)
	}
	opaqueRules(c).checkAbsent(t)
	c.tokenMode(t)
	c.tenants(&t.Tenants)
	c.requirements(t.Require)
	for i, issuer := range t.Issuers {
		path := fmt.Sprintf("tokens.issuers[%d]", i)
		if open, _ := c.template(issuer, path, anIdentifier); open {
			c.Reportf("issuer-optional", path, "an issuer may be empty: then tokens of every issuer would have to do")
		}
	}
	c.audience(&t.Audience)
	c.traps(t)
}

// verifier checks that nothing is said which a verifier would ignore.
func (c tokenRules) verifier(t *Tokens) {
	if f := c.typed("verifier-type", t.Verifier, "tokens.verifier", TypeVerifier); f != nil && !f.Required {
		c.Reportf("verifier-optional", "tokens.verifier", "%s must be required: without it nothing would check tokens", f.Name)
	}
	for _, key := range []string{
		"algorithms", "types", "tenants", "require", "shared_secrets", "id_token_shaped", "numeric_subject", "opaque_hint",
		"algorithm_hint",
	} {
		if c.Has("tokens." + key) {
			c.ReportKeyf("verifier-rules", "tokens."+key, "%q does nothing here: the verifier makes its own rules", key)
		}
	}
	for _, key := range []string{"claim", "otherwise", "also", "issuer_bound", "reason", "hint"} {
		if c.Has("tokens.audience." + key) {
			c.ReportKeyf("verifier-rules", "tokens.audience."+key, "%q does nothing here: the verifier makes its own rules", key)
		}
	}
}

// minSecret is the least length of an HMAC key: that of the hash (RFC 7518 section 3.2).
var minSecret = map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}

func (c tokenRules) signatures(t *Tokens) {
	if len(t.Algorithms) == 0 && !c.Spec.Discover.Algorithms && c.Known("tokens.algorithms") && t.Format != "" {
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

func (c tokenRules) audience(a *Audience) {
	const path = "tokens.audience"
	open, good := true, true
	for i, text := range a.Is {
		mayBeEmpty, ok := c.template(text, fmt.Sprintf("%s.is[%d]", path, i), anyText)
		open, good = open && mayBeEmpty, good && ok
	}
	if a.Otherwise != "" && !open && good {
		c.ReportKeyf("otherwise-unreachable", path+".otherwise", "otherwise does nothing: is always has a value")
	}
	if a.Also != "" && (a.Otherwise != "" || a.IssuerBound || len(a.Is) == 0 && c.Known(path+".is")) {
		c.ReportKeyf("also-unused", path+".also", "also goes with is, and with neither otherwise nor issuer_bound: it names one audience more")
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
		opaqueRules(c).binding(&t.Binding, a.Otherwise != "" || a.Also != "" || len(a.Is) > 0 && !open || !good)
		return
	}
	switch {
	case a.IssuerBound && len(t.Types) == 0 && !t.marked() && c.Known("tokens.types") && c.Known("tokens.require"):
		c.ReportKeyf("issuer-bound-unguarded", path+".issuer_bound", "issuer_bound needs types or require: without an audience, "+
			"something else must tell access tokens from ID and session tokens")
	case a.IssuerBound || a.Otherwise != "" || a.Also != "" || !c.Known(path+".is") || !c.Known(path+".otherwise"):
	case len(a.Is) == 0:
		c.Reportf("audience-missing", path, "tokens need an audience rule: a token that was made for another server must not "+
			"be accepted here (RFC 8725 section 3.9)")
	case open && good:
		c.Reportf("audience-optional", path+".is", "every value of is may be empty: add `otherwise: resource`")
	}
}

// tokenMode checks whose tokens clients get.
func (c tokenRules) tokenMode(t *Tokens) {
	switch {
	case t.Mode != "" && c.Spec.Mode == "direct":
		c.ReportKeyf("proxy-only", "tokens.mode", "mode of tokens is for mode proxy: here clients get the provider's tokens from the provider")
	case t.Mode == "passthrough" && t.Format == "opaque":
		c.ReportKeyf("opaque-passthrough", "tokens.mode", "opaque tokens cannot be passed through: nothing in them says for whom they are")
	}
}

// tenantReference is what stands for the tenant in a tenant's issuer.
const tenantReference = "tenantid"

func (c tokenRules) tenants(t *Tenants) {
	const path = "tokens.tenants"
	if !c.Has(path) || !c.Known(path) {
		return
	}
	if _, taken := c.subject(tenantReference); taken {
		c.Reportf("tenants-placeholder", path+".issuer", "{%s} stands for the tenant here: give the config field or value of that name another",
			tenantReference)
	} else if strings.Count(t.Issuer, "{"+tenantReference+"}") != 1 && t.Issuer != "" {
		c.Reportf("tenants-placeholder", path+".issuer", "issuer needs {%s} once, where the tenant stands", tenantReference)
	} else {
		c.with(tenantReference, func() { c.template(t.Issuer, path+".issuer", anIssuer) })
	}
	if f := c.field(t.Field, path+".field"); f != nil && (!f.isText() || f.MayBeEmpty()) {
		c.Reportf("tenants-field", path+".field", "%s must be a field that is text and required: users log in at its tenant", f.Name)
	}
	if t.Allowed != "" {
		c.typed("list-field-type", t.Allowed, path+".allowed", TypeList)
	}
	if (len(t.Several) == 0) != (t.Allowed == "") && c.Known(path+".several") && c.Known(path+".allowed") {
		c.Reportf("tenants-several", path, "several and allowed go together: a tenant that stands for several lets in the users of all "+
			"customers of the provider, unless something says which")
	}
}

// marked reports whether access tokens have a claim by which they are told from other tokens.
func (t *Tokens) marked() bool {
	return slices.ContainsFunc(t.Require, func(r Requirement) bool { return !r.Absent })
}

// requirements checks the claims that must be there, or must not.
func (c tokenRules) requirements(list []Requirement) {
	for i, r := range list {
		path := fmt.Sprintf("tokens.require[%d]", i)
		for j, text := range r.Is {
			c.template(text, fmt.Sprintf("%s.is[%d]", path, j), anyText)
		}
		if len(r.Is) > 0 && len(r.AnyOf) > 0 {
			c.ReportKeyf("require-both", path+".is", "accepted values are in any_of or, from the configuration, in is: not in both")
		}
		if r.Absent && len(r.Is)+len(r.AnyOf) > 0 {
			c.ReportKeyf("require-absent", path+".absent", "a claim that must be absent has no accepted values")
		}
	}
}
