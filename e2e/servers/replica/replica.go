package replica

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/gen/specfacts"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Config says what to play.
type Config struct {
	// Root is the repository's folder.
	Root string
	// Provider is the name of the spec.
	Provider string
	// LogDir receives <provider>.log and the certificate of the replica's authority.
	LogDir string
	Port   int
	// Resource is the canonical URL of the resource server in front of it.
	Resource string
	// Scopes are what the operator has added to the provider's own scopes.
	Scopes []string
	// Settings replace fields of latchkey's configuration, by their names in the spec.
	Settings map[string]string
	// Dashboard is how somebody has set the provider up.
	Dashboard Dashboard
}

// Dashboard holds the settings of providers that people get wrong. The zero value is the set-up
// that the provider's page describes.
type Dashboard struct {
	// NoRegistration: dynamic client registration is off, as it is at first everywhere.
	NoRegistration bool
	// NoResources: Auth0's Resource Parameter Compatibility Profile is off; WorkOS has no Resource
	// Indicator.
	NoResources bool
	// OpaqueTokens: Clerk's switch Generate access tokens as JWTs is off.
	OpaqueTokens bool
	// SharedSecret: the Supabase project signs with its JWT secret.
	SharedSecret bool
	// EncryptedTokens: Auth0's API encrypts its tokens (JWE).
	EncryptedTokens bool
	// NoServer: the OAuth server of the Supabase project is off, as it is at first.
	NoServer bool
	// NoPolicy: no access policy of Okta's authorization server lets the app integration in.
	NoPolicy bool
	// KeysOf: the tenant to whose tokens Entra ID's keys are restricted. Usually they are good for
	// all.
	KeysOf string
	// VersionOne: the manifest of Entra ID's app registration says nothing of
	// requestedAccessTokenVersion.
	VersionOne bool
}

// Server is a running replica.
type Server struct {
	config      Config
	facts       *specfacts.Facts
	kind        kind
	values      map[string]string // latchkey's configuration, by field
	moved       []string          // pairs of where the spec's test has the provider and where it is
	description oauth.Description // of the provider so configured
	keys        map[jose.Algorithm]*jose.SigningKey
	origin      string
	authority   string // file with a certificate; empty without https
	logFile     *os.File
	log         *slog.Logger
	http        *http.Server
	password    string

	mu       sync.Mutex
	clients  map[string]*client
	pending  map[string]*grant // by the name of the login page
	codes    map[string]*grant
	refresh  map[string]*grant
	issued   map[string]issued // access tokens
	next     *specfacts.Token  // what logins give, where it is not the user's first token
	requests []url.Values      // of the authorization endpoint

	throttled bool // whether tokeninfo is
}

var _ harness.Certified = (*Server)(nil)

// Start starts a replica, which ends with Stop.
func Start(ctx context.Context, config Config) (*Server, error) {
	s := &Server{
		config: config, password: rand.Text(), keys: map[jose.Algorithm]*jose.SigningKey{},
		clients: map[string]*client{}, pending: map[string]*grant{}, codes: map[string]*grant{}, refresh: map[string]*grant{},
		issued: map[string]issued{},
	}
	var known bool
	if s.kind, known = kinds()[config.Provider]; !known {
		s.kind, known = generic(config.Provider)
	}
	if !known {
		return nil, fmt.Errorf("there is no replica of %q", config.Provider)
	}
	s.origin = map[bool]string{true: "https", false: "http"}[s.kind.https] + "://" + s.host()
	if err := errors.Join(os.MkdirAll(config.LogDir, 0o750), s.configure()); err != nil {
		return nil, err
	}
	if s.kind.generic {
		s.kind.documents = s.ownDocuments()
		if s.facts.PrefixedScopes {
			s.kind.scope = shortName
		}
		if s.description.Mode == oauth.Direct && !strings.HasPrefix(s.Issuer(), s.origin) {
			return nil, fmt.Errorf("no field of %s names its place: its issuer is %s", config.Provider, s.Issuer())
		}
	}
	if err := s.makeKeys(); err != nil {
		return nil, err
	}
	if s.kind.register == nil {
		s.preregister()
	}
	if err := s.openLog(); err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		_ = s.logFile.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) openLog() error {
	var err error
	name := filepath.Join(s.config.LogDir, s.config.Provider+".log")
	s.logFile, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		s.log = slog.New(slog.NewTextHandler(s.logFile, nil))
	}
	return err
}

// listen serves until Stop.
func (s *Server) listen(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.host())
	if err != nil {
		return err
	}
	if s.kind.https {
		certificate, authority, err := makeCertificate()
		if err == nil {
			s.authority = filepath.Join(s.config.LogDir, s.config.Provider+"-authority.pem")
			err = os.WriteFile(s.authority, authority, 0o600)
		}
		if err != nil {
			_ = listener.Close()
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	}
	s.http = &http.Server{
		Handler: s.logged(s.routes()), ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelInfo),
	}
	go func() { _ = s.http.Serve(listener) }() // until Stop closes it
	return nil
}

// logged writes a line for each request, without its query, which holds codes.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.log.InfoContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path)
		if path.Clean(r.URL.Path) != r.URL.Path { // a mux would redirect
			http.NotFound(w, r)
			return
		}
		if s.kind.scripts != nil {
			allowScripts(w.Header(), s.kind.scripts)
			if r.Method == http.MethodOptions {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		next.ServeHTTP(w, r)
	})
}

// allowScripts lets pages of all origins in, with some headers. The browser enforces it.
func allowScripts(answer http.Header, headers []string) {
	answer.Set("Access-Control-Allow-Origin", "*")
	answer.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
	answer.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
}

