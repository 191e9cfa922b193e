package replica

import (
	"slices"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// google is Google's authorization server, with one OAuth client.
func google() kind {
	return kind{
		documents: map[facts.Form]string{facts.OpenIDAppended: "google"},
		unasked:   "openid",
		prepare: func(_ *Server, g *grant) *failure {
			if g.request.Has("resource") {
				return refused("invalid_request", "Parameter not allowed for this message type: resource")
			}
			return nil
		},
		// A refresh token comes once, unless the user is asked for consent again.
		offline: func(g *grant) bool {
			return g.request.Get("access_type") == "offline" && g.request.Get("prompt") == "consent"
		},
		keepRefresh: true,
		scope: func(_ *Server, name string) string {
			if slices.Contains([]string{"email", "profile"}, name) {
				return "https://www.googleapis.com/auth/userinfo." + name
			}
			return name
		},
		opaquePrefix: "ya29.",
	}
}
