package emulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// gateway stands in front of the emulator and adds what the real services have and it has not:
//
//   - userinfo that refuses unknown tokens: the emulator takes them for one of nobody;
//   - Google's tokeninfo and GitHub's check of a token, which say for which application a token was issued. They ask the
//     emulator for the user of the token, and refuse what it refuses;
//   - GitHub's deletion of a token, by the emulator's page where users take back what they allowed an application.
//
// To know the application of a token, it passes token requests on to the emulator and remembers the
// answers, unchanged.
type gateway struct {
	server *Server
	http   *httptest.Server
	client *http.Client

	mu     sync.Mutex
	issued map[string]grant // by access token
	values []string         // of all tokens
}

// grant is what the emulator answered with a token.
type grant struct {
	application string
	scope       string
	expires     time.Time // zero where it does not say
}

// errRefused is the emulator's refusal of a token, errRequest the gateway's own of a request.
var (
	errRefused = errors.New("the emulator refuses the token")
	errRequest = errors.New("the request is refused")
)

func newGateway(s *Server) *gateway {
	g := &gateway{
		server: s, issued: make(map[string]grant),
		client: &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", g.token)
	mux.HandleFunc("GET /userinfo", g.userinfo)
	mux.HandleFunc("POST /tokeninfo", g.tokeninfo)
	mux.HandleFunc("POST /applications/{id}/token", g.checkToken)
	mux.HandleFunc("DELETE /applications/{id}/token", g.deleteToken)
	g.http = httptest.NewServer(mux)
	return g
}

func (g *gateway) stop() { g.http.Close() }

// endpoint is the URL of one of the gateway's paths.
func (g *gateway) endpoint(path string) string { return g.http.URL + path }

// token passes a token request on.
func (g *gateway) token(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := g.ask(r.Context(), http.MethodPost, g.server.service.token, r.Header, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	g.remember(r.Header, body, answer.body)
	w.Header().Set("Content-Type", answer.contentType)
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body)
}

// remember keeps for whom a token was issued.
func (g *gateway) remember(header http.Header, request, answer []byte) {
	form, err := url.ParseQuery(string(request))
	if err != nil {
		return
	}
	var tokens struct {
		harness.Tokens

		ExpiresIn int `json:"expires_in"`
	}
	if err := json.Unmarshal(answer, &tokens); err != nil || tokens.AccessToken == "" {
		return
	}
	issued := grant{application: form.Get("client_id"), scope: tokens.Scope}
	if id, _, basic := (&http.Request{Header: header}).BasicAuth(); basic {
		issued.application = id
	}
	if tokens.ExpiresIn > 0 {
		issued.expires = time.Now().Add(time.Duration(tokens.ExpiresIn) * time.Second)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issued[tokens.AccessToken] = issued
	for _, value := range []string{tokens.AccessToken, tokens.RefreshToken, tokens.IDToken} {
		if value != "" && !slices.Contains(g.values, value) {
			g.values = append(g.values, value)
		}
	}
}

// find returns what is known of a token that the emulator accepts, and its user's profile.
func (g *gateway) find(ctx context.Context, token string) (grant, profile, error) {
	g.mu.Lock()
	issued, known := g.issued[token]
	g.mu.Unlock()
	if !known {
		return grant{}, nil, errRefused
	}
	user, err := g.profile(ctx, token)
	return issued, user, err
}

// profile asks the emulator for a token's user.
func (g *gateway) profile(ctx context.Context, token string) (profile, error) {
	header := http.Header{"Authorization": {"Bearer " + token}}
	answer, err := g.ask(ctx, http.MethodGet, g.server.service.userinfo, header, nil)
	switch {
	case err != nil:
		return nil, err
	case answer.status/100 == 4:
		return nil, errRefused
	case answer.status != http.StatusOK:
		return nil, fmt.Errorf("the emulator answers %d", answer.status)
	}
	var user profile
	if err := json.Unmarshal(answer.body, &user); err != nil {
		return nil, err
	}
	if user["email"] == nobody {
		return nil, errRefused
	}
	return user, nil
}

// profile is what the emulator says of a user.
type profile map[string]any

// id is the user's identifier. GitHub's is a number.
func (p profile) id() string {
	for _, name := range []string{"sub", "id"} {
		if value, found := p[name]; found {
			return fmt.Sprint(value)
		}
	}
	return ""
}

// userinfo is the emulator's, for tokens that it issued.
func (g *gateway) userinfo(w http.ResponseWriter, r *http.Request) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		refuse(w, http.StatusUnauthorized, errRefused)
		return
	}
	user, err := g.profile(r.Context(), token)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	write(w, http.StatusOK, user)
}

