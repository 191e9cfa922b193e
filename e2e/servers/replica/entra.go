package replica

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// graph is Microsoft Graph, for which tokens are when a login asks for nobody's API.
const graph = "00000003-0000-0000-c000-000000000000"

// entra is Microsoft Entra ID with one app registration.
func entra() kind {
	return kind{
		// There is no document of RFC 8414.
		documents: map[facts.Form]string{facts.OpenIDAppended: "entra"},
		document: func(s *Server, document map[string]any) {
			if s.severalTenants() {
				document["issuer"] = s.tenantIssuer("{tenantid}")
			}
		},
		key: func(s *Server, key map[string]any) {
			delete(key, "alg")
			key["x5t"], key["issuer"] = key["kid"], s.tenantIssuer(cmp.Or(s.config.Dashboard.KeysOf, "{tenantid}"))
		},
		header: func(s *Server, header map[string]any) { header["x5t"] = s.ownKey().ID() },
		scopes: func(s *Server) []string {
			var list []string
			for name := range strings.FieldsSeq(s.values["scopes"]) {
				list = append(list, s.identifier()+name)
			}
			return list
		},
		issuer: func(s *Server, claims map[string]any) string {
			tenant, _ := claims["tid"].(string)
			if !s.severalTenants() {
				tenant = s.values["tenantId"] // the token may say otherwise, for a test
			}
			return s.tenantIssuer(tenant)
		},
		prepare: func(s *Server, g *grant) *failure {
			if g.resource != "" {
				return refused("invalid_target", "AADSTS9010010: the resource parameter does not match the requested scopes")
			}
			if len(s.scopeNames(g.scopes)) == 0 {
				g.audience = graph
			}
			return nil
		},
		redeem: func(_ *Server, _ *grant, form url.Values) *failure {
			switch {
			case form.Get("resource") != "":
				return refused("invalid_target", "AADSTS9010010: the resource parameter does not match the requested scopes")
			case form.Get("scope") == "":
				return refused("invalid_request", "AADSTS28003: the scope parameter is missing")
			}
			return nil
		},
		// Tokens name the scopes of the API, in short, and never those of OpenID Connect.
		scope: func(s *Server, name string) string {
			short, own := strings.CutPrefix(name, s.identifier())
			if !own {
				return ""
			}
			return short
		},
		shape: func(s *Server, _ *grant, claims map[string]any) {
			if s.config.Dashboard.VersionOne {
				tenant, _ := claims["tid"].(string)
				claims["ver"], claims["iss"] = "1.0", "https://sts.windows.net/"+tenant+"/"
				claims["aud"], claims["appid"] = strings.TrimSuffix(s.identifier(), "/"), claims["azp"]
				delete(claims, "azp")
			}
		},
	}
}

// identifier is the Application ID URI, with the slash that stands before scopes.
func (s *Server) identifier() string {
	return cmp.Or(s.values["identifierUri"], "api://"+s.values["clientId"]) + "/"
}

// severalTenants reports whether latchkey logs in the users of several tenants.
func (s *Server) severalTenants() bool {
	return slices.Contains([]string{"organizations", "common"}, s.values["tenantId"])
}

// tenantIssuer is the issuer of a tenant's tokens.
func (s *Server) tenantIssuer(tenant string) string {
	return "https://" + s.values["authority"] + "/" + tenant + "/v2.0"
}
