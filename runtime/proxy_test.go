package runtime_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/internal/browser"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/google"
	oauthproxy "github.com/latchkey-auth/latchkey/providers_gen/proxy"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// The application that is registered at the identity provider.
const (
	appID     = "mcp-server"
	appSecret = "test-secret-of-the-application-0123456789"
	// appAudience is what the identity provider writes into tokens for which nobody named a
	// resource.
	appAudience = "api://mcp"
)

// toolScope is what a single tool needs. It is not announced.
const toolScope = "notes:write"

// lines is a log that a test can look into.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// front is an MCP server on Echo, in mode proxy in front of an identity provider that registers
// nobody.
type front struct {
	resource string
	idp      *devidp.TestServer
	log      *lines
	client   *http.Client
	guard    interface {
		UpstreamToken(ctx context.Context) (oauth.Secret, error)
	}

	mu    sync.Mutex
	token oauth.Secret
	err   error
	// secrets are what must stand in no log.
	secrets []string
}

func (f *front) keepSecret(secrets ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secrets = append(f.secrets, secrets...)
}

// newFront starts both. provider makes the provider for the identity provider.
func newFront(t *testing.T, configure func(*devidp.Config), provider func(*testing.T, *devidp.TestServer, ...runtime.Option) *runtime.Provider) *front {
	t.Helper()
	return newFrontAround(t, configure, provider, func(p oauth.Provider) oauth.Provider { return p })
}

// newFrontAround is newFront with the provider wrapped.
func newFrontAround(t *testing.T, configure func(*devidp.Config), provider func(*testing.T, *devidp.TestServer, ...runtime.Option) *runtime.Provider,
	around func(oauth.Provider) oauth.Provider,
) *front {
	t.Helper()
	return newFrontAt(t, place{path: "/mcp"}, configure, provider, around)
}

// place is where a front is.
type place struct {
	// path is the one at which requests arrive, after the prefix was taken away.
	path, prefix string
	// netHTTP serves it without Echo.
	netHTTP bool
}

func newFrontAt(
	t *testing.T, where place, configure func(*devidp.Config),
	provider func(*testing.T, *devidp.TestServer, ...runtime.Option) *runtime.Provider, around func(oauth.Provider) oauth.Provider,
) *front {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	f := &front{resource: "http://" + server.Listener.Addr().String() + where.prefix + where.path, log: &lines{}}
	f.idp = devidp.Start(t, devidp.Preregistered(devidp.Client{
		ID: appID, Secret: appSecret, Name: "MCP server", RedirectURIs: []string{strings.TrimSuffix(f.resource, "/") + "/oauth/callback"},
	}), func(c *devidp.Config) { c.DefaultAudience = appAudience }, configure)
	logger := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config := runtime.GuardConfig{
		Resource: f.resource, ExternalPrefix: where.prefix, Name: "Test server", Logger: logger, Proxy: proxy.Options{Scopes: []string{toolScope}},
	}
	serve := f.onEcho
	if where.netHTTP {
		serve = f.onNetHTTP
	}
	server.Config.Handler = strip(where.prefix, serve(t, around(provider(t, f.idp, runtime.WithLogger(logger))), config))
	server.Start()
	f.client = server.Client()
	t.Cleanup(server.Close)
	t.Cleanup(func() { f.checkLog(t) })
	return f
}

func (f *front) onEcho(t *testing.T, provider oauth.Provider, config runtime.GuardConfig) http.Handler {
	t.Helper()
	e := echo.New()
	guard, err := echoadapter.Mount(e, provider, config)
	if err != nil {
		t.Fatal(err)
	}
	f.guard = guard
	for _, path := range []string{"/mcp", "/mcp/"} {
		e.GET(path, echo.WrapHandler(http.HandlerFunc(f.whoami)), guard.Require())
	}
	return e
}

func (f *front) onNetHTTP(t *testing.T, provider oauth.Provider, config runtime.GuardConfig) http.Handler {
	t.Helper()
	guard, err := runtime.NewGuard(provider, config)
	if err != nil {
		t.Fatal(err)
	}
	f.guard = guard
	mux := http.NewServeMux()
	mux.Handle("/", guard.Handler())
	for _, pattern := range []string{"/mcp", "/mcp/{$}"} {
		mux.Handle(pattern, guard.Protect(http.HandlerFunc(f.whoami)))
	}
	return mux
}

