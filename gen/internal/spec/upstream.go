package spec

import (
	"fmt"
	"slices"
	"strings"
)

// upstreamRules are the rules for the application at the provider, in mode proxy.
type upstreamRules struct{ templates }

// check checks the application at the provider, in mode proxy.
func (c upstreamRules) check() {
	u := &c.Spec.Upstream
	switch {
	case c.Spec.Mode == "direct" && c.Has("upstream"):
		c.ReportKeyf("proxy-only", "upstream", "upstream is for mode proxy: in mode direct clients register at the provider themselves")
		c.uses(u.ClientID, u.ClientSecret, u.ClientKey, u.ClientKeyID, u.AuthMethodField, u.AuthorizeParamsField, u.RequiredScopes.Field)
		return
	case c.Spec.Mode != "proxy" && c.Spec.Mode != modeDiscovered || !c.Known("upstream"):
		return
	case !c.Has("upstream"):
		c.Reportf("upstream-missing", "mode", "mode proxy, or discovered, needs upstream: the application that is registered at the provider")
		return
	}
	for _, path := range []string{"discovery", "endpoints.registration", "client_documents"} {
		if c.Has(path) && c.Spec.Mode == "proxy" && (path != "discovery" || !c.Has("discover")) {
			c.ReportKeyf("direct-only", path, "%s does nothing in mode proxy: clients only see this server's own metadata and registration",
				c.Naming(path))
		}
	}
	if open, _ := c.template(u.Title, "upstream.title", anyText); open {
		c.Reportf("title-optional", "upstream.title", "the name for users may be empty")
	}
	c.credentials(u)
	c.protection(u)
	c.scopes(u)
	c.parameters(u)
	for i, issuer := range u.ResponseIssuers {
		path := fmt.Sprintf("upstream.response_issuers[%d]", i)
		if open, _ := c.template(issuer, path, anIdentifier); open {
			c.Reportf("issuer-optional", path, "an issuer may be empty: then it would say nothing")
		}
	}
}

func (c upstreamRules) credentials(u *Upstream) {
	if f := c.field(u.ClientID, "upstream.client_id"); f != nil {
		switch {
		case !f.isText():
			c.Reportf("client-id-type", "upstream.client_id", "%s is a %s: a client id is a field that is text", f.Name, f.Type)
		case f.MayBeEmpty() && c.Spec.Mode != modeDiscovered:
			c.Reportf("client-id-optional", "upstream.client_id", "%s must be required: the provider knows the application by it", f.Name)
		}
	}
	c.typed("secret-type", u.ClientSecret, "upstream.client_secret", TypeSecret)
	c.typed("auth-method-type", u.AuthMethodField, "upstream.auth_method_field", TypeString)
	switch {
	case u.AuthMethod != "" && u.AuthMethodField != "":
		c.ReportKeyf("auth-method-both", "upstream.auth_method_field", "there is an auth_method or a field that holds it, not both")
	case u.ClientSecret != "" || !c.Known("upstream.client_secret"):
	case u.AuthMethod != "" && u.AuthMethod != PrivateKeyJWT:
		c.ReportKeyf("auth-without-secret", "upstream.auth_method", "auth_method says how client_secret is sent, and there is none")
	case u.RevocationStyle == "github":
		c.ReportKeyf("auth-without-secret", "upstream.revocation_style", "revocation in the style of GitHub needs client_secret")
	}
	c.clientKey(keyed{
		path: "upstream", key: u.ClientKey, keyID: u.ClientKeyID, secret: u.ClientSecret,
		signs: u.AuthMethod == PrivateKeyJWT, open: u.AuthMethodField != "",
	})
	if u.RevocationStyle != "" && c.Spec.Endpoints.Revocation == "" && c.Known("endpoints.revocation") {
		c.ReportKeyf("revocation-unused", "upstream.revocation_style", "revocation_style does nothing: endpoints have no revocation")
	}
}

