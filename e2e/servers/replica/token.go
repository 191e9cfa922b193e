package replica

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serveToken is the token endpoint.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	form, err := tokenForm(r)
	if err != nil {
		s.refuse(w, r, refused("invalid_request", err.Error()))
		return
	}
	known, problem := s.authenticate(r, form)
	if problem != nil {
		s.refuse(w, r, problem)
		return
	}
	var g *grant
	kind := form.Get("grant_type")
	switch {
	case !slices.Contains(known.grants, kind):
		problem = refused("unauthorized_client", "the client may not use this grant")
	case kind == "authorization_code":
		g, problem = s.redeemCode(known, form)
	case kind == "refresh_token":
		g, problem = s.redeemRefresh(known, form)
	default:
		problem = refused("unsupported_grant_type", "the grant is not supported")
	}
	if problem == nil && s.kind.redeem != nil {
		problem = s.kind.redeem(s, g, form)
	}
	if problem != nil {
		s.refuse(w, r, problem)
		return
	}
	answer, err := s.tokens(g, kind == "refresh_token")
	if err != nil {
		s.refuse(w, r, &failure{http.StatusInternalServerError, "server_error", err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// tokenForm reads a token request: a form or, as at Auth0, a JSON object.
func tokenForm(r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, fmt.Errorf("%s is not POST", r.Method)
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		err := r.ParseForm()
		return r.PostForm, err
	}
	var object map[string]string
	if err := json.NewDecoder(r.Body).Decode(&object); err != nil {
		return nil, err
	}
	form := url.Values{}
	for name, value := range object {
		form.Set(name, value)
	}
	return form, nil
}

func (s *Server) redeemCode(by *client, form url.Values) (*grant, *failure) {
	s.mu.Lock()
	g := s.codes[form.Get("code")]
	delete(s.codes, form.Get("code"))
	s.mu.Unlock()
	if g == nil || g.client != by || g.request.Get("redirect_uri") != form.Get("redirect_uri") {
		return nil, refused("invalid_grant", "unknown code, or one of another client or redirect URI")
	}
	challenge, verifier := g.request.Get("code_challenge"), form.Get("code_verifier")
	if challenge == "" {
		return g, nil
	}
	if g.request.Get("code_challenge_method") == "S256" {
		digest := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(digest[:])
	}
	if verifier != challenge {
		return nil, refused("invalid_grant", "the code_verifier does not fit")
	}
	return g, nil
}

func (s *Server) redeemRefresh(by *client, form url.Values) (*grant, *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.refresh[form.Get("refresh_token")]
	if g == nil || g.client != by {
		return nil, refused("invalid_grant", "unknown refresh token, or one of another client")
	}
	if !s.kind.keepRefresh {
		delete(s.refresh, form.Get("refresh_token"))
	}
	return g, nil
}

// tokens makes the answer of the token endpoint.
func (s *Server) tokens(g *grant, refreshed bool) (map[string]any, error) {
	access, err := s.access(g)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(s.lifetime() / time.Second),
		"scope": strings.Join(s.scopeNames(g.scopes), " "),
	}
	offline := slices.Contains(g.scopes, "offline_access")
	if s.kind.offline != nil {
		offline = s.kind.offline(g)
	}
	if offline && slices.Contains(g.client.grants, "refresh_token") && (!refreshed || !s.kind.keepRefresh) {
		refresh := randomName()
		s.mu.Lock()
		s.refresh[refresh] = g
		s.mu.Unlock()
		answer["refresh_token"] = refresh
	}
	// A shared secret would have to be every client's, so there are no ID tokens with one.
	if slices.Contains(g.scopes, "openid") && !s.config.Dashboard.SharedSecret {
		answer["id_token"], err = s.idToken(g)
	}
	return answer, err
}

func (s *Server) lifetime() time.Duration {
	if s.kind.lifetime != 0 {
		return s.kind.lifetime
	}
	return time.Hour
}

// scopeNames are the provider's own names of scopes.
func (s *Server) scopeNames(scopes []string) []string {
	names := []string{}
	for _, name := range scopes {
		if s.kind.scope != nil {
			name = s.kind.scope(s, name)
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}
