package replica

import "github.com/latchkey-auth/latchkey/runtime/facts"

// environmentAudience is what WorkOS's tokens name where no Resource Indicator is configured.
const environmentAudience = "client_123456789"

// workos is an AuthKit domain of WorkOS with the server as a Resource Indicator.
func workos() kind {
	return kind{
		https: true,
		at: func(s *Server) map[string]string {
			return map[string]string{"subdomain": s.host()}
		},
		documents: map[facts.Form]string{facts.OAuthInserted: "workos-oauth", facts.OpenIDAppended: "workos-openid"},
		register:  &registration{prefix: "client_", method: "client_secret_basic"},
		unasked:   "openid profile email",
		prepare: func(s *Server, g *grant) *failure {
			// Without any indicator the parameter is ignored; another indicator than the registered
			// one is as good as none.
			if g.audience = environmentAudience; !s.config.Dashboard.NoResources && g.resource == s.config.Resource {
				g.audience = g.resource
			}
			return nil
		},
	}
}