// strip is a reverse proxy that takes a prefix away, and passes on nothing outside it.
func strip(prefix string, next http.Handler) http.Handler {
	if prefix == "" {
		return next
	}
	return http.StripPrefix(prefix, next)
}

// whoami answers with the caller, and keeps what a tool would get for a call of the provider's API.
func (f *front) whoami(w http.ResponseWriter, r *http.Request) {
	info, _ := oauth.FromContext(r.Context())
	f.mu.Lock()
	f.token, f.err = f.guard.UpstreamToken(r.Context())
	f.mu.Unlock()
	_ = json.NewEncoder(w).Encode(info.User)
}

// checkLog makes sure that no secret was written down.
func (f *front) checkLog(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, secret := range append(f.secrets, appSecret, f.token.Reveal()) {
		if secret != "" && strings.Contains(f.log.String(), secret) {
			t.Errorf("the log holds a secret")
		}
	}
}

// session is an MCP client with its user's browser.
type session struct {
	*front
	t        *testing.T
	browser  *browser.Browser
	metadata oauth.AuthorizationServerMetadata
	id       string
	scope    string // to ask for; empty asks for none
	asks     string // the resource to ask for, where that is spelled in another way
	tokens   oauth.TokenResponse
}

const (
	sessionRedirect = "http://127.0.0.1:33418/callback"
	sessionVerifier = "verifier-of-the-client-0123456789-0123456789-01"
)

// newSession discovers the server as clients do, and registers.
func (f *front) newSession(t *testing.T) *session {
	t.Helper()
	own, err := browser.New(f.client)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{front: f, t: t, browser: own}
	answer := s.get(f.resource, "")
	challenges := oauth.ParseChallenges(answer.Header.Values("WWW-Authenticate"))
	if answer.StatusCode != http.StatusUnauthorized || len(challenges) != 1 {
		t.Fatalf("without a token: %s", answer.Status)
	}
	var resource oauth.ProtectedResourceMetadata
	s.getJSON(challenges[0].ResourceMetadata, &resource)
	if len(resource.AuthorizationServers) != 1 || resource.AuthorizationServers[0] != f.resource { // RS-1, AS-1
		t.Fatalf("authorization servers %q, want the server itself", resource.AuthorizationServers)
	}
	if resource.Resource != f.resource {
		t.Errorf("the metadata is about %s", resource.Resource)
	}
	for _, address := range oauth.AuthorizationServerMetadataURLs(f.resource) { // as clients try them
		if response, text := s.do(http.MethodGet, address, "", "", ""); response.StatusCode == http.StatusOK {
			if err := json.Unmarshal(text, &s.metadata); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if s.metadata.Issuer != f.resource {
		t.Fatalf("issuer %q", s.metadata.Issuer)
	}
	body, err := json.Marshal(oauth.ClientMetadata{ClientName: "Test client", RedirectURIs: []string{sessionRedirect}})
	if err != nil {
		t.Fatal(err)
	}
	registered, text := s.post(s.metadata.RegistrationEndpoint, "application/json", string(body))
	var information oauth.ClientInformation
	if err := json.Unmarshal(text, &information); err != nil || registered.StatusCode != http.StatusCreated {
		t.Fatalf("registration: %s %s", registered.Status, text)
	}
	s.id = information.ClientID
	return s
}

func (s *session) do(method, address, contentType, body, token string) (*http.Response, []byte) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.Contains(string(text), appSecret) {
		s.t.Error("an answer holds the client secret")
	}
	return response, text
}

func (s *session) get(address, token string) *http.Response {
	s.t.Helper()
	response, _ := s.do(http.MethodGet, address, "", "", token)
	return response
}

func (s *session) post(address, contentType, body string) (*http.Response, []byte) {
	s.t.Helper()
	return s.do(http.MethodPost, address, contentType, body, "")
}

func (s *session) getJSON(address string, into any) {
	s.t.Helper()
	response, text := s.do(http.MethodGet, address, "", "", "")
	if err := json.Unmarshal(text, into); err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v", address, response.Status, err)
	}
}

