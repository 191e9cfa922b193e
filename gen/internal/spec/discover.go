package spec

import (
	"fmt"
	"slices"
)

// modeDiscovered leaves the mode to the configuration and to the provider's own document.
const modeDiscovered = "discovered"

// discoverRules are the rules for what only the provider's own document says.
type discoverRules struct{ templates }

// discovers reports whether an endpoint is one that the provider's document names.
func (c *symbols) discovers(endpoint string) bool {
	return slices.Contains(c.Spec.Discover.Endpoints, endpoint)
}

func (c discoverRules) check() {
	d, e := &c.Spec.Discover, &c.Spec.Endpoints
	named := map[string]string{
		"authorization": e.Authorization, "token": e.Token, "jwks": e.JWKS, "registration": e.Registration, "userinfo": e.UserInfo,
		"introspection": e.Introspection, "revocation": e.Revocation, "end_session": e.EndSession,
	}
	for i, endpoint := range d.Endpoints {
		if named[endpoint] != "" {
			c.Reportf("discover-both", fmt.Sprintf("discover.endpoints[%d]", i), "%s stands among endpoints: it is known, or it is discovered, not both", endpoint)
		}
	}
	for _, endpoint := range []string{"authorization", "token"} {
		if named[endpoint] == "" && !c.discovers(endpoint) && c.Known("endpoints."+endpoint) && c.Known("discover") && c.Known("endpoints") {
			c.Reportf("endpoint-missing", "name", "the provider needs its endpoint %s, under endpoints or among those of discover", endpoint)
		}
	}
	if c.Has("discover") && len(c.Spec.Discovery) == 0 && c.Known("discovery") {
		c.ReportKeyf("discover-documents", "discover", "discover needs discovery: which documents the provider serves")
	}
	c.both("tokens.algorithms", "discover.algorithms", "algorithms are listed under tokens already")
	c.both("upstream.auth_method", "discover.client_auth", "upstream has an auth_method already")
	c.both("tokens.types", "tokens.types_field", "there are types already")
	c.both("tokens.require", "tokens.require_field", "there is require already")
	c.both("upstream.token_params", "upstream.token_params_field", "there are token_params already")
	c.both("claims.email", "claims.fields.email", "there is email already")
	c.both("claims.name", "claims.fields.name", "there is name already")
	c.both("claims.roles", "claims.fields.roles", "there are roles already")
	c.mode()
	fields := c.Spec.Claims.Fields
	for path, name := range map[string]string{
		"tokens.types_field": c.Spec.Tokens.TypesField, "claims.fields.email": fields.Email, "claims.fields.name": fields.Name,
		"claims.fields.user_id": fields.UserID, "claims.fields.roles": fields.Roles,
	} {
		c.typed("list-field-type", name, path, TypeList)
	}
	c.typed("requirements-type", c.Spec.Tokens.RequireField, "tokens.require_field", TypeRequirements)
	c.typed("parameters-type", c.Spec.Upstream.TokenParamsField, "upstream.token_params_field", TypeParameters)
}

// both refuses what is said in two ways.
func (c discoverRules) both(said, again, why string) {
	if c.Has(said) && c.Has(again) {
		c.ReportKeyf("field-both", again, "%s: one of the two is enough", why)
	}
}

// mode checks what is said of the mode.
func (c discoverRules) mode() {
	switch d := &c.Spec.Discover; {
	case c.Spec.Mode == modeDiscovered && !c.discovers("registration") && c.Known("discover"):
		c.Reportf("mode-discovered", "mode", "mode discovered needs registration among the endpoints of discover: a provider where clients register "+
			"is in mode direct")
	case c.Spec.Mode != modeDiscovered && d.Mode != "":
		c.ReportKeyf("mode-discovered", "discover.mode", "the field of the mode is for `mode: discovered`")
		c.uses(d.Mode)
	default:
		c.typed("mode-type", d.Mode, "discover.mode", TypeString)
	}
}
