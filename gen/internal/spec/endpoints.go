package spec

import (
	"slices"
	"strings"
)

// endpointRules are the rules for the issuer and the endpoints.
type endpointRules struct{ templates }

func (c endpointRules) check() {
	e := &c.Spec.Endpoints
	use := anIdentifier
	if c.Has("discovery") {
		use = anIssuer // the documents are fetched from it
	}
	if open, _ := c.template(c.Spec.Issuer, "issuer", use); open {
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
		if endpoint.key == "tokeninfo" && c.Spec.Tokens.TokenInfo.TokenIn == tokenInPath {
			c.tokenPath(endpoint.template, path)
			continue
		}
		if open, _ := c.template(endpoint.template, path, anURL); open && endpoint.needed {
			c.Reportf("endpoint-optional", path, "%s may be empty, but the provider cannot work without it", endpoint.key)
		}
	}
	discoverRules(c).check()
	if c.Spec.Tokens.Format == "jwt" && e.JWKS == "" && !c.discovers("jwks") && c.Known("endpoints.jwks") && c.Known("endpoints") {
		c.Reportf("jwks-missing", "endpoints", "endpoints need jwks: signed tokens are checked with the provider's keys")
	}
}

// tokenReference is what stands for the token in a URL with tokens in its path.
const tokenReference = "token"

// tokenPath checks the URL of an endpoint that takes tokens in its path. An endpoint that the
// configuration holds as a whole is checked when it runs.
func (c endpointRules) tokenPath(template, path string) {
	placeholder := "{" + tokenReference + "}"
	parsed, err := ParseTemplate(template)
	switch _, taken := c.subject(tokenReference); {
	case taken:
		c.Reportf("token-in-path", path, "%s stands for the token here: give the config field or value of that name another", placeholder)
	case err == nil && parsed.Bare() && parsed[0].Ref != tokenReference:
		c.template(template, path, anURL)
	case strings.Count(template, placeholder) != 1 || !slices.Contains(strings.Split(template, "/"), placeholder):
		c.Reportf("token-in-path", path, "with `token_in: path` the URL has %s once, as a segment of its path", placeholder)
	default:
		c.with(tokenReference, func() { c.template(template, path, anURL) })
	}
}
