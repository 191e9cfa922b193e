package replica

import (
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// clerk is an instance of Clerk. It has no resources: the resource parameter does nothing.
func clerk() kind {
	return kind{
		https: true,
		at: func(s *Server) map[string]string {
			return map[string]string{"frontendApiUrl": s.origin}
		},
		documents: map[facts.Form]string{facts.OAuthInserted: "clerk", facts.OpenIDAppended: "clerk"},
		keyPrefix: "ins_",
		register:  &registration{method: "client_secret_basic"},
		unasked:   "profile email",
		prepare: func(s *Server, g *grant) *failure {
			g.opaque = s.config.Dashboard.OpaqueTokens
			return nil
		},
		shape: func(_ *Server, g *grant, claims map[string]any) {
			claims["jti"] = "oat_" + randomName()
			if !hasScope(g, "user:org:read") {
				delete(claims, "org_id")
			}
		},
		// Public clients in a browser are supported, as Clerk says; which headers they may send it
		// does not.
		scripts:      []string{"Authorization", "Content-Type", "MCP-Protocol-Version"},
		opaquePrefix: "oat_",
		lifetime:     24 * time.Hour,
	}
}

func hasScope(g *grant, scope string) bool { return slices.Contains(g.scopes, scope) }
