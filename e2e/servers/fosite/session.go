package fosite

import (
	"maps"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"
)

// session is what the library keeps of a login, for ID tokens and for JWT access tokens.
type session struct {
	openid.DefaultSession

	// ClientID is the application.
	ClientID string
}

var (
	_ oauth2.JWTSessionContainer = (*session)(nil)
	_ openid.Session             = (*session)(nil)
)

func newSession(user, clientID string) *session {
	now := time.Now().UTC()
	return &session{ClientID: clientID, DefaultSession: openid.DefaultSession{
		Subject: user, Headers: &jwt.Headers{Extra: map[string]any{"kid": keyID}},
		Claims: &jwt.IDTokenClaims{Subject: user, AuthTime: now, RequestedAt: now},
	}}
}

// GetJWTClaims are what an access token says beyond what the library adds.
func (s *session) GetJWTClaims() jwt.JWTClaimsContainer {
	return &jwt.JWTClaims{Subject: s.Subject, Extra: map[string]any{"client_id": s.ClientID}}
}

// GetJWTHeader makes an access token one of RFC 9068 (section 2.1).
func (s *session) GetJWTHeader() *jwt.Headers {
	return &jwt.Headers{Extra: map[string]any{"kid": keyID, "typ": "at+jwt"}}
}

// Clone implements fosite.Session: what is changed later must not change what is stored.
func (s *session) Clone() fosite.Session {
	clone := *s
	clone.ExpiresAt = maps.Clone(s.ExpiresAt)
	if s.Headers != nil {
		clone.Headers = &jwt.Headers{Extra: maps.Clone(s.Headers.Extra)}
	}
	if s.Claims != nil {
		claims := *s.Claims
		claims.Extra = maps.Clone(claims.Extra)
		clone.Claims = &claims
	}
	return &clone
}
