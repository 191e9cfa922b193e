package providertest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/pageform"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Proxy says what a provider in mode proxy gets to see of the server in front of it.
type Proxy struct {
	// ClientID and ClientSecret are the configured application; AuthMethod says how the secret must
	// arrive.
	ClientID     string
	ClientSecret string
	AuthMethod   facts.AuthMethod
	// CodeProtection is what must bind the provider's code to the login.
	CodeProtection facts.CodeProtection
	// Resource says what becomes of the server's URL.
	Resource facts.ResourceHandling
	// Scopes are among those that every login asks for, under the provider's names. {resource}
	// stands for the server.
	Scopes []string
	// ScopeAtToken says that token requests repeat the scopes.
	ScopeAtToken bool
	// JSONBody says that token requests carry a JSON object.
	JSONBody bool
	// AuthorizeParams and TokenParams are among the parameters of every such request.
	AuthorizeParams map[string]string
	TokenParams     map[string]string
	// ResponseIssuer is what the provider calls itself in authorization responses. The default is
	// its issuer.
	ResponseIssuer string
	// Passthrough says that clients get the provider's own tokens.
	Passthrough bool
}

// The client of the logins.
const (
	clientRedirect = "https://client.example.com/callback"
	clientVerifier = "verifier-of-the-client-0123456789-0123456789-01"
)

// login is one login of a user with a client, through a guard in front of the fake.
type login struct {
	w       *world
	guard   *runtime.Guard
	handler http.Handler
	// token is the provider's access token that the login must lead to.
	token     string
	cookies   map[string]string
	asked     url.Values // of the provider's authorization endpoint
	clientID  string
	responses []string
	log       bytes.Buffer
}

// logsIn plays a whole login that leads to a token, and calls the server with what the client got.
func (w *world) logsIn(t *testing.T, token Token) {
	t.Helper()
	l := w.login(t, token)
	answer := l.redeem(t, l.callback(t))
	var tokens oauth.TokenResponse
	if err := json.Unmarshal(answer.Body.Bytes(), &tokens); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("token: status %d, error %q", answer.Code, errorOf(answer))
	}
	if (tokens.AccessToken == l.token) != w.suite.Proxy.Passthrough {
		t.Errorf("the client gets the provider's own token: %t", tokens.AccessToken == l.token)
	}
	l.checkCaller(t, token, tokens.AccessToken)
	l.checkSecrecy(t)
}

// failsToLogIn plays a whole login that leads to a token which must not do. It is how tokens are
// tried that are accepted from a login alone.
func (w *world) failsToLogIn(t *testing.T, token Token) {
	t.Helper()
	l := w.login(t, token)
	answer := l.redeem(t, l.callback(t))
	if got := errorOf(answer); answer.Code != http.StatusBadRequest || got != oauth.CodeInvalidGrant {
		t.Errorf("token: status %d, error %q, want invalid_grant", answer.Code, got)
	}
	if log := l.log.String(); !strings.Contains(log, string(token.Reason)+": ") {
		t.Errorf("the log does not name the reason %q", token.Reason)
	}
	l.checkSecrecy(t)
}

// errorOf is the error code of an answer, empty without one. The rest of an answer may hold tokens,
// which are no text for a test's output.
func errorOf(answer *httptest.ResponseRecorder) oauth.Code {
	var refused struct {
		Error oauth.Code `json:"error"`
	}
	_ = json.Unmarshal(answer.Body.Bytes(), &refused) // an answer that is no JSON has none
	return refused.Error
}

// login begins a login that leads to a token: the client then has the user's consent.
func (w *world) login(t *testing.T, token Token) *login {
	t.Helper()
	own := &world{suite: w.suite, keys: w.keys, fake: newFake()}
	own.fake.documents = w.fake.documents
	own.provider = own.newProvider(t, own.fake)
	own.description = own.provider.Describe()
	if w.suite.Opaque != nil {
		own.serveOpaque()
	}
	l := &login{w: own, cookies: map[string]string{}, token: own.sign(t, token)}
	own.fake.serve(own.description.Endpoints.Token, l.serveToken(t))
	l.start(t)
	l.register(t)
	l.consent(t)
	return l
}

