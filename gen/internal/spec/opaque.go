package spec

import (
	"cmp"
	"fmt"
	"slices"
)

// opaqueRules are the rules for opaque tokens, which the provider is asked about.
type opaqueRules struct{ templates }

// check checks how tokens are checked at the provider.
func (c opaqueRules) check(t *Tokens) {
	for _, key := range []string{
		"algorithms", "types", "tenants", "shared_secrets", "id_token_shaped", "opaque_hint", "algorithm_hint",
	} {
		if c.Has("tokens." + key) {
			c.ReportKeyf("opaque-rules", "tokens."+key, "%q does nothing here: opaque tokens are not signed", key)
		}
	}
	for _, key := range []string{"issuer_bound", "reason"} {
		if c.Has("tokens.audience." + key) {
			c.ReportKeyf("opaque-rules", "tokens.audience."+key, "%q does nothing here: what ties opaque tokens to this server is in binding", key)
		}
	}
	if t.Check == "" && c.Known("tokens.check") {
		c.Reportf("check-missing", "tokens", "opaque tokens need check: where the provider is asked about them")
	}
	c.checkEndpoint("tokens are checked", t.Check)
	if c.Has("tokens.profile") {
		c.checkEndpoint("the profile is", "userinfo")
		if t.Check == "userinfo" {
			c.ReportKeyf("profile-userinfo", "tokens.profile", "profile does nothing here: the check at the userinfo endpoint gives the profile")
		}
		c.template(t.Profile.Emails, "tokens.profile.emails", anURL)
	}
	for _, section := range []string{"introspection", "tokeninfo", "userinfo"} {
		if t.Check != section && c.Has("tokens."+section) && c.Known("tokens.check") {
			c.ReportKeyf("check-section", "tokens."+section, "%s does nothing here: tokens are not checked there", section)
		}
	}
	i, info := &t.Introspection, &t.TokenInfo
	c.endpointAuth(cmp.Or(i.AuthMethod, "client_secret_basic"), i.ClientID, t.Check == "introspection", keyed{
		path: "tokens.introspection", key: i.ClientKey, keyID: i.ClientKeyID, secret: i.ClientSecret,
	})
	c.endpointAuth(cmp.Or(info.AuthMethod, "none"), info.ClientID, t.Check == "tokeninfo", keyed{
		path: "tokens.tokeninfo", key: info.ClientKey, keyID: info.ClientKeyID, secret: info.ClientSecret,
	})
	if info.TokenIn == "header" && info.AuthMethod != "" && info.AuthMethod != "none" {
		c.ReportKeyf("token-in-header", "tokens.tokeninfo.auth_method", "the Authorization header cannot carry the token and the credentials of %s both",
			info.AuthMethod)
	}
	if needs := info.AuthMethod; info.TokenIn == tokenInPath && (needs == "client_secret_post" || needs == PrivateKeyJWT) {
		c.ReportKeyf("token-in-path", "tokens.tokeninfo.auth_method", "%s goes into a body, and a request with the token in its path has none", needs)
	}
	if info.Parameter != "" && (info.TokenIn == tokenInPath || info.TokenIn == "header") {
		c.ReportKeyf("parameter-unused", "tokens.tokeninfo.parameter", "parameter does nothing here: a token in a %s has no name", info.TokenIn)
	}
	if info.Scheme != "" && info.TokenIn != "header" && c.Known("tokens.tokeninfo.token_in") {
		c.ReportKeyf("scheme-unused", "tokens.tokeninfo.scheme", "scheme does nothing here: it goes with `token_in: header`")
	}
	c.postBoth("tokens.userinfo", t.UserInfo.Post, t.UserInfo.GraphQL)
	c.postBoth("tokens.profile", t.Profile.Post, t.Profile.GraphQL)
	if t.Check == "tokeninfo" && len(info.Expiry) == 0 && info.NoExpiry == "" && c.Known("tokens.tokeninfo.expiry") {
		c.Reportf("expiry-missing", "tokens.tokeninfo", "tokeninfo needs expiry, the claims that say when a token ends, or the reason for no_expiry")
	}
	c.statuses("tokens.tokeninfo.invalid_status", info.InvalidStatus)
	c.statuses("tokens.userinfo.invalid_status", t.UserInfo.InvalidStatus)
}

// checkAbsent refuses what only says something about opaque tokens.
func (c opaqueRules) checkAbsent(t *Tokens) {
	if t.Format == "opaque" || !c.Known("tokens.format") {
		return
	}
	for _, key := range []string{"check", "introspection", "tokeninfo", "userinfo", "profile", "binding"} {
		if c.Has("tokens." + key) {
			c.ReportKeyf("opaque-only", "tokens."+key, "%s is for opaque tokens: signed ones are not checked at the provider", key)
		}
	}
	c.uses(
		t.Introspection.ClientID, t.Introspection.ClientSecret, t.Introspection.ClientKey, t.Introspection.ClientKeyID,
		t.TokenInfo.ClientID, t.TokenInfo.ClientSecret, t.TokenInfo.ClientKey, t.TokenInfo.ClientKeyID,
	)
}

