package spec

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
		if open, _ := c.template(endpoint.template, path, anURL); open && endpoint.needed {
			c.Reportf("endpoint-optional", path, "%s may be empty, but the provider cannot work without it", endpoint.key)
		}
	}
	if c.Spec.Tokens.Format == "jwt" && e.JWKS == "" && c.Known("endpoints.jwks") && c.Known("endpoints") {
		c.Reportf("jwks-missing", "endpoints", "endpoints need jwks: signed tokens are checked with the provider's keys")
	}
}