// checkSecrecy looks for secrets in the log and in what the browser and the client got.
func (l *login) checkSecrecy(t *testing.T) {
	t.Helper()
	if strings.Contains(l.log.String(), l.token) {
		t.Error("the log holds the provider's access token")
	}
	for _, response := range l.responses {
		if secret := l.w.suite.Proxy.ClientSecret; secret != "" && strings.Contains(response, secret) {
			t.Error("an answer holds the client secret")
		}
		if !l.w.suite.Proxy.Passthrough && strings.Contains(response, l.token) {
			t.Error("an answer holds the provider's access token")
		}
	}
}

// start puts a guard in front of the provider.
func (l *login) start(t *testing.T) {
	t.Helper()
	guard, err := runtime.NewGuard(l.w.provider, runtime.GuardConfig{
		Resource: Resource, Logger: slog.New(slog.NewTextHandler(&l.log, nil)),
		Proxy: proxy.Options{SealingKeys: sealingKeys()},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.guard, l.handler = guard, guard.Handler()
}

// sealingKeys are keys of one test.
func sealingKeys() []oauth.Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return []oauth.Secret{oauth.Secret(base64.StdEncoding.EncodeToString(key))}
}

// send sends a request as the user's browser, or as the client.
func (l *login) send(t *testing.T, method, path, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, Resource+path, strings.NewReader(body))
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for name, value := range l.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value}) //nolint:gosec // what a browser sends has no attributes
	}
	if strings.HasPrefix(path, "/consent") {
		request.Header.Set("Sec-Fetch-Site", "same-origin")
		request.Header.Set("Origin", "https://mcp.example.com")
	}
	recorder := httptest.NewRecorder()
	l.handler.ServeHTTP(recorder, request)
	for _, cookie := range recorder.Result().Cookies() {
		if delete(l.cookies, cookie.Name); cookie.MaxAge >= 0 {
			l.cookies[cookie.Name] = cookie.Value
		}
	}
	l.responses = append(l.responses, recorder.Body.String()+strings.Join(recorder.Header().Values("Location"), " "))
	return recorder
}

func (l *login) register(t *testing.T) {
	t.Helper()
	answer := l.send(t, http.MethodPost, "/register", "application/json",
		`{"client_name":"Test client","redirect_uris":["`+clientRedirect+`"],"token_endpoint_auth_method":"none"}`)
	var registered oauth.ClientInformation
	if err := json.Unmarshal(answer.Body.Bytes(), &registered); err != nil || answer.Code != http.StatusCreated {
		t.Fatalf("registration: status %d, %v", answer.Code, err)
	}
	l.clientID = registered.ClientID
}

// consent allows the client what it asks for, which leads to the provider's login.
func (l *login) consent(t *testing.T) {
	t.Helper()
	page := l.send(t, http.MethodGet, "/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {l.clientID}, "redirect_uri": {clientRedirect}, "state": {"client-state"},
		"code_challenge": {challengeOf(clientVerifier)}, "code_challenge_method": {"S256"}, "resource": {Resource},
	}.Encode(), "", "")
	form := pageform.Hidden(page.Body.String())["form"]
	if page.Code != http.StatusOK || form == "" {
		t.Fatalf("consent page: status %d", page.Code)
	}
	answer := l.send(t, http.MethodPost, "/consent", "application/x-www-form-urlencoded",
		url.Values{"form": {form}, "decision": {"allow"}}.Encode())
	target := pageform.Refresh(answer.Body.String())
	if answer.Code != http.StatusOK || target == "" {
		t.Fatalf("the answer to consent: status %d", answer.Code)
	}
	address, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l.asked = address.Query()
	l.checkAuthorize(t, address)
}