// checkEndpoint checks that there is an endpoint for what happens there.
func (c opaqueRules) checkEndpoint(what, key string) {
	if key == "" || !c.Known("endpoints."+key) {
		return
	}
	template := map[string]string{
		"introspection": c.Spec.Endpoints.Introspection, "tokeninfo": c.Spec.Endpoints.TokenInfo, "userinfo": c.Spec.Endpoints.UserInfo,
	}[key]
	parsed, err := ParseTemplate(template)
	switch {
	case template == "":
		c.Reportf("check-endpoint", "endpoints", "endpoints need %s: %s there", key, what)
	case err == nil && parsed.Bare() && len(c.open(parsed)) > 0:
		c.Reportf("endpoint-optional", "endpoints."+key, "%s may be empty, but the provider cannot work without it", key)
	}
}

// endpointAuth checks the credentials for an endpoint that is asked about tokens.
func (c opaqueRules) endpointAuth(method, id string, asked bool, k keyed) {
	path, u := k.path, &c.Spec.Upstream
	k.signs, k.shared = method == PrivateKeyJWT, u.ClientKey != ""
	c.field(id, path+".client_id")
	c.typed("secret-type", k.secret, path+".client_secret", TypeSecret)
	if !asked || !c.Known(path) || !c.Known("upstream") {
		c.uses(k.key, k.keyID)
		return
	}
	c.clientKey(k)
	switch none := method == "none"; {
	case none && (id != "" || k.secret != ""):
		c.Reportf("credentials-unused", path, "client_id and client_secret do nothing: with auth_method none nothing is sent")
	case none:
	case !k.signs && k.secret == "" && u.ClientSecret == "":
		c.Reportf("credentials-missing", path, "%s needs client_secret, here or in upstream", method)
	case id == "" && u.ClientID == "" && method != "bearer":
		c.Reportf("credentials-missing", path, "%s needs client_id, here or in upstream", method)
	}
}

func (c opaqueRules) postBoth(path string, post bool, query string) {
	if post && query != "" {
		c.ReportKeyf("post-both", path+".post", "post does nothing here: a GraphQL query is posted anyway")
	}
}

func (c opaqueRules) statuses(path string, list []int) {
	for i, status := range list {
		switch entry := fmt.Sprintf("%s[%d]", path, i); {
		case status < 400 || status > 499:
			c.Reportf("invalid-status", entry, "only a status from 400 to 499 can say that a token is no good, not %d", status)
		case slices.Contains(list[:i], status):
			c.Reportf("invalid-status", entry, "%d stands there twice", status)
		}
	}
}

// binding checks that something ties opaque tokens to this server.
func (c opaqueRules) binding(b *Binding, byAudience bool) {
	const path = "tokens.binding"
	if !c.Known(path) {
		return
	}
	if c.Spec.Mode == "direct" {
		for _, key := range []string{"client_claims", "exchange"} {
			if c.Has(path + "." + key) {
				c.ReportKeyf("proxy-only", path+"."+key, "%s is for mode proxy, where all tokens are issued to one application", key)
			}
		}
	}
	switch {
	case c.Spec.Tokens.Check == "userinfo" && !b.Exchange && (byAudience || len(b.ClientClaims) > 0):
		c.ReportKeyf("userinfo-binding", "tokens.check", "a profile is about a person, who can often choose what stands in it: it cannot tell for "+
			"which application a token is. Check at introspection or tokeninfo, or bind by exchange")
	case b.Exchange && (byAudience || len(b.ClientClaims) > 0):
		c.ReportKeyf("binding-conflict", path+".exchange", "exchange is for answers that name neither application nor audience: drop the one or the other")
	case b.Exchange && b.Reason == "" && c.Known(path+".reason"):
		c.ReportKeyf("binding-reason", path+".exchange", "exchange needs a reason: the provider's answers do not tell our tokens from those "+
			"of every other application")
	case b.Reason != "" && !b.Exchange:
		c.ReportKeyf("reason-unused", path+".reason", "reason is for exchange")
	case !b.Exchange && !byAudience && len(b.ClientClaims) == 0 && c.Known(path+".client_claims") && c.Known("tokens.audience"):
		c.Reportf("binding-missing", "tokens", "opaque tokens need a binding or an audience: the provider vouches for the tokens of every "+
			"application, and those of another one must not be accepted here")
	}
}
