// Package fosite runs an authorization server on the library github.com/ory/fosite, which Ory Hydra
// is made of: JWT access tokens as RFC 9068 wants them, PKCE for everybody, and an introspection
// endpoint.
//
// The library knows an audience but not the resource parameter (RFC 8707), and neither registration
// nor documents: these are here. A resource becomes the audience that a client is granted.
package fosite

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/host"
)

// Config says what to run.
type Config struct {
	// LogDir receives fosite.log.
	LogDir string
	Port   int
	// Resources are the protected resources that clients may ask for.
	Resources []string
	// Lifetime of access tokens. Zero means five minutes; a negative one makes tokens that expired
	// before.
	Lifetime time.Duration
	// Introspected makes resource servers ask about tokens, though they could check them
	// themselves.
	Introspected bool
	// Untyped answers introspection as the library does, which does not say what kind of token it
	// describes: active refresh tokens look like access tokens. Otherwise the answer says it, as
	// Ory Hydra's does.
	Untyped bool
}

// Server is a running server.
type Server struct {
	*host.Host

	origin    string
	user      host.User
	resources []string
	key       *ecdsa.PrivateKey
	provider  fosite.OAuth2Provider
	store     *store

	// introspector is the client of the resource server, for introspection.
	introspector, introspectorSecret string
	introspected, untyped            bool
}

var _ harness.Server = (*Server)(nil)

// keyID names the one key pair.
const keyID = "only"

// scopes are what clients may ask for.
var scopes = []string{"openid", "profile", "email", "offline_access", "notes:write"}

// Start starts the server.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{
		origin: host.Origin(c.Port), resources: c.Resources, introspector: "resource-server", introspectorSecret: rand.Text(),
		introspected: c.Introspected, untyped: c.Untyped,
		user:  host.User{ID: "user-mary", Username: "mary", Password: rand.Text(), Name: "Mary Jackson", Email: "mary@example.com"},
		store: &store{MemoryStore: storage.NewMemoryStore(), resources: c.Resources, clients: map[string]fosite.Client{}},
	}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if err := s.compose(ctx, cmp.Or(c.Lifetime, 5*time.Minute)); err != nil {
		return nil, err
	}
	s.Host, err = host.Start(ctx, "fosite", c.LogDir, c.Port, s.handler())
	return s, err
}

// compose puts the library's parts together.
func (s *Server) compose(ctx context.Context, lifetime time.Duration) error {
	config := &fosite.Config{
		AccessTokenLifespan: lifetime, AccessTokenIssuer: s.origin, IDTokenIssuer: s.origin, TokenURL: s.origin + "/token",
		JWTScopeClaimKey: jwt.JWTScopeFieldString, // RFC 9068 section 2.2.3; the library's default is a list named scp
		EnforcePKCE:      true,
		ScopeStrategy:    fosite.ExactScopeStrategy,
		// Everybody gets a refresh token: clients ask for offline_access only where a resource
		// announces it.
		RefreshTokenScopes: []string{},
		GlobalSecret:       []byte(rand.Text() + rand.Text()),
	}
	secret, err := (&fosite.BCrypt{Config: config}).Hash(ctx, []byte(s.introspectorSecret))
	if err != nil {
		return err
	}
	s.store.clients[s.introspector] = &fosite.DefaultClient{ID: s.introspector, Secret: secret}
	key := func(context.Context) (any, error) { return s.key, nil }
	s.provider = compose.Compose(config, s.store,
		&compose.CommonStrategy{
			CoreStrategy:               compose.NewOAuth2JWTStrategy(key, compose.NewOAuth2HMACStrategy(config), config),
			OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(key, config),
			Signer:                     &jwt.DefaultSigner{GetPrivateKey: key},
		},
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2RefreshTokenGrantFactory, compose.OpenIDConnectExplicitFactory,
		compose.OpenIDConnectRefreshFactory, compose.OAuth2TokenIntrospectionFactory, compose.OAuth2TokenRevocationFactory,
		compose.OAuth2PKCEFactory,
	)
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/authorize", s.authorize)
	mux.HandleFunc("/token", s.token)
	mux.HandleFunc("/introspect", s.introspect)
	mux.HandleFunc("/revoke", s.revoke)
	mux.Handle("/register", host.Register(s.store.add))
	document(mux, "/jwks", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: s.key.Public(), KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"},
	}})
	document(mux, "/.well-known/openid-configuration", map[string]any{
		"issuer": s.origin, "authorization_endpoint": s.origin + "/authorize", "token_endpoint": s.origin + "/token",
		"jwks_uri": s.origin + "/jwks", "registration_endpoint": s.origin + "/register",
		"introspection_endpoint": s.origin + "/introspect", "revocation_endpoint": s.origin + "/revoke", "scopes_supported": scopes,
		"response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
	})
	return mux
}