func (s *session) authorizeURL() *url.URL {
	s.t.Helper()
	u, err := url.Parse(s.metadata.AuthorizationEndpoint)
	if err != nil {
		s.t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(sessionVerifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {s.id}, "redirect_uri": {sessionRedirect}, "state": {"state-of-the-client"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
		"resource": {cmp.Or(s.asks, s.resource)},
	}
	if s.scope != "" {
		query.Set("scope", s.scope)
	}
	u.RawQuery = query.Encode()
	return u
}

// logIn goes through consent, login and callback, and redeems the code.
func (s *session) logIn(user string) {
	s.t.Helper()
	s.tryLogIn(user, http.StatusOK)
}

// tryLogIn is logIn, of which the token endpoint makes something with a status.
func (s *session) tryLogIn(user string, status int) oauth.Code {
	s.t.Helper()
	ctx := s.t.Context()
	login, err := s.browser.Consent(ctx, s.authorizeURL())
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.HasPrefix(login.String(), s.idp.URL("/authorize?")) || login.Query().Get("resource") != "" {
		s.t.Errorf("the user is sent to %s", login.Redacted())
	}
	callback, err := s.idp.Login(ctx, s.idp.Client(), login.String(), user)
	if err != nil {
		s.t.Fatal(err)
	}
	back, err := s.browser.Return(ctx, callback)
	if err != nil {
		s.t.Fatal(err)
	}
	query := back.Query()
	s.keepSecret(callback.Query().Get("code"), callback.Query().Get("state"), query.Get("code"), sessionVerifier)
	if !strings.HasPrefix(back.String(), sessionRedirect+"?") || query.Get("state") != "state-of-the-client" || query.Get("iss") != s.resource {
		s.t.Fatalf("the client is sent to %s", back.Redacted())
	}
	return s.redeem(status, url.Values{
		"grant_type": {"authorization_code"}, "code": {query.Get("code")}, "redirect_uri": {sessionRedirect}, "client_id": {s.id},
		"code_verifier": {sessionVerifier}, "resource": {cmp.Or(s.asks, s.resource)},
	})
}

// redeem asks the token endpoint and keeps the tokens.
func (s *session) redeem(status int, form url.Values) oauth.Code {
	s.t.Helper()
	response, text := s.post(s.metadata.TokenEndpoint, "application/x-www-form-urlencoded", form.Encode())
	if response.StatusCode != status {
		s.t.Fatalf("token endpoint: %s %s", response.Status, text)
	}
	if status != http.StatusOK {
		var refused oauth.ErrorResponse
		if err := json.Unmarshal(text, &refused); err != nil {
			s.t.Fatal(err)
		}
		return refused.Error
	}
	s.tokens = oauth.TokenResponse{}
	if err := json.Unmarshal(text, &s.tokens); err != nil {
		s.t.Fatal(err)
	}
	s.keepSecret(s.tokens.AccessToken, s.tokens.RefreshToken)
	if s.tokens.RefreshToken == "" || s.tokens.AccessToken == "" || response.Header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("the answer lacks a token, or may be kept")
	}
	return ""
}

func (s *session) refresh(status int) oauth.Code {
	s.t.Helper()
	return s.redeem(status, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {s.tokens.RefreshToken}, "client_id": {s.id}, "resource": {cmp.Or(s.asks, s.resource)},
	})
}

// whoIs calls the server and returns who it says is calling.
func (s *session) whoIs() map[string]any {
	s.t.Helper()
	response, text := s.do(http.MethodGet, s.resource, "", "", s.tokens.AccessToken)
	var user map[string]any
	if err := json.Unmarshal(text, &user); err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("whoami: %s, %v", response.Status, err)
	}
	return user
}