// checkAuthorize checks what the provider is asked for.
func (l *login) checkAuthorize(t *testing.T, address *url.URL) {
	t.Helper()
	p := l.w.suite.Proxy
	bare, _, _ := strings.Cut(address.String(), "?")
	if want, _, _ := strings.Cut(l.w.description.Endpoints.Authorization, "?"); bare != want {
		t.Errorf("the login is at %s, want %s", bare, want)
	}
	want := map[string]string{"response_type": "code", "client_id": p.ClientID, "redirect_uri": Resource + "/oauth/callback"}
	maps.Copy(want, p.AuthorizeParams)
	if p.CodeProtection == facts.ProtectPKCE {
		want["code_challenge_method"] = "S256"
	}
	want["resource"] = ""
	if p.Resource == facts.ResourceForward {
		want["resource"] = Resource
	}
	for name, value := range want {
		if got := l.asked.Get(name); got != value {
			t.Errorf("%s of the authorization request is %q, want %q", name, got, value)
		}
	}
	if (l.asked.Get("nonce") == "") == (p.CodeProtection == facts.ProtectNonce) {
		t.Error("the nonce is missing, or of no use")
	}
	scopes := strings.FieldsFunc(l.asked.Get("scope"), func(r rune) bool { return r == ' ' || r == ',' })
	for _, scope := range p.Scopes {
		scope = strings.ReplaceAll(scope, "{resource}", Resource)
		if !slices.Contains(scopes, scope) {
			t.Errorf("scope %q is not asked for, only %q", scope, scopes)
		}
	}
	for _, scope := range []string{"openid", "offline_access"} { // Atlassian refuses the one beside the other
		if slices.Contains(scopes, scope) && !slices.Contains(p.Scopes, scope) && !slices.Contains(l.w.description.ScopesSupported, scope) {
			t.Errorf("scope %q is asked for, which the spec does not name", scope)
		}
	}
	if state := l.asked.Get("state"); len(state) < 20 || state == "client-state" {
		t.Error("the state is none of our own")
	}
}

// callback returns from the provider and gives the code of the client.
func (l *login) callback(t *testing.T) string {
	t.Helper()
	answer := l.send(t, http.MethodGet, "/oauth/callback?"+url.Values{
		"code": {"code-of-the-provider"}, "state": {l.asked.Get("state")},
		"iss": {cmp.Or(l.w.suite.Proxy.ResponseIssuer, l.w.description.Issuer)},
	}.Encode(), "", "")
	location, err := url.Parse(answer.Header().Get("Location"))
	if err != nil || location.Query().Get("code") == "" {
		t.Fatalf("callback: status %d, %v", answer.Code, err)
	}
	if !strings.HasPrefix(location.String(), clientRedirect+"?") || location.Query().Get("iss") != Resource {
		t.Errorf("the client is sent to another place, or from another issuer")
	}
	return location.Query().Get("code")
}

// redeem is the client's token request.
func (l *login) redeem(t *testing.T, code string) *httptest.ResponseRecorder {
	t.Helper()
	return l.send(t, http.MethodPost, "/token", "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {clientRedirect}, "client_id": {l.clientID},
		"code_verifier": {clientVerifier}, "resource": {Resource},
	}.Encode())
}