// tokeninfo answers as https://oauth2.googleapis.com/tokeninfo does.
func (g *gateway) tokeninfo(w http.ResponseWriter, r *http.Request) {
	issued, user, err := g.find(r.Context(), r.FormValue("access_token"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	write(w, http.StatusOK, map[string]any{
		"azp": issued.application, "aud": issued.application, "sub": user.id(), "scope": googleScopes(issued.scope),
		"exp":        strconv.FormatInt(issued.expires.Unix(), 10),
		"expires_in": strconv.Itoa(int(time.Until(issued.expires).Seconds())),
		"email":      user["email"], "email_verified": fmt.Sprint(user["email_verified"]), "access_type": "offline",
	})
}

// googleScopes are scopes under the names that Google answers with.
func googleScopes(scope string) string {
	scopes := strings.Fields(scope)
	for i, name := range scopes {
		if name == "email" || name == "profile" {
			scopes[i] = "https://www.googleapis.com/auth/userinfo." + name
		}
	}
	return strings.Join(scopes, " ")
}

// checkToken answers as POST /applications/{client_id}/token of GitHub's API does.
func (g *gateway) checkToken(w http.ResponseWriter, r *http.Request) {
	issued, user, _, ok := g.application(w, r)
	if !ok {
		return
	}
	write(w, http.StatusOK, map[string]any{
		"id": 1, "scopes": strings.FieldsFunc(issued.scope, func(c rune) bool { return c == ' ' || c == ',' }),
		"app":  map[string]any{"name": issued.application, "client_id": issued.application},
		"user": map[string]any{"id": user["id"], "login": user["login"], "avatar_url": user["avatar_url"]},
		"note": nil, "expires_at": nil,
	})
}

// deleteToken answers as DELETE /applications/{client_id}/token of GitHub's API does. The emulator
// takes back all of the user's tokens of that application.
func (g *gateway) deleteToken(w http.ResponseWriter, r *http.Request) {
	issued, _, token, ok := g.application(w, r)
	if !ok {
		return
	}
	if answer, err := g.takeBack(r.Context(), issued.application, token); err != nil || answer.status/100 > 3 {
		http.Error(w, "the emulator does not revoke", http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// takeBack is what a user does at GitHub's page of the applications that they allowed something.
func (g *gateway) takeBack(ctx context.Context, application, token string) (reply, error) {
	header := http.Header{"Authorization": {"Bearer " + token}}
	return g.ask(ctx, http.MethodPost, "/settings/connections/applications/"+url.PathEscape(application)+"/revoke", header, nil)
}

// application checks the credentials of the application in the path and finds the token that it
// asks about: its own, or none (404).
func (g *gateway) application(w http.ResponseWriter, r *http.Request) (issued grant, user profile, token string, ok bool) {
	id, secret, _ := r.BasicAuth()
	known := slices.Contains([]Application{g.server.application, g.server.other}, Application{id, secret})
	if !known || id != r.PathValue("id") {
		refuse(w, http.StatusUnauthorized, errRequest)
		return grant{}, nil, "", false
	}
	var request struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&request); err != nil {
		refuse(w, http.StatusUnprocessableEntity, errors.Join(errRequest, err))
		return grant{}, nil, "", false
	}
	issued, user, err := g.find(r.Context(), request.AccessToken)
	if err == nil && issued.application != id {
		err = errRefused
	}
	if err != nil {
		refuse(w, http.StatusNotFound, err)
		return grant{}, nil, "", false
	}
	return issued, user, request.AccessToken, true
}

// reply is what the emulator answered.
type reply struct {
	status      int
	contentType string
	body        []byte
}

// post sends a form to the emulator.
func (g *gateway) post(ctx context.Context, path string, form url.Values) (reply, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	return g.ask(ctx, http.MethodPost, path, header, []byte(form.Encode()))
}

// ask sends a request to the emulator. Of the headers only those that matter are sent on.
func (g *gateway) ask(ctx context.Context, method, path string, header http.Header, body []byte) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, method, g.server.origin+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for _, name := range []string{"Accept", "Authorization", "Content-Type"} {
		if value := header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := g.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return reply{response.StatusCode, response.Header.Get("Content-Type"), answer}, err
}

// refuse answers a refusal of the emulator with a status, and everything else as an outage.
func refuse(w http.ResponseWriter, status int, err error) {
	if !errors.Is(err, errRefused) && !errors.Is(err, errRequest) {
		status = http.StatusBadGateway
	}
	write(w, status, map[string]any{"error": "invalid_token", "error_description": err.Error()})
}

func write(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // the caller is gone when this fails
}
