package spec

import "slices"

// The rules of this file are about specs that would work, and let in what they should not.

// traps checks the rules for signed tokens of the application in mode proxy. Nothing is said of
// rules in which something is wrong.
func (c tokenRules) traps(t *Tokens) {
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
	case len(t.Types) > 0 && !slices.ContainsFunc(t.Types, func(typ string) bool { return typ == "JWT" || typ == "jwt" }):
	case slices.ContainsFunc(t.Require, func(r Requirement) bool { return len(r.Is) == 0 }):
	case t.IDTokenShaped != "":
	default:
		c.Reportf("id-token-fits", "tokens.audience", "ID tokens are for %s, too: name the types of access tokens, require a claim that "+
			"ID tokens lack, or that one which they have (at_hash as a rule) is absent", client)
	}
}
