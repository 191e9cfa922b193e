package replica

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// auth0 is a tenant of Auth0 with the Resource Parameter Compatibility Profile.
func auth0() kind {
	return kind{
		https: true,
		at: func(s *Server) map[string]string {
			return map[string]string{"domain": s.host(), "audience": s.config.Resource}
		},
		documents: map[facts.Form]string{facts.OAuthInserted: "auth0", facts.OpenIDAppended: "auth0"},
		register:  &registration{prefix: "tpc_", method: "client_secret_post"},
		unasked:   "openid profile email",
		prepare:   auth0API,
	}
}

// encrypted is a token as only the API can read it, by a key of its own: a JWE in compact form
// (RFC 7516). Its content is noise of the token's length, since nobody here has that key.
func encrypted(token string) string {
	parts := []string{`{"alg":"RSA-OAEP-256","cty":"JWT","enc":"A256GCM"}`, noise(256), noise(12), noise(len(token)), noise(16)}
	for i := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(parts[i]))
	}
	return strings.Join(parts, ".")
}

func noise(length int) string {
	text := make([]byte, length)
	_, _ = rand.Read(text) // never fails
	return string(text)
}

// auth0API finds the API that a login is for. The parameter audience wins, resource needs the
// compatibility profile, and without an API the access token is opaque and good for the userinfo
// endpoint alone.
func auth0API(s *Server, g *grant) *failure {
	api := g.request.Get("audience")
	if api == "" && !s.config.Dashboard.NoResources {
		api = g.resource
	}
	switch {
	case api == "":
		g.opaque = true
	case api != s.values["audience"]:
		return refused("access_denied", "Service not found: "+api)
	default:
		g.audience = api
		if hasScope(g, "openid") {
			g.audience = []string{api, s.Issuer() + "userinfo"}
		}
	}
	return nil
}