func (c upstreamRules) protection(u *Upstream) {
	switch {
	case u.CodeProtection == "none" && u.UnprotectedReason == "" && c.Known("upstream.unprotected_reason"):
		c.ReportKeyf("code-protection-reason", "upstream.code_protection", "code_protection none needs unprotected_reason: "+
			"a stolen authorization code can be used by anybody (RFC 9700 section 2.1.1)")
	case u.CodeProtection == "none" && !c.proves(u):
		c.ReportKeyf("code-unprotected", "upstream.code_protection", "code_protection none needs a required client_secret, or private_key_jwt: "+
			"nothing else keeps whoever steals a code from redeeming it")
	case u.CodeProtection != "none" && u.UnprotectedReason != "":
		c.ReportKeyf("reason-unused", "upstream.unprotected_reason", "unprotected_reason is for code_protection none")
	case u.CodeProtection == "nonce" && !slices.Contains(u.RequiredScopes.Scopes, "openid") && c.Known("upstream.required_scopes"):
		c.ReportKeyf("nonce-scope", "upstream.code_protection", "code_protection nonce needs openid among required_scopes: "+
			"without it there is no ID token with a nonce")
	}
	switch {
	case u.Resource == "scope" && u.ResourceScope == "" && c.Known("upstream.resource_scope"):
		c.ReportKeyf("resource-scope", "upstream.resource", "resource: scope needs resource_scope: the scope to ask for")
	case u.Resource != "scope" && u.ResourceScope != "":
		c.ReportKeyf("resource-scope", "upstream.resource_scope", "resource_scope is for `resource: scope`")
	}
}

// proves reports whether the application proves to the provider that it is the one.
func (c upstreamRules) proves(u *Upstream) bool {
	i, known := c.fields[u.ClientSecret]
	return u.AuthMethod == PrivateKeyJWT || known && c.Spec.Config[i].Required || !c.Known("upstream.client_secret")
}

func (c upstreamRules) scopes(u *Upstream) {
	if u.RequiredScopes.Field != "" {
		c.typed("list-field-type", u.RequiredScopes.Field, "upstream.required_scopes.field", TypeList)
	}
	c.with("resource", func() { c.template(u.ResourceScope, "upstream.resource_scope", anyText) })
	for i, name := range u.ScopeNames {
		path := fmt.Sprintf("upstream.scope_names[%d]", i)
		if open, _ := c.template(name.Is, path, anyText); open {
			c.Reportf("scope-name-optional", path, "the provider's name of the scope %s may be empty", name.Name)
		}
	}
	c.template(u.ScopePrefix.Prefix, "upstream.scope_prefix.prefix", anyText)
}

// reservedParameters are the parameters that only the broker may set, with the reason where it is
// not obvious.
var reservedParameters = map[string][]string{
	"authorize_params": {
		"response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "resource", "request", "request_uri", "iss",
	},
	"token_params": {
		"grant_type", "code", "redirect_uri", "client_id", "client_secret", "client_assertion", "client_assertion_type",
		"code_verifier", "refresh_token", "scope", "resource", "username", "password", "assertion",
	},
}

func (c upstreamRules) parameters(u *Upstream) {
	for key, list := range map[string][]Parameter{"authorize_params": u.AuthorizeParams, "token_params": u.TokenParams} {
		for i, p := range list {
			path := fmt.Sprintf("upstream.%s[%d]", key, i)
			c.template(p.Is, path, anyText)
			switch {
			case key == "authorize_params" && p.Name == "prompt" && slices.Contains(strings.Fields(p.Is), "none"):
				c.ReportKeyf("prompt-none", path, "prompt none asks nobody: who is not logged in at the provider could not log in, and who is "+
					"would not be asked whether to")
			case !slices.Contains(reservedParameters[key], p.Name):
			case p.Name == "response_mode":
				c.ReportKeyf("reserved-parameter", path, "response_mode must stay: a response by form post arrives without the cookie "+
					"that binds it to the browser")
			default:
				c.ReportKeyf("reserved-parameter", path, "%s is for this server alone to set: it is part of what protects a login", p.Name)
			}
		}
	}
	if u.AuthorizeParamsField == "" {
		return
	}
	c.typed("parameters-type", u.AuthorizeParamsField, "upstream.authorize_params_field", TypeParameters)
	if len(u.AuthorizeParams) > 0 {
		c.ReportKeyf("params-both", "upstream.authorize_params_field", "there are authorize_params or a field that holds them, not both")
	}
}
