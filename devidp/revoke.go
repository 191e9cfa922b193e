package devidp

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
)

// serveRevoke is the revocation endpoint (RFC 7009). A token that is unknown is as good as revoked.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	p, err := form(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	c, err := s.authenticateClient(w, r, p)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if err := s.state.revoke(p.Get("token"), c.id); err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// revoke ends an access token, or a refresh token with everything that comes from the same consent
// (RFC 7009 section 2.1).
func (s *state) revoke(value, clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := digestKey(value)
	access, isAccess := s.access.get(key, s.now())
	refresh, isRefresh := s.refresh.get(key, s.now())
	switch {
	case isAccess && access.grant.clientID != clientID, isRefresh && refresh.grant.clientID != clientID:
		return invalidGrant(oauth.ReasonOtherClient, "The token was issued to another client")
	case isAccess:
		access.revoked = true
	case isRefresh:
		refresh.grant.revoked = true
	}
	return nil
}