// routes are the provider's endpoints at their own paths, whatever their hosts are.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for name, handle := range s.handlers() {
		if place := s.placeOf(name); place != "" && !s.switchedOff(place) {
			mux.HandleFunc(place, handle)
		}
	}
	for form, document := range s.kind.documents {
		if s.config.Dashboard.NoServer && form != facts.OpenIDAppended {
			continue
		}
		mux.HandleFunc("GET "+pathOf(form.URL(s.description.Issuer)), func(w http.ResponseWriter, _ *http.Request) {
			s.serveDocument(w, document)
		})
	}
	mux.HandleFunc("POST "+loginPath, s.serveLogin)
	if s.kind.further != nil {
		s.kind.further(s, mux)
	}
	return mux
}

// handlers are what is at the provider's endpoints.
func (s *Server) handlers() map[string]http.HandlerFunc {
	handlers := map[string]http.HandlerFunc{
		"authorization": s.serveAuthorize, "token": s.serveToken, "jwks": s.serveKeys, "registration": s.serveRegister,
		"userinfo": s.serveUserInfo, "tokeninfo": s.serveTokenInfo, "introspection": s.serveIntrospection,
		"revocation": s.serveRevocation,
	}
	if s.kind.generic && s.facts.Opaque {
		handlers["userinfo"] = s.serveProfile
		handlers[s.facts.Question.Check] = s.serveQuestion
	}
	return handlers
}

// addresses are the provider's endpoints, by their names on latchkey's command line.
func (s *Server) addresses() map[string]string {
	at := s.description.Endpoints
	return map[string]string{
		"authorization": at.Authorization, "token": at.Token, "jwks": at.JWKS, "registration": at.Registration,
		"userinfo": at.UserInfo, "tokeninfo": at.TokenInfo, "introspection": at.Introspection, "revocation": at.Revocation,
	}
}

// placeOf is the path of an endpoint here, empty for none: the provider's own but where nothing
// keeps the provider's hosts from having the same paths.
func (s *Server) placeOf(endpoint string) string {
	address := s.addresses()[endpoint]
	if !s.kind.generic || s.description.Mode == oauth.Direct || address == "" {
		return pathOf(address)
	}
	place := "/" + endpoint
	if strings.Contains(address, facts.TokenPlaceholder) {
		place += "/" + facts.TokenPlaceholder
	}
	return place
}

// switchedOff reports whether an endpoint is one of an OAuth server that is off.
func (s *Server) switchedOff(place string) bool {
	return s.config.Dashboard.NoServer && strings.HasPrefix(place, "/auth/v1/oauth/")
}

// pathOf is the path of a URL, empty for none.
func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

func (s *Server) host() string { return fmt.Sprintf("127.0.0.1:%d", s.config.Port) }

// Origin is where the replica listens.
func (s *Server) Origin() string { return s.origin }

// Issuer is the provider's, byte for byte: with a slash at Auth0, of the real host for a provider
// in mode proxy.
func (s *Server) Issuer() string { return s.description.Issuer }

// Describe is what latchkey's provider says of itself, configured for this replica.
func (s *Server) Describe() oauth.Description { return s.description }

// Discovery are the places of documents that the spec names.
func (s *Server) Discovery() []string { return s.facts.Discovery }

// UserID is the user of the spec's first accepted token.
func (s *Server) UserID() string {
	id, _ := s.WantUser(s.Accepted()[0])["userId"].(string)
	return id
}

// NamesNoClient reports whether the provider's tokens do not say for which client they are.
func (s *Server) NamesNoClient() bool {
	claims := s.Accepted()[0].Claims
	return !slices.ContainsFunc(clientClaims, func(name string) bool { return claims[name] != nil })
}

// Authority is the file with the certificate to trust.
func (s *Server) Authority() string { return s.authority }

// Command is `latchkey serve`, with the endpoints at the replica where the provider is in mode
// proxy.
func (s *Server) Command(addr string) []string {
	var further []string
	if s.description.Mode == oauth.Proxy {
		for _, endpoint := range slices.Sorted(maps.Keys(s.addresses())) {
			if place := s.placeOf(endpoint); place != "" {
				further = append(further, "--endpoint", endpoint+"="+s.origin+place)
			}
		}
	}
	return harness.Serve(s.config.Provider, addr, further...)
}

// Environment configures latchkey's provider.
func (s *Server) Environment() []string {
	env := harness.Trusting(s)
	for _, field := range s.facts.Fields {
		if value := s.values[field.Name]; field.Env != "" && value != "" {
			env = append(env, field.Env+"="+value)
		}
	}
	return env
}

// Log is what the replica has logged so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logFile.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends the replica.
func (s *Server) Stop() {
	_ = s.http.Close()
	_ = s.logFile.Close()
}

// Asked are the parameters of the authorization requests so far.
func (s *Server) Asked() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Login signs in as the user, at this server and, where the resource server stands between, at its
// consent page.
func (s *Server) Login(ctx context.Context, authorizeURL string) (string, error) {
	browser, err := harness.NewBrowserFor(s)
	if err != nil {
		return "", err
	}
	return browser.Walk(ctx, authorizeURL, harness.Allow, s.signIn)
}

// signIn fills in the login page.
func (s *Server) signIn(page *harness.Page) (*harness.Form, error) {
	form, err := page.Form("password")
	if err == nil {
		form.Values.Set("username", userName)
		form.Values.Set("password", s.password)
	}
	return form, err
}
