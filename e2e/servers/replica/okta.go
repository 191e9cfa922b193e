package replica

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// okta is a custom authorization server of an Okta organization, with one app integration.
func okta() kind {
	return kind{
		documents: map[facts.Form]string{
			facts.OpenIDAppended: "okta", facts.OAuthInserted: "okta", facts.OAuthAppended: "okta",
		},
		unasked: "openid",
		prepare: func(s *Server, _ *grant) *failure {
			if s.config.Dashboard.NoPolicy {
				return refused("access_denied", "no_matching_policy")
			}
			return nil
		},
		further: func(s *Server, mux *http.ServeMux) {
			// The organization's registration endpoint wants an administrator's token.
			mux.HandleFunc("/oauth2/v1/clients", func(w http.ResponseWriter, r *http.Request) {
				s.refuse(w, r, &failure{http.StatusUnauthorized, "invalid_token", "an administrator's token is needed"})
			})
		},
	}
}
