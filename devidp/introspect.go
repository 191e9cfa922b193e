package devidp

import (
	"maps"
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
)

// serveIntrospect is token introspection (RFC 7662) for confidential clients. One from the
// configuration plays a resource server and may ask about every access token; one that registered
// itself, about its own only.
//
// A refresh token is never active here: a resource server that asks would take it for an access
// token.
func (s *Server) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	p, err := form(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	c, err := s.authenticateClient(w, r, p)
	if err == nil && !c.confidential() {
		err = &oauth.Error{
			Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: oauth.ReasonClientAuthentication,
			Description: "Only a client with a secret may introspect tokens",
		}
	}
	if err == nil && p.Get("token") == "" {
		err = oauth.InvalidRequest("token", "The token parameter is missing")
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	t, ok := s.state.activeAccess(p.Get("token"))
	if !ok || c.kind != presetClient && t.grant.clientID != c.id {
		httpanswer.JSON(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	answer := maps.Clone(t.claims)
	maps.Copy(answer, map[string]any{"active": true, "token_type": "Bearer"})
	if !t.grant.machine() {
		answer["username"] = t.grant.user.Username
	}
	httpanswer.JSON(w, http.StatusOK, answer)
}
