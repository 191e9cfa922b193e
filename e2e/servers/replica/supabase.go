package replica

import (
	"net/http"
	"net/url"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// supabase is a project with its OAuth server, on loopback as `supabase start` runs one.
func supabase() kind {
	return kind{
		at: func(s *Server) map[string]string {
			return map[string]string{"projectId": "", "supabaseUrl": s.origin}
		},
		documents: map[facts.Form]string{
			facts.OAuthAppended: "supabase", facts.OAuthInserted: "supabase", facts.OpenIDAppended: "supabase",
		},
		key: func(_ *Server, key map[string]any) {
			key["key_ops"], key["ext"] = []string{"verify"}, true
		},
		register:       &registration{method: "client_secret_basic"},
		unasked:        "email",
		plainChallenge: true,
		offline:        func(*grant) bool { return true }, // a session always has one
		redeem: func(_ *Server, g *grant, form url.Values) *failure {
			if form.Get("grant_type") == "authorization_code" && form.Get("resource") != g.resource {
				return refused("invalid_target", "the resource differs from that of the authorization request")
			}
			return nil
		},
		// Not MCP-Protocol-Version: clients have to ask again without it.
		scripts: []string{"Accept", "Authorization", "Content-Type", "X-Client-IP", "X-Client-Info"},
		further: func(s *Server, mux *http.ServeMux) {
			for _, path := range []string{"/auth/v1/authorize", "/auth/v1/token"} {
				mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
					s.refuse(w, r, refused("validation_failed", "this endpoint is for social login"))
				})
			}
		},
	}
}