func document(mux *http.ServeMux, path string, content any) {
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(content) // the client is gone when this fails
	})
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	request, err := s.provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, request, err)
		return
	}
	if resource := request.GetRequestForm().Get("resource"); resource != "" {
		if !slices.Contains(s.resources, resource) {
			s.provider.WriteAuthorizeError(ctx, w, request, errInvalidTarget())
			return
		}
		request.GrantAudience(resource)
	}
	if !s.user.LoggedIn(w, r, request.GetClient().GetID()) {
		return
	}
	for _, scope := range request.GetRequestedScopes() {
		request.GrantScope(scope)
	}
	response, err := s.provider.NewAuthorizeResponse(ctx, request, newSession(s.user.ID, request.GetClient().GetID()))
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, request, err)
		return
	}
	s.provider.WriteAuthorizeResponse(ctx, w, request, response)
}

func errInvalidTarget() error {
	return &fosite.RFC6749Error{ErrorField: "invalid_target", DescriptionField: "Unknown resource.", CodeField: http.StatusBadRequest}
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	request, err := s.provider.NewAccessRequest(ctx, r, new(session))
	if err != nil {
		s.provider.WriteAccessError(ctx, w, request, err)
		return
	}
	response, err := s.provider.NewAccessResponse(ctx, request)
	if err != nil {
		s.provider.WriteAccessError(ctx, w, request, err)
		return
	}
	s.provider.WriteAccessResponse(ctx, w, request, response)
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	response, err := s.provider.NewIntrospectionRequest(ctx, r, new(session))
	if err != nil {
		s.provider.WriteIntrospectionError(ctx, w, err)
		return
	}
	if s.untyped || !response.IsActive() {
		s.provider.WriteIntrospectionResponse(ctx, w, response)
		return
	}
	recorded := httptest.NewRecorder()
	s.provider.WriteIntrospectionResponse(ctx, recorded, response)
	var answer map[string]any
	if err := json.Unmarshal(recorded.Body.Bytes(), &answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer["token_use"] = response.GetTokenUse()
	if kind := response.GetAccessTokenType(); kind != "" {
		answer["token_type"] = kind
	}
	text, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text) // the client is gone when this fails
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	s.provider.WriteRevocationResponse(r.Context(), w, s.provider.NewRevocationRequest(r.Context(), r))
}

// Issuer is the server's origin.
func (s *Server) Issuer() string { return s.origin }

// UserID is the account that logs in.
func (s *Server) UserID() string { return s.user.ID }

// Command configures cmd/customserver.
func (s *Server) Command(addr string) []string {
	command := []string{
		"--addr", addr, "--public-url", "http://" + addr, "--path", "/mcp", "--issuer", s.origin,
		"--authorize", s.origin + "/authorize", "--token", s.origin + "/token",
	}
	if s.introspected {
		return append(command, "--introspection", s.origin+"/introspect", "--introspection-client", s.introspector)
	}
	return append(command, "--jwks", s.origin+"/jwks")
}

// Environment is the secret of the resource server.
func (s *Server) Environment() []string {
	return []string{"CUSTOMSERVER_CLIENT_SECRET=" + s.introspectorSecret}
}

// Login fills in the login page.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	return s.user.SignIn(ctx, s.origin, authorizeURL)
}

// store is the library's own store in memory, whose clients are fixed, with clients that register.
type store struct {
	*storage.MemoryStore

	resources []string

	mu      sync.Mutex
	clients map[string]fosite.Client
}

func (s *store) add(c host.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = &fosite.DefaultClient{
		ID: c.ID, RedirectURIs: c.RedirectURIs, Scopes: scopes, Public: true,
		Audience:   s.resources, // of which the library lets a client renew tokens
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
	}
}

// GetClient implements fosite.ClientManager.
func (s *store) GetClient(_ context.Context, id string) (fosite.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clients[id]; ok {
		return c, nil
	}
	return nil, fosite.ErrNotFound
}
