package replica

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// client is an OAuth client that the replica knows.
type client struct {
	id, name, secret, method string
	redirects, grants        []string
}

func randomName() string { return strings.ToLower(rand.Text()) }

// preregister knows the application of latchkey's configuration, as somebody has set it up by hand.
func (s *Server) preregister() {
	secret, method := s.values[s.facts.ClientSecret], "client_secret_basic"
	if secret == "" {
		method = "none"
	}
	app := &client{
		id: s.values[s.facts.ClientID], name: "latchkey", secret: secret,
		method:    cmp.Or(s.values[s.facts.AuthMethodField], s.facts.AuthMethod, method),
		redirects: []string{s.config.Resource + "/oauth/callback"},
		grants:    []string{"authorization_code", "refresh_token"},
	}
	s.clients[app.id] = app
}

// serveRegister is the registration endpoint (RFC 7591).
func (s *Server) serveRegister(w http.ResponseWriter, r *http.Request) {
	var metadata struct {
		Name      string   `json:"client_name"`
		Redirects []string `json:"redirect_uris"`
		Grants    []string `json:"grant_types"`
		Responses []string `json:"response_types"`
		Method    string   `json:"token_endpoint_auth_method"`
		Scope     string   `json:"scope,omitempty"`
	}
	err := json.NewDecoder(r.Body).Decode(&metadata)
	switch {
	case r.Method != http.MethodPost:
		s.refuse(w, r, &failure{http.StatusMethodNotAllowed, "invalid_request", "POST a client's metadata"})
		return
	case s.kind.register == nil || s.config.Dashboard.NoRegistration:
		s.refuse(w, r, &failure{http.StatusForbidden, "access_denied", "dynamic client registration is off"})
		return
	case err != nil || len(metadata.Redirects) == 0:
		s.refuse(w, r, refused("invalid_redirect_uri", "the metadata has no redirect_uris"))
		return
	}
	registered := &client{
		id: s.kind.register.prefix + randomName(), name: metadata.Name, redirects: metadata.Redirects,
		method: cmp.Or(metadata.Method, s.kind.register.method), grants: metadata.Grants,
	}
	if len(registered.grants) == 0 {
		registered.grants = []string{"authorization_code"} // RFC 7591 section 2
	}
	if slices.Contains(registered.grants, "client_credentials") {
		s.refuse(w, r, refused("invalid_client_metadata", "clients that register themselves cannot have client_credentials"))
		return
	}
	answer := map[string]any{
		"client_id": registered.id, "client_id_issued_at": time.Now().Unix(), "client_name": metadata.Name,
		"redirect_uris": metadata.Redirects, "grant_types": registered.grants, "response_types": []string{"code"},
		"token_endpoint_auth_method": registered.method,
	}
	if metadata.Scope != "" {
		answer["scope"] = metadata.Scope
	}
	if registered.method != "none" {
		registered.secret = rand.Text()
		answer["client_secret"], answer["client_secret_expires_at"] = registered.secret, 0
	}
	s.mu.Lock()
	s.clients[registered.id] = registered
	s.mu.Unlock()
	writeJSON(w, http.StatusCreated, answer)
}

// authenticate finds the client of a request and checks that it has sent its secret as it
// registered.
func (s *Server) authenticate(r *http.Request, form url.Values) (*client, *failure) {
	id, secret, method := form.Get("client_id"), form.Get("client_secret"), "none"
	if secret != "" {
		method = "client_secret_post"
	}
	if name, password, ok := r.BasicAuth(); ok {
		var err, secretErr error
		id, err = url.QueryUnescape(name)
		secret, secretErr = url.QueryUnescape(password)
		method = "client_secret_basic"
		if err != nil || secretErr != nil {
			return nil, &failure{http.StatusUnauthorized, "invalid_client", "the credentials are not form-encoded"}
		}
	}
	if form.Get("client_assertion") != "" { // whose signature is the business of other tests
		method = "private_key_jwt"
	}
	s.mu.Lock()
	known := s.clients[id]
	s.mu.Unlock()
	if known == nil || method != known.method || subtle.ConstantTimeCompare([]byte(secret), []byte(known.secret)) != 1 {
		return nil, &failure{http.StatusUnauthorized, "invalid_client", "unknown client, or another way to authenticate than " +
			"the registered one"}
	}
	return known, nil
}

// refuse answers an error (RFC 6749 section 5.2) and logs it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, problem *failure) {
	s.log.InfoContext(r.Context(), "refused", "path", r.URL.Path, "error", problem.code, "description", problem.description)
	writeJSON(w, problem.status, map[string]string{"error": problem.code, "error_description": problem.description})
}
