package replica

import (
	"maps"
	"net/http"
	"strings"
)

func (s *Server) known(token string) (issued, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.issued[token]
	return found, ok
}

// serveUserInfo is OpenID Connect's userinfo endpoint.
func (s *Server) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	token, found := s.known(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if !found {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		s.refuse(w, r, &failure{http.StatusUnauthorized, "invalid_token", "unknown access token"})
		return
	}
	writeJSON(w, http.StatusOK, token.profile)
}

// serveTokenInfo is Google's endpoint about access tokens. It is asked by GET or POST.
func (s *Server) serveTokenInfo(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	throttled := s.throttled
	s.mu.Unlock()
	if throttled {
		s.refuse(w, r, &failure{http.StatusTooManyRequests, "rate_limit_exceeded", "too many requests"})
		return
	}
	token, found := s.known(r.FormValue("access_token"))
	if !found {
		s.refuse(w, r, refused("invalid_token", "Invalid Value"))
		return
	}
	writeJSON(w, http.StatusOK, token.claims)
}

// serveIntrospection is RFC 7662, for the provider's clients.
func (s *Server) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	if _, problem := s.authenticate(r, r.PostForm); problem != nil || err != nil {
		s.refuse(w, r, &failure{http.StatusUnauthorized, "invalid_client", "only clients of the provider may ask"})
		return
	}
	token, found := s.known(r.PostForm.Get("token"))
	if !found {
		writeJSON(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	answer := map[string]any{"active": true}
	maps.Copy(answer, token.claims)
	writeJSON(w, http.StatusOK, answer)
}

// serveRevocation is RFC 7009.
func (s *Server) serveRevocation(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token")
	s.mu.Lock()
	delete(s.issued, token)
	delete(s.refresh, token)
	s.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}
