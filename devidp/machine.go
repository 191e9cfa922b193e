package devidp

import (
	"slices"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
)

// exchangeMachine is the client credentials grant (RFC 6749 section 4.4): a client asks for itself.
// Its token names no user, and no refresh token comes with it (section 4.4.3).
func (s *Server) exchangeMachine(c *client, p params.Params) (oauth.TokenResponse, error) {
	var scopes []string
	if p.Get("scope") != "" { // the default scopes are about users
		var err error
		if scopes, err = s.wantedScopes(p.Get("scope")); err != nil {
			return oauth.TokenResponse{}, err
		}
	}
	for _, scope := range []string{"openid", "profile", "email", "offline_access"} {
		if slices.Contains(scopes, scope) {
			return oauth.TokenResponse{}, invalidScope("The scope " + quoted(scope) + " is about users, and client_credentials has none")
		}
	}
	resources, err := s.wantedResources(p.Resources())
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	return s.respond(issue{grant: machineGrant(c.id, scopes, resources), client: c, scopes: scopes, resources: resources})
}
