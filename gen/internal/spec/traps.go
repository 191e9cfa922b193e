package spec

import (
	"slices"
	"strings"
)

// The rules of this file are about specs that would work, and let in what they should not.

// traps checks these rules. Nothing is said of rules in which something is wrong.
func (c tokenRules) traps(t *Tokens) {
	switch t.Format {
	case "opaque":
		c.noTokenType(t)
	case "jwt":
		c.idTokenShaped(t)
		c.sharedIssuer(t)
		if c.Spec.Mode == "proxy" {
			c.applicationTraps(t)
		}
	}
}

// noTokenType wants a proof where clients hold refresh tokens, which an answer may not tell from
// access tokens.
func (c tokenRules) noTokenType(t *Tokens) {
	if t.Introspection.NoTokenType == "" || c.Spec.Mode != "direct" || !c.Known("test") || !c.Known("test.reject") {
		return
	}
	if !slices.ContainsFunc(c.Spec.Test.Reject, func(token Token) bool { return token.Reason == "token_type" || token.Reason == "claim" }) {
		c.ReportKeyf("no-token-type-unproved", "tokens.introspection.no_token_type", "no_token_type needs a refresh token under test.reject, "+
			"refused as token_type or claim: in mode direct clients hold refresh tokens, and nothing else may tell them from access tokens")
	}
}

// idTokenShaped wants something in place of the marks of ID tokens, which are then not looked at.
func (c tokenRules) idTokenShaped(t *Tokens) {
	if t.IDTokenShaped != "" && t.idTokensMayHave() && len(t.Require) == 0 && c.Known("tokens.require") && c.Known("tokens.types") {
		c.ReportKeyf("id-token-unguarded", "tokens.id_token_shaped", "id_token_shaped needs types or require: ID tokens would pass as access "+
			"tokens otherwise (RFC 9068 section 5)")
	}
}

// sharedIssuer refuses to bind tokens to an issuer that belongs to all customers of a provider.
func (c tokenRules) sharedIssuer(t *Tokens) {
	if !t.Audience.IssuerBound || !c.Known("issuer") || !c.Known("tokens.issuers") {
		return
	}
	for _, issuer := range append([]string{c.Spec.Issuer}, t.Issuers...) {
		if parsed, err := ParseTemplate(issuer); err != nil || len(parsed.Refs()) > 0 {
			return
		}
	}
	c.ReportKeyf("issuer-bound-shared", "tokens.audience.issuer_bound", "issuer_bound needs an issuer of the configuration: this one issues "+
		"tokens for all customers of the provider, and theirs would be accepted")
}

// applicationTraps checks the rules for signed tokens of the application in mode proxy.
func (c tokenRules) applicationTraps(t *Tokens) {
	if !c.Known("tokens.audience") || !c.Known("tokens.require") || !c.Known("upstream.client_id") || !c.readable(t.Audience.Is...) {
		return
	}
	if slices.ContainsFunc(t.Require, func(r Requirement) bool { return !c.readable(r.Is...) }) {
		return
	}
	c.applicationBound(t)
	c.idTokensTold(t)
}

// applicationBound refuses a spec in mode proxy whose tokens need neither be those of the
// application nor name this very server: what any other application of the provider gets for the
// same audience would do.
func (c tokenRules) applicationBound(t *Tokens) {
	client := "{" + c.Spec.Upstream.ClientID + "}"
	if client == "{}" || slices.Contains(t.Audience.Is, client) || len(t.Audience.Is) == 0 {
		return // without any, tokens must name this server
	}
	if slices.ContainsFunc(t.Require, func(r Requirement) bool { return slices.Contains(r.Is, client) }) {
		return
	}
	c.Reportf("application-unbound", "tokens.audience", "in mode proxy tokens must be those of the application: let audience accept %s, or require a "+
		"claim that names it; other applications of the provider get tokens for the same audience", client)
}

// idTokensTold refuses rules that the ID tokens of the application meet as well: they have the same
// issuer and keys, and the application in aud (OpenID Connect Core section 2).
func (c tokenRules) idTokensTold(t *Tokens) {
	client := "{" + c.Spec.Upstream.ClientID + "}"
	switch {
	case t.Audience.Claim != "" && t.Audience.Claim != "aud", !slices.Contains(t.Audience.Is, client):
	case !t.idTokensMayHave():
	case slices.ContainsFunc(t.Require, func(r Requirement) bool { return len(r.Is) == 0 }):
	case t.IDTokenShaped != "":
	default:
		c.Reportf("id-token-fits", "tokens.audience", "ID tokens are for %s, too: name the types of access tokens, require a claim that "+
			"ID tokens lack, or that one which they have (at_hash as a rule) is absent", client)
	}
}

// idTokensMayHave reports whether a typ is accepted that ID tokens have: JWT in any spelling
// (RFC 7515 section 4.1.9), or none.
func (t *Tokens) idTokensMayHave() bool {
	return len(t.Types) == 0 || slices.ContainsFunc(t.Types, func(typ string) bool { return strings.EqualFold(typ, "JWT") })
}
