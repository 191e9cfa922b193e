package devidp

import (
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
)

// serveUserInfo is the userinfo endpoint (OpenID Connect Core section 5.3). It accepts every access
// token of this server that has the scope openid, whatever its audience.
func (s *Server) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	challenge := oauth.Challenge{Realm: "devidp"}
	claims, err := s.userInfo(r)
	if err != nil {
		e := oauth.AsError(err)
		challenge.Error, challenge.ErrorDescription = e.Code, e.Description
		if e.Code == "" {
			challenge.ErrorDescription = "" // RFC 6750 section 3.1: no error for a request without credentials
		}
		challenge.Scope = strings.Join(e.Required, " ")
		w.Header().Set("WWW-Authenticate", challenge.String())
		s.refuse(w, r, e)
		return
	}
	httpanswer.JSON(w, http.StatusOK, claims)
}

func (s *Server) userInfo(r *http.Request) (map[string]any, error) {
	headers := r.Header.Values("Authorization")
	switch len(headers) {
	case 0:
		return nil, oauth.ErrMissingCredentials
	case 1:
	default:
		return nil, oauth.InvalidRequest(oauth.ReasonMultipleCredentials, "There is more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, oauth.ErrMissingCredentials
	}
	t, ok := s.state.activeAccess(token)
	if !ok || t.grant.machine() {
		return nil, oauth.InvalidToken(oauth.ReasonInactive, nil)
	}
	if !slices.Contains(t.scopes, "openid") {
		return nil, oauth.MissingScopes("openid")
	}
	claims := userClaims(t.grant.user, t.scopes)
	claims["sub"] = t.grant.user.ID
	return claims, nil
}