// serveToken is the provider's token endpoint, which wants everything to be in order.
func (l *login) serveToken(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(writer http.ResponseWriter, r *http.Request) {
		problems := l.checkTokenRequest(r)
		if len(problems) > 0 {
			t.Errorf("token request: %s", strings.Join(problems, "; "))
			writeJSON(writer, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
			return
		}
		answer := map[string]any{
			"access_token": l.token, "token_type": "bearer", "expires_in": 3600, "refresh_token": "refresh-token-of-the-provider",
		}
		if l.w.suite.Proxy.CodeProtection == facts.ProtectNonce {
			answer["id_token"] = l.idToken()
		}
		writeJSON(writer, http.StatusOK, answer)
	}
}

func (l *login) checkTokenRequest(r *http.Request) []string {
	p := l.w.suite.Proxy
	var problems []string
	if err := parsePosted(r, p.JSONBody); err != nil || r.Method != http.MethodPost {
		return []string{"nothing is posted that can be read"}
	}
	want := map[string]string{
		"grant_type": "authorization_code", "code": "code-of-the-provider", "redirect_uri": Resource + "/oauth/callback", "resource": "",
	}
	if p.Resource == facts.ResourceForward {
		want["resource"] = Resource
	}
	maps.Copy(want, p.TokenParams)
	id, secret, basic := r.BasicAuth()
	switch {
	case p.AuthMethod == facts.AuthBasic && (!basic || id != url.QueryEscape(p.ClientID) || secret != url.QueryEscape(p.ClientSecret)):
		problems = append(problems, "the credentials are not in the Authorization header")
	case p.AuthMethod == facts.AuthPost:
		want["client_id"], want["client_secret"] = p.ClientID, p.ClientSecret
	case p.AuthMethod == facts.AuthPrivateKeyJWT && !hasAssertion(r):
		problems = append(problems, "there is no client assertion")
	case p.AuthMethod == facts.AuthNone:
		want["client_id"], want["client_secret"] = p.ClientID, ""
	}
	for name, value := range want {
		if got := r.PostForm.Get(name); got != value {
			problems = append(problems, name+" is not as expected")
		}
	}
	verifier := r.PostForm.Get("code_verifier")
	switch {
	case p.CodeProtection == facts.ProtectPKCE && challengeOf(verifier) != l.asked.Get("code_challenge"):
		problems = append(problems, "the verifier does not fit the challenge")
	case verifier == clientVerifier:
		problems = append(problems, "the verifier is the client's")
	}
	if (r.PostForm.Get("scope") != "") != p.ScopeAtToken {
		problems = append(problems, "the scopes are missing, or of no use")
	}
	return problems
}

// parsePosted reads a posted form, or the JSON object in its place.
func parsePosted(r *http.Request, object bool) error {
	if !object {
		return r.ParseForm()
	}
	var members map[string]string
	if err := json.NewDecoder(r.Body).Decode(&members); err != nil {
		return err
	}
	r.PostForm = url.Values{}
	for name, value := range members {
		r.PostForm.Set(name, value)
	}
	return nil
}

// idToken is an ID token with the login's nonce. It comes over TLS from the token endpoint, so its
// signature is not needed.
func (l *login) idToken() string {
	claims, err := json.Marshal(map[string]any{
		"iss": l.w.description.Issuer, "aud": l.w.suite.Proxy.ClientID, "sub": "user-1", "nonce": l.asked.Get("nonce"),
		"exp": now.Add(time.Hour).Unix(),
	})
	if err != nil {
		panic(err) // texts and a number
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode(claims) + "." + encode([]byte("signature"))
}

// checkCaller calls the server with the client's token.
func (l *login) checkCaller(t *testing.T, token Token, accessToken string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, Resource, nil)
	request.Header.Set("Authorization", "Bearer "+accessToken)
	info, err := l.guard.Authenticate(request)
	if err != nil {
		t.Fatalf("the client's token is refused: %v", err)
	}
	if info.Subject == "" || info.Resource != Resource {
		t.Errorf("the caller is %q for resource %q", info.Subject, info.Resource)
	}
	if token.WantUser == nil {
		return
	}
	got, want := withoutScopes(asJSON(t, info.User)), withoutScopes(asJSON(t, l.w.expand(token.WantUser)))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("user is\n%s\nwant\n%s", pretty(got), pretty(want))
	}
}

// withoutScopes leaves out what depends on the consent.
func withoutScopes(user any) any {
	if object, ok := user.(map[string]any); ok {
		delete(object, "scopes")
	}
	return user
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
