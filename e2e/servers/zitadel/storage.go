package zitadel

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/latchkey-auth/latchkey/e2e/servers/host"
)

// storage keeps everything in memory.
type storage struct {
	user      host.User
	resources []string
	key       *ecdsa.PrivateKey
	lifetime  time.Duration // of access tokens

	mu       sync.Mutex
	clients  map[string]host.Client
	requests map[string]*login // by id
	codes    map[string]string // the login's id, by code
	grants   map[string]*grant // by refresh token
}

var (
	_ op.Storage                        = (*storage)(nil)
	_ op.CanGetPrivateClaimsFromRequest = (*storage)(nil)
	_ op.CanSetUserinfoFromRequest      = (*storage)(nil)
)

func newStorage(user host.User, resources []string, key *ecdsa.PrivateKey) *storage {
	return &storage{
		user: user, resources: resources, key: key,
		clients: map[string]host.Client{}, requests: map[string]*login{}, codes: map[string]string{}, grants: map[string]*grant{},
	}
}

func (s *storage) addClient(c host.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// login is an authorization request on its way to a code.
type login struct {
	*oidc.AuthRequest

	id, subject string
	audience    []string
	at          time.Time
}

var _ op.AuthRequest = (*login)(nil)

func (l *login) GetID() string         { return l.id }
func (l *login) GetACR() string        { return "" }
func (l *login) GetAMR() []string      { return []string{"pwd"} }
func (l *login) GetAudience() []string { return l.audience }
func (l *login) GetAuthTime() time.Time {
	return l.at
}
func (l *login) GetClientID() string { return l.ClientID }
func (l *login) GetCodeChallenge() *oidc.CodeChallenge {
	if l.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: l.CodeChallenge, Method: l.CodeChallengeMethod}
}
func (l *login) GetNonce() string                   { return l.Nonce }
func (l *login) GetRedirectURI() string             { return l.RedirectURI }
func (l *login) GetResponseType() oidc.ResponseType { return l.ResponseType }
func (l *login) GetResponseMode() oidc.ResponseMode { return l.ResponseMode }
func (l *login) GetScopes() []string                { return l.Scopes }
func (l *login) GetState() string                   { return l.State }
func (l *login) GetSubject() string                 { return l.subject }
func (l *login) Done() bool                         { return l.subject != "" }

// grant is what a refresh token stands for.
type grant struct {
	clientID, subject string
	audience, scopes  []string
	at                time.Time
}

var _ op.RefreshTokenRequest = (*grant)(nil)

func (g *grant) GetAMR() []string            { return []string{"pwd"} }
func (g *grant) GetAudience() []string       { return g.audience }
func (g *grant) GetAuthTime() time.Time      { return g.at }
func (g *grant) GetClientID() string         { return g.clientID }
func (g *grant) GetScopes() []string         { return g.scopes }
func (g *grant) GetSubject() string          { return g.subject }
func (g *grant) SetCurrentScopes(s []string) { g.scopes = s }

func (s *storage) CreateAuthRequest(ctx context.Context, request *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	l := &login{AuthRequest: request, id: rand.Text()}
	if resource, _ := ctx.Value(resourceKey{}).(string); resource != "" {
		if !slices.Contains(s.resources, resource) {
			return nil, &oidc.Error{ErrorType: "invalid_target", Description: "unknown resource"}
		}
		l.audience = []string{resource}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[l.id] = l
	return l, nil
}

// logIn notes that the user has shown who she is.
func (s *storage) logIn(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.requests[id]; l != nil {
		l.subject, l.at = s.user.ID, time.Now()
	}
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.requests[id]; l != nil {
		return l, nil
	}
	return nil, errors.New("unknown authorization request")
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	delete(s.codes, code) // good once
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

func (s *storage) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(s.lifetime), nil
}

// CreateAccessAndRefreshTokens rotates refresh tokens.
func (s *storage) CreateAccessAndRefreshTokens(_ context.Context, request op.TokenRequest, current string) (
	id, refreshToken string, expires time.Time, err error,
) {
	g := &grant{subject: request.GetSubject(), audience: request.GetAudience(), scopes: request.GetScopes(), at: time.Now()}
	if named, ok := request.(interface{ GetClientID() string }); ok {
		g.clientID = named.GetClientID()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.grants, current)
	refreshToken = rand.Text()
	s.grants[refreshToken] = g
	return rand.Text(), refreshToken, time.Now().Add(s.lifetime), nil
}

func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.grants[token]; g != nil {
		again := *g // the library narrows the scopes of what it gets
		return &again, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

func (s *storage) TerminateSession(_ context.Context, _, clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, g := range s.grants {
		if g.clientID == clientID {
			delete(s.grants, token)
		}
	}
	return nil
}

func (s *storage) RevokeToken(_ context.Context, token, _, clientID string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.grants[token]; g != nil && g.clientID == clientID {
		delete(s.grants, token)
	}
	return nil
}

func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (userID, tokenID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.grants[token]; g != nil {
		return g.subject, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

// signingKey is the one key pair.
type signingKey struct{ key *ecdsa.PrivateKey }

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k signingKey) Key() any                                    { return k.key }
func (k signingKey) ID() string                                  { return "only" }

// publicKey is its public half.
type publicKey struct{ key *ecdsa.PrivateKey }

func (k publicKey) ID() string                         { return "only" }
func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.key.PublicKey }

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return signingKey{s.key}, nil }

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) { return []op.Key{publicKey{s.key}}, nil }

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clients[id]; ok {
		return client{c}, nil
	}
	return nil, errors.New("unknown client")
}

// AuthorizeClientIDSecret refuses: no client has a secret.
func (s *storage) AuthorizeClientIDSecret(context.Context, string, string) error {
	return errors.New("no client has a secret")
}

// SetUserinfoFromScopes is the library's old form of SetUserinfoFromRequest, which it wants empty.
func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, _ op.IDTokenRequest, scopes []string) error {
	s.describe(info, scopes)
	return nil
}

func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, subject, _ string) error {
	if subject != s.user.ID {
		return errors.New("unknown user")
	}
	s.describe(info, scopes)
	return nil
}

func (s *storage) describe(info *oidc.UserInfo, scopes []string) {
	info.Subject = s.user.ID
	if slices.Contains(scopes, oidc.ScopeEmail) {
		info.Email, info.EmailVerified = s.user.Email, true
	}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		info.Name, info.PreferredUsername = s.user.Name, s.user.Username
	}
}

func (s *storage) SetIntrospectionFromToken(context.Context, *oidc.IntrospectionResponse, string, string, string) error {
	return errors.New("no client may introspect")
}

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, errors.New("the library calls GetPrivateClaimsFromRequest in its place")
}

// GetPrivateClaimsFromRequest adds the scope (RFC 9068 section 2.2.3), which the library leaves out
// of access tokens.
func (s *storage) GetPrivateClaimsFromRequest(_ context.Context, request op.TokenRequest, _ []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(request.GetScopes(), " ")}, nil
}

func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errors.New("no client has a key")
}

func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errors.New("no client has a key")
}

func (s *storage) Health(context.Context) error { return nil }
