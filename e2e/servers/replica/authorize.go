package replica

import (
	"crypto/rand"
	"crypto/subtle"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// userName is the user's name at the login page.
const userName = "ada@example.com"

// loginPath is the one path that no provider has.
const loginPath = "/replica/login"

// grant is what a user allows a client.
type grant struct {
	client   *client
	request  url.Values // the authorization request
	scopes   []string
	resource string
	// audience is for whom the token will be; nil is for whom the spec says.
	audience any
	// opaque gives the client a token that only the provider understands.
	opaque bool
}

// failure is an OAuth error.
type failure struct {
	status            int
	code, description string
}

func refused(code, description string) *failure {
	return &failure{http.StatusBadRequest, code, description}
}

// serveAuthorize is the authorization endpoint: it answers by a login page.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	s.requests = append(s.requests, query)
	known := s.clients[query.Get("client_id")]
	s.mu.Unlock()
	if known == nil || !slices.Contains(known.redirects, query.Get("redirect_uri")) {
		s.log.InfoContext(r.Context(), "refused", "reason", "unknown client or redirect URI")
		http.Error(w, "The client or its redirect URI is not known.", http.StatusBadRequest)
		return
	}
	g := &grant{client: known, request: query, scopes: strings.Fields(query.Get("scope")), resource: query.Get("resource")}
	if problem := s.checkRequest(g); problem != nil {
		s.log.InfoContext(r.Context(), "refused", "error", problem.code, "description", problem.description)
		s.sendBack(w, r, g, url.Values{"error": {problem.code}, "error_description": {problem.description}})
		return
	}
	name := rand.Text()
	s.mu.Lock()
	s.pending[name] = g
	s.mu.Unlock()
	page := struct{ Title, Client, Action, Login string }{s.facts.Title, known.name, loginPath, name}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = loginPage.Execute(w, page) // the browser is gone when this fails
}

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<title>Log in to the replica of {{.Title}}</title>
<form method="post" action="{{.Action}}">
<p>{{.Client}} wants to act for you.</p>
<input type="hidden" name="login" value="{{.Login}}">
<label>Name <input name="username"></label>
<label>Password <input name="password" type="password"></label>
<button name="allow" value="yes">Log in and allow</button>
</form>
`))

// checkRequest refuses what the provider refuses.
func (s *Server) checkRequest(g *grant) *failure {
	method := g.request.Get("code_challenge_method")
	switch {
	case g.request.Get("response_type") != "code":
		return refused("unsupported_response_type", "only code is supported")
	case g.request.Get("code_challenge") == "" && g.client.secret == "":
		return refused("invalid_request", "public clients must use PKCE")
	case g.request.Get("code_challenge") != "" && method != "S256" && !s.kind.plainChallenge:
		return refused("invalid_request", "code_challenge_method must be S256")
	}
	if len(g.scopes) == 0 {
		g.scopes = strings.Fields(s.kind.unasked)
	}
	known := s.scopes()
	for _, scope := range g.scopes {
		if !s.kind.anyScope && !slices.Contains(known, scope) {
			return refused("invalid_scope", "unknown scope "+scope)
		}
	}
	if s.kind.prepare == nil {
		return nil
	}
	return s.kind.prepare(s, g)
}

// scopes are those of the provider's documents, and those that the operator added.
func (s *Server) scopes() []string {
	known := slices.Clone(s.config.Scopes)
	if s.kind.scopes != nil {
		known = append(known, s.kind.scopes(s)...)
	}
	for _, name := range s.kind.documents {
		document, err := s.Document(name)
		if err != nil {
			continue // the document's own request fails
		}
		list, _ := document["scopes_supported"].([]any)
		for _, scope := range list {
			if text, ok := scope.(string); ok {
				known = append(known, text)
			}
		}
	}
	return known
}

// serveLogin takes the login page's form.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	name, password := r.PostFormValue("username"), r.PostFormValue("password")
	s.mu.Lock()
	g := s.pending[r.PostFormValue("login")]
	delete(s.pending, r.PostFormValue("login"))
	s.mu.Unlock()
	if g == nil || name != userName || subtle.ConstantTimeCompare([]byte(password), []byte(s.password)) != 1 {
		http.Error(w, "Wrong name or password.", http.StatusForbidden)
		return
	}
	code := randomName()
	s.mu.Lock()
	s.codes[code] = g
	s.mu.Unlock()
	s.sendBack(w, r, g, url.Values{"code": {code}})
}

// sendBack answers an authorization request.
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, g *grant, answer url.Values) {
	target, err := url.Parse(g.request.Get("redirect_uri"))
	if err != nil {
		http.Error(w, "The redirect URI is no URL.", http.StatusBadRequest)
		return
	}
	query := target.Query()
	for name := range answer {
		query.Set(name, answer.Get(name))
	}
	if state := g.request.Get("state"); state != "" {
		query.Set("state", state)
	}
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusFound)
}
