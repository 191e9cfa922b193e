package devidp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
)

// Server is a running identity provider as an http.Handler. Its methods are safe for concurrent
// use.
type Server struct {
	config Config
	// base is the issuer without a trailing slash; endpoints are below it.
	base   string
	path   string
	mux    *http.ServeMux
	keys   *keyRing
	state  *state
	cross  *http.CrossOriginProtection
	faults atomic.Pointer[Faults]
	// stopping ends artificial delays when the server shuts down.
	stopping chan struct{}
	stop     func()
	// documents is nil where client ID metadata documents are off.
	documents *documentFetcher
}

// New builds a server. It refuses an issuer that is not loopback, and reports all problems of the
// configuration at once.
func New(config Config) (*Server, error) {
	config, err := config.resolved()
	if err != nil {
		return nil, fmt.Errorf("devidp: %w", err)
	}
	keys, err := newKeyRing(config.Algorithm)
	if err != nil {
		return nil, fmt.Errorf("devidp: %w", err)
	}
	base := strings.TrimSuffix(config.Issuer, "/")
	issuer, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("devidp: issuer: %w", err)
	}
	s := &Server{
		config: config, base: base, path: issuer.Path, mux: http.NewServeMux(),
		keys: keys, state: newState(config.Now), cross: http.NewCrossOriginProtection(),
	}
	s.faults.Store(&Faults{})
	s.stopping = make(chan struct{})
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	if config.MetadataClient != nil {
		s.documents = newDocumentFetcher(config.MetadataClient, s.clientRules(), config.Now)
	}
	for _, c := range config.Clients {
		if err := s.AddClient(c); err != nil {
			return nil, err
		}
	}
	for _, r := range s.routes() {
		handler := s.endpoint(r)
		for _, path := range r.paths {
			s.mux.Handle(path, handler)
		}
	}
	config.Logger.Warn("devidp is an identity provider for development and tests only: anybody who reaches it can log in "+
		"as anybody, without a password", "issuer", config.Issuer)
	return s, nil
}

// Issuer returns the issuer identifier, byte for byte as tokens carry it.
func (s *Server) Issuer() string { return s.config.Issuer }

// Format prints the issuer, whatever the verb: the server's inside holds keys and the secrets of
// clients.
func (s *Server) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "devidp at %s", s.config.Issuer)
}

// URL returns the address of a path below the issuer: URL("/token"), or
// URL("/.well-known/openid-configuration").
func (s *Server) URL(path string) string { return s.base + path }

// Endpoint names what a request is for. [Faults] can be limited to some of them.
type Endpoint string

// The endpoints. Login and consent pages count as EndpointAuthorize.
const (
	EndpointMetadata   Endpoint = "metadata"
	EndpointJWKS       Endpoint = "jwks"
	EndpointAuthorize  Endpoint = "authorize"
	EndpointToken      Endpoint = "token"
	EndpointRegister   Endpoint = "register"
	EndpointUserInfo   Endpoint = "userinfo"
	EndpointIntrospect Endpoint = "introspect"
	EndpointRevoke     Endpoint = "revoke"
)

// The paths below the issuer.
const (
	pathAuthorize  = "/authorize"
	pathLogin      = "/login"
	pathConsent    = "/consent"
	pathToken      = "/token"
	pathJWKS       = "/jwks"
	pathRegister   = "/register"
	pathUserInfo   = "/userinfo"
	pathIntrospect = "/introspect"
	pathRevoke     = "/revoke"
)

type route struct {
	endpoint Endpoint
	paths    []string
	methods  []string
	// scripts reports whether pages of other loopback origins may call it (CORS).
	scripts bool
	handle  http.HandlerFunc
}

