// Package zitadel runs an authorization server on the library github.com/zitadel/oidc (pkg/op),
// which is OpenID certified.
//
// The library has neither dynamic client registration nor resource indicators (RFC 8707): a
// registration endpoint stands beside it and writes to its storage, and the storage learns the
// resource parameter from an interceptor. The library decides what is then issued, and how: it
// signs access tokens with typ JWT, and gives the ID token the audience of the access token.
package zitadel

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/rs/cors"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/host"
)

// Config says what to run.
type Config struct {
	// LogDir receives zitadel.log.
	LogDir string
	Port   int
	// Resources are the protected resources that clients may ask for.
	Resources []string
	// Lifetime of access tokens. Zero means five minutes; a negative one makes tokens that expired
	// before.
	Lifetime time.Duration
}

// Server is a running server.
type Server struct {
	*host.Host

	origin string
	user   host.User
}

var _ harness.Server = (*Server)(nil)

// scopes are what clients may ask for.
var scopes = []string{"openid", "profile", "email", "offline_access", "notes:write"}

// Start starts the server.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{
		origin: host.Origin(c.Port),
		user:   host.User{ID: "user-grace", Username: "grace", Password: rand.Text(), Name: "Grace Hopper", Email: "grace@example.com"},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	store := newStorage(s.user, c.Resources, key)
	store.lifetime = cmp.Or(c.Lifetime, 5*time.Minute)
	handler, err := s.handler(store)
	if err != nil {
		return nil, err
	}
	s.Host, err = host.Start(ctx, "zitadel", c.LogDir, c.Port, handler)
	return s, err
}

func (s *Server) handler(store *storage) (http.Handler, error) {
	config := &op.Config{CodeMethodS256: true, GrantTypeRefreshToken: true, SupportedScopes: scopes}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, err
	}
	provider, err := op.NewProvider(config, store, op.StaticIssuer(s.origin),
		op.WithAllowInsecure(), // plain http, on loopback
		op.WithHttpInterceptors(withResource),
	)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle("/register", host.Register(store.addClient))
	mux.Handle("/login", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		if s.user.LoggedIn(w, r, "an application") {
			store.logIn(id)
			callback := op.AuthCallbackURL(provider)(op.ContextWithIssuer(r.Context(), s.origin), id)
			http.Redirect(w, r, callback, http.StatusFound)
		}
	}))
	// The library's document, with the one endpoint that it does not know.
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		document := op.CreateDiscoveryConfig(op.ContextWithIssuer(r.Context(), s.origin), provider, store)
		document.RegistrationEndpoint = s.origin + "/register"
		op.Discover(w, document)
	})
	// The endpoints that stand beside the library answer pages of other origins as the library does.
	return cors.New(*provider.CORSOptions()).Handler(mux), nil
}

// resourceKey is where the context of a request keeps its resource parameter.
type resourceKey struct{}

func withResource(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), resourceKey{}, r.FormValue("resource"))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Issuer is the server's origin.
func (s *Server) Issuer() string { return s.origin }

// UserID is the account that logs in.
func (s *Server) UserID() string { return s.user.ID }

// Command configures cmd/customserver.
func (s *Server) Command(addr string) []string {
	return []string{
		"--addr", addr, "--public-url", "http://" + addr, "--path", "/mcp", "--issuer", s.origin,
		"--authorize", s.origin + "/authorize", "--token", s.origin + "/oauth/token", "--jwks", s.origin + "/keys",
	}
}

// Environment is empty: the custom provider has no variables.
func (s *Server) Environment() []string { return nil }

// Login fills in the login page.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	return s.user.SignIn(ctx, s.origin, authorizeURL)
}