// generic is the generic provider, whose clients get sealed tokens unless the operator asks for
// others.
func generic(t *testing.T, idp *devidp.TestServer, opts ...runtime.Option) *runtime.Provider {
	t.Helper()
	verifier, err := runtime.JWKSVerifier(runtime.JWKSConfig{
		JWKSURL: idp.URL("/jwks"), Issuer: idp.Issuer(), Audience: appAudience,
	}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := oauthproxy.New(oauthproxy.Config{
		AuthEndpoint: idp.URL("/authorize"), TokenEndpoint: idp.URL("/token"), Issuer: idp.Issuer(),
		ClientID: appID, ClientSecret: appSecret, VerifyToken: verifier, Scopes: []string{"openid", "email", "profile", "offline_access"},
	}, append(opts, runtime.WithEndpoint("revocation", idp.URL("/revoke")))...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// introspected is a provider by hand, whose opaque tokens are checked by introspection.
func introspected(t *testing.T, idp *devidp.TestServer, opts ...runtime.Option) *runtime.Provider {
	t.Helper()
	return introspectedAs(t, proxy.Sealed, idp, opts...)
}

// introspectedJWTs passes its tokens through, which are JWTs and checked by introspection all the
// same.
func introspectedJWTs(t *testing.T, idp *devidp.TestServer, opts ...runtime.Option) *runtime.Provider {
	t.Helper()
	return introspectedAs(t, proxy.Passthrough, idp, opts...)
}

func introspectedAs(t *testing.T, mode proxy.TokenMode, idp *devidp.TestServer, opts ...runtime.Option) *runtime.Provider {
	t.Helper()
	in := runtime.NewInputs("Example", opts...)
	base := in.URL(idp.Issuer(), runtime.Field{Name: "issuer"})
	p, err := runtime.New(in, runtime.Definition{
		Name: "example", Title: "Example", Mode: oauth.Proxy, TokenMode: mode, Issuer: base,
		Endpoints: oauth.Endpoints{
			Authorization: base + "/authorize", Token: base + "/token", Introspection: base + "/introspect",
			Revocation: base + "/revoke", UserInfo: base + "/userinfo",
		},
		Claims:        facts.ClaimMap{UserID: []string{"sub"}, Email: []string{"email"}, Name: []string{"name"}},
		Introspection: &facts.Introspection{Credentials: facts.Credentials{ClientID: appID, ClientSecret: appSecret}},
		Binding:       facts.Binding{ClientIDs: []string{appID}},
		Profile:       &facts.Profile{},
		Upstream: &facts.Upstream{
			Credentials:    facts.Credentials{ClientID: appID, ClientSecret: appSecret},
			RequiredScopes: []string{"openid", "offline_access"},
		},
		Scopes: []string{"openid", "email", "profile"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func opaqueTokens(c *devidp.Config) { c.AccessTokens = devidp.Opaque }

func jwtTokens(c *devidp.Config) { c.AccessTokens = devidp.JWT }

// TestARevokedTokenIsNotRememberedByTheGuard: what was passed through is checked at the provider,
// and the answer is cached.
func TestARevokedTokenIsNotRememberedByTheGuard(t *testing.T) {
	t.Parallel()
	f := newFront(t, jwtTokens, introspectedJWTs)
	s := f.newSession(t)
	s.logIn("bob")
	s.whoIs()
	response, _ := s.post(s.metadata.RevocationEndpoint, "application/x-www-form-urlencoded", url.Values{
		"token": {s.tokens.AccessToken}, "client_id": {s.id},
	}.Encode())
	if response.StatusCode != http.StatusOK {
		t.Fatalf("revocation: %s", response.Status)
	}
	if answer := s.get(f.resource, s.tokens.AccessToken); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("the revoked token is answered with %s", answer.Status)
	}
}

// TestProxyLogin plays whole logins through the server: AS-1, AS-2, AS-5, AS-8, AS-11, AS-13.
// covers: RS-1, RS-7, AS-1, AS-11, AS-13
func TestProxyLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tokens   func(*devidp.Config)
		provider func(*testing.T, *devidp.TestServer, ...runtime.Option) *runtime.Provider
		sealed   bool
	}{
		"A4: through the generic provider with a verifier of JWTs":  {jwtTokens, generic, true},
		"through a provider that passes its tokens through":         {jwtTokens, introspectedJWTs, false},
		"through a provider by hand with introspection":             {opaqueTokens, introspected, true},
		"through a provider by hand, whose tokens are JWTs as well": {jwtTokens, introspected, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, c.tokens, c.provider)
			s := f.newSession(t)
			s.logIn("alice")
			if user := s.whoIs(); user["userId"] != "user-alice" || user["email"] != "alice@example.com" || user["name"] != "Alice Archer" {
				t.Errorf("the caller is %v", user)
			}
			s.checkUpstream(c.sealed)
			before := s.tokens
			s.refresh(http.StatusOK)
			if s.tokens.RefreshToken == before.RefreshToken || s.tokens.AccessToken == before.AccessToken {
				t.Error("the tokens were not rotated")
			}
			if user := s.whoIs(); user["userId"] != "user-alice" {
				t.Errorf("after the refresh the caller is %v", user)
			}
			s.revoke(c.sealed)
			if code := s.refresh(http.StatusBadRequest); code != oauth.CodeInvalidGrant {
				t.Errorf("a refresh after the revocation gets %s", code)
			}
		})
	}
}

// checkUpstream looks at what a tool gets to call the provider's API with. RS-7: never the token
// that the client sent.
func (s *session) checkUpstream(sealed bool) {
	s.t.Helper()
	s.mu.Lock()
	token, err := s.token, s.err
	s.mu.Unlock()
	switch {
	case !sealed:
		if !errors.Is(err, broker.ErrNoUpstreamToken) || token != "" {
			s.t.Errorf("a passed-through token may be passed on: %v", err)
		}
		return
	case err != nil || token == "":
		s.t.Fatalf("there is no token for the provider's API: %v", err)
	case token.Reveal() == s.tokens.AccessToken:
		s.t.Error("the client has the provider's own token")
	}
	answer := s.get(s.idp.URL("/userinfo"), token.Reveal())
	if answer.StatusCode != http.StatusOK {
		s.t.Errorf("the provider's API answers %s", answer.Status)
	}
	if answer := s.get(s.resource, token.Reveal()); answer.StatusCode != http.StatusUnauthorized {
		s.t.Errorf("the provider's own token is answered %s here", answer.Status)
	}
}

func (s *session) revoke(sealed bool) {
	s.t.Helper()
	s.mu.Lock()
	upstream := s.token
	s.mu.Unlock()
	response, _ := s.post(s.metadata.RevocationEndpoint, "application/x-www-form-urlencoded", url.Values{
		"token": {s.tokens.RefreshToken}, "client_id": {s.id},
	}.Encode())
	if response.StatusCode != http.StatusOK {
		s.t.Errorf("revocation: %s", response.Status)
	}
	if !sealed {
		return
	}
	if answer := s.get(s.idp.URL("/userinfo"), upstream.Reveal()); answer.StatusCode != http.StatusUnauthorized {
		s.t.Errorf("the provider's own token still works after the revocation: %s", answer.Status)
	}
}

// A user who logs in at the provider with another application has a token of it, which is worth
// nothing here. TestProxyGrantsScopesThatAreNotAnnounced: a client asks for a tool's scope when a
// challenge says so, and not before.
func TestProxyGrantsScopesThatAreNotAnnounced(t *testing.T) {
	t.Parallel()
	f := newFront(t, opaqueTokens, introspected)
	s := f.newSession(t)
	var resource oauth.ProtectedResourceMetadata
	s.getJSON(oauth.InsertWellKnown(f.resource, oauth.WellKnownProtectedResource), &resource)
	if slices.Contains(resource.ScopesSupported, toolScope) {
		t.Errorf("the metadata announces %q", resource.ScopesSupported)
	}
	s.logIn("alice")
	if got := oauth.ParseScope(s.tokens.Scope); slices.Contains(got, toolScope) || len(got) == 0 {
		t.Errorf("a client that asks for nothing gets %q", got)
	}
	s.scope = "openid " + toolScope
	s.logIn("alice")
	if got := oauth.ParseScope(s.tokens.Scope); !slices.Contains(got, toolScope) {
		t.Errorf("a client that asks for %q gets %q", s.scope, got)
	}
}

// covers: RS-5
func TestProxyRefusesTokensOfOtherApplications(t *testing.T) {
	t.Parallel()
	f := newFront(t, opaqueTokens, introspected)
	s := f.newSession(t)
	foreign := f.idp.Token(devidp.TokenRequest{User: "bob", Audience: []string{appAudience}, ClientID: "another"})
	if answer := s.get(f.resource, foreign); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered %s", answer.Status)
	}
}

// The other browser has no part in the login: login fixation, a stolen callback.
// covers: T-PRX-01, AS-10
func TestProxyCallbackInAnotherBrowser(t *testing.T) {
	t.Parallel()
	f := newFront(t, jwtTokens, generic)
	s := f.newSession(t)
	login, err := s.browser.Consent(t.Context(), s.authorizeURL())
	if err != nil {
		t.Fatal(err)
	}
	callback, err := f.idp.Login(t.Context(), f.idp.Client(), login.String(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	other, err := browser.New(f.client)
	if err != nil {
		t.Fatal(err)
	}
	page, err := other.Open(t.Context(), callback)
	if err != nil || page.StatusCode != http.StatusBadRequest || page.Next != nil {
		t.Errorf("another browser gets %v, %v", page, err)
	}
	if back, err := s.browser.Return(t.Context(), callback); err != nil || back.Query().Get("code") == "" {
		t.Errorf("the user's own browser then gets %v", err)
	}
}

// A user who says no at the server, or at the provider, comes back to the client without a code.
// covers: AS-3
func TestProxyDenied(t *testing.T) {
	t.Parallel()
	f := newFront(t, jwtTokens, generic)
	s := f.newSession(t)
	page, err := s.browser.Open(t.Context(), s.authorizeURL())
	if err != nil {
		t.Fatal(err)
	}
	if page, err = s.browser.Answer(t.Context(), page, browser.Deny); err != nil || page.Next == nil {
		t.Fatal(page, err)
	}
	if q := page.Next.Query(); q.Get("error") != "access_denied" || q.Get("code") != "" || q.Get("iss") != f.resource { // AS-3
		t.Errorf("the client gets %v", q)
	}
	login, err := s.browser.Consent(t.Context(), s.authorizeURL())
	if err != nil {
		t.Fatal(err)
	}
	callback, err := devidp.Deny(t.Context(), f.idp.Client(), login.String(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	back, err := s.browser.Return(t.Context(), callback)
	if err != nil || back.Query().Get("error") != "access_denied" || back.Query().Get("code") != "" {
		t.Errorf("the client gets %v, %v", back, err)
	}
}

func TestMistakesInProxyDefinitions(t *testing.T) {
	t.Parallel()
	direct := runtime.Definition{
		Name: "example", Title: "Example", Mode: oauth.Direct, Issuer: "https://idp.example.com",
		Tokens:   facts.Rules{Algorithms: []string{"RS256"}, Audience: facts.Audience{OrResource: true}},
		Upstream: &facts.Upstream{Credentials: facts.Credentials{ClientID: appID}},
	}
	if _, err := runtime.New(runtime.NewInputs("Example"), direct); err == nil || !strings.Contains(err.Error(), "mode proxy only") {
		t.Errorf("an upstream application in mode direct gives %v", err)
	}
	without := direct
	without.Mode, without.Upstream = oauth.Proxy, nil
	if _, err := runtime.New(runtime.NewInputs("Example"), without); err == nil || !strings.Contains(err.Error(), "needs an upstream application") {
		t.Errorf("mode proxy without application gives %v", err)
	}
}

// A server's own words for scopes are added to those of the spec.
func TestScopesInTheServersOwnWords(t *testing.T) {
	t.Parallel()
	provider, err := google.New(google.Config{ClientID: "client", ClientSecret: oauth.Secret(strings.Repeat("test-secret-", 4))})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "http://127.0.0.1/mcp", Proxy: proxy.Options{
		Scopes: []string{"files:write", "files:read"}, ScopeWords: map[string]string{"files:write": "Change your files", "email": "Write to you"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	page := func(method, path, body string) string {
		w := httptest.NewRecorder()
		guard.Handler().ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1/mcp"+path, strings.NewReader(body)))
		return w.Body.String()
	}
	var client oauth.ClientInformation
	if err := json.Unmarshal([]byte(page(http.MethodPost, "/register", `{"redirect_uris":["https://client.example.com/cb"]}`)), &client); err != nil {
		t.Fatal(err)
	}
	consent := page(http.MethodGet, "/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {client.ClientID}, "redirect_uri": {"https://client.example.com/cb"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"}, "scope": {"openid email files:write files:read"},
	}.Encode(), "")
	for _, want := range []string{"Change your files <code>files:write", "Write to you <code>email", "Use <code>files:read", "<code>openid"} {
		if !strings.Contains(consent, want) {
			t.Errorf("the page lacks %q:\n%s", want, consent)
		}
	}
}

// Only what is wrong with keys says how to set some.
func TestMistakesNameTheVariableOfTheKeysWhereItHelps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret oauth.Secret
		proxy  proxy.Options
		helps  bool
	}{
		"a secret that is too short": {"short", proxy.Options{}, true},
		"a key that is none":         {"short", proxy.Options{SealingKeys: []oauth.Secret{"x"}}, true},
		"a scheme of browsers":       {oauth.Secret(strings.Repeat("test-secret-", 4)), proxy.Options{CustomSchemes: []string{"javascript"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider, err := google.New(google.Config{ClientID: "client", ClientSecret: c.secret})
			if err != nil {
				t.Fatal(err)
			}
			_, err = runtime.NewGuard(provider, runtime.GuardConfig{Resource: "http://127.0.0.1/mcp", Proxy: c.proxy})
			if err == nil || strings.Contains(err.Error(), runtime.SealingKeysVariable) != c.helps {
				t.Errorf("got %v", err)
			}
		})
	}
}