func (s *Server) routes() []route {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	both := slices.Concat(get, post)
	below := func(path string) []string { return []string{s.path + path} }

	routes := []route{
		{EndpointMetadata, s.metadataPaths(), get, true, s.serveMetadata},
		{EndpointJWKS, below(pathJWKS), get, true, s.serveJWKS},
		{EndpointAuthorize, below(pathAuthorize), both, false, s.serveAuthorize},
		{EndpointAuthorize, below(pathLogin), both, false, s.serveLogin},
		{EndpointAuthorize, below(pathConsent), both, false, s.serveConsent},
		{EndpointToken, below(pathToken), post, true, s.serveToken},
		{EndpointUserInfo, below(pathUserInfo), both, true, s.serveUserInfo},
		{EndpointIntrospect, below(pathIntrospect), post, true, s.serveIntrospect},
		{EndpointRevoke, below(pathRevoke), post, true, s.serveRevoke},
		{EndpointMetadata, below("/{$}"), get, false, s.serveIndex},
	}
	if !s.config.DisableRegistration {
		routes = append(routes, route{EndpointRegister, below(pathRegister), post, true, s.serveRegister})
	}
	return routes
}

// maxBody bounds every request body; registrations have a limit of their own.
const maxBody = 64 << 10

// endpoint wraps a route's handler with what all of them need.
func (s *Server) endpoint(r route) http.Handler {
	allow := strings.Join(append(slices.Clone(r.methods), http.MethodOptions), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.scripts && allowScripts(w, req, allow) {
			return
		}
		if !slices.Contains(r.methods, req.Method) {
			w.Header().Set("Allow", allow)
			s.refuse(w, req, &oauth.Error{
				Code: oauth.CodeInvalidRequest, Status: http.StatusMethodNotAllowed, Reason: oauth.ReasonMethod,
				Description: "This endpoint does not know the method " + quoted(req.Method),
			})
			return
		}
		if s.misbehave(w, req, r.endpoint) {
			return
		}
		req.Body = http.MaxBytesReader(w, req.Body, maxBody)
		r.handle(w, req)
	})
}

// ServeHTTP answers one request. Requests from other machines, and with a Host or Origin that is
// not this machine, get 403: a page on the Internet must not reach a server on somebody's laptop by
// DNS rebinding.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.recoverPanic(w, r)
	header := w.Header()
	header.Set("Server", "devidp (development only)")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Origin")
	if reason := foreign(r); reason != "" {
		e := &oauth.Error{
			Code: oauth.CodeAccessDenied, Status: http.StatusForbidden, Reason: oauth.ReasonForeignOrigin,
			Description: "This development server answers requests from its own machine only",
			Cause:       errors.New(reason),
		}
		s.logRefusal(r, e)
		writeError(w, e.Status, e)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) recoverPanic(w http.ResponseWriter, r *http.Request) {
	switch cause := recover(); cause {
	case nil:
	case http.ErrAbortHandler: // net/http's own way to cut a connection
		panic(cause)
	default:
		s.config.Logger.Error("devidp: panic in a handler", "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
		s.refuse(w, r, oauth.AsError(errors.New("panic")))
	}
}

// refuse answers an error in the shape of RFC 6749 section 5.2 and logs its reason.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := oauth.AsError(err)
	s.logRefusal(r, e)
	httpanswer.RetryAfter(w.Header(), e.RetryAfter)
	status := e.Status
	if s.faults.Load().ErrorsAsSuccess {
		status = http.StatusOK
	}
	writeError(w, status, e)
}

func writeError(w http.ResponseWriter, status int, e *oauth.Error) {
	httpanswer.JSON(w, status, oauth.ErrorResponse{Error: e.Code, ErrorDescription: e.Description})
}

func (s *Server) logRefusal(r *http.Request, e *oauth.Error) {
	attributes := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", e.Status),
		slog.String("error", string(e.Code)), slog.String("reason", string(e.Reason)), slog.String("description", e.Description),
	}
	if e.Cause != nil {
		attributes = append(attributes, slog.Any("cause", e.Cause))
	}
	s.config.Logger.LogAttrs(r.Context(), slog.LevelInfo, "devidp: request refused", attributes...)
}
