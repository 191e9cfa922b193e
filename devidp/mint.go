package devidp

import (
	"cmp"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The typ header values of RFC 9068 section 2.1 and of ID tokens.
const (
	typeAccess = "at+jwt"
	typeID     = "JWT"
)

// TokenRequest says what access token to make without any login.
type TokenRequest struct {
	// User is the username. Without one the token is a machine's: its subject is ClientID, which is
	// then required.
	User string
	// Audience is the aud claim: usually the one resource that the token is for. The default is the
	// configuration's.
	Audience []string
	// Scope is space-separated. Empty gives a token without scope.
	Scope string
	// ClientID is the client_id claim; it need not be registered. The default is "devidp-direct".
	ClientID string
	// ExpiresIn is the token's lifetime. Zero means the configuration's; a negative one gives a
	// token that has expired.
	ExpiresIn time.Duration
	// Claims are added and replace what would be there; a nil value leaves a claim out. They are
	// only for tests of what reads the token: userinfo and introspection go by the other fields.
	Claims map[string]any
	// Header does the same with the JWS header. The signature stays one of the server's own key and
	// algorithm.
	Header map[string]any
}

// Mint makes an access token without any login, in the configured format.
func (s *Server) Mint(request TokenRequest) (string, error) {
	audience := request.Audience
	if len(audience) == 0 {
		audience = []string{s.config.DefaultAudience}
	}
	g, err := s.mintedGrant(request, audience)
	if err != nil {
		return "", fmt.Errorf("devidp: %w", err)
	}
	token, err := s.makeAccess(accessRequest{
		grant: g, scopes: g.scopes, audience: audience, opaque: s.opaque(len(request.Audience) > 0),
		lifetime: cmp.Or(request.ExpiresIn, s.config.AccessTokenLifetime), claims: request.Claims, header: request.Header,
	})
	if err != nil {
		return "", fmt.Errorf("devidp: %w", err)
	}
	return token, nil
}

// mintedGrant is the grant that a token without a login comes from.
func (s *Server) mintedGrant(request TokenRequest, audience []string) (*grant, error) {
	scopes := oauth.ParseScope(request.Scope)
	if request.User == "" {
		if request.ClientID == "" {
			return nil, errors.New("a token needs the username of a user, or the client_id of a machine")
		}
		return machineGrant(request.ClientID, scopes, audience), nil
	}
	user, ok := s.user(request.User)
	if !ok {
		return nil, fmt.Errorf("no user has the username %q", request.User)
	}
	return &grant{
		clientID: cmp.Or(request.ClientID, "devidp-direct"), user: user, scopes: scopes, resources: audience, authTime: s.config.Now(),
	}, nil
}

// opaque reports whether the next access token is no JWT.
func (s *Server) opaque(withResource bool) bool {
	return s.config.AccessTokens == Opaque || s.config.AccessTokens == OpaqueWithoutResource && !withResource
}

func (s *Server) issueAccess(i issue) (string, error) {
	audience := i.resources
	if len(audience) == 0 || s.faults.Load().IgnoreResource {
		audience = []string{s.config.DefaultAudience}
	}
	return s.makeAccess(accessRequest{
		grant: i.grant, scopes: i.scopes, audience: audience, opaque: s.opaque(len(i.resources) > 0),
		lifetime: s.config.AccessTokenLifetime,
	})
}

// accessRequest is everything that an access token is made from.
type accessRequest struct {
	grant    *grant
	scopes   []string
	audience []string
	opaque   bool
	lifetime time.Duration
	// claims and header override.
	claims map[string]any
	header map[string]any
}

// makeAccess makes an access token and remembers it for userinfo, introspection and revocation.
func (s *Server) makeAccess(a accessRequest) (string, error) {
	now := s.config.Now()
	expires := now.Add(a.lifetime)
	claims := userClaims(a.grant.user, a.scopes)
	maps.Copy(claims, map[string]any{
		"iss": s.config.Issuer, "sub": a.grant.user.ID, "aud": oneOrMany(a.audience), "client_id": a.grant.clientID,
		"iat": now.Unix(), "exp": expires.Unix(), "jti": randomText(),
	})
	if !a.grant.machine() {
		claims["auth_time"] = a.grant.authTime.Unix()
	}
	if len(a.scopes) > 0 {
		claims["scope"] = strings.Join(a.scopes, " ")
	}
	record := &accessToken{grant: a.grant, claims: maps.Clone(claims), scopes: a.scopes}
	maps.Copy(claims, a.claims)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })

	token := randomText()
	if !a.opaque {
		var err error
		if token, err = s.keys.sign(typeAccess, a.header, claims); err != nil {
			return "", err
		}
	}
	s.state.putAccess(token, record, expires)
	return token, nil
}

// oneOrMany is how RFC 7519 section 4.1.3 spells an audience.
func oneOrMany(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

// userClaims are the claims about a user that some scopes give (OpenID Connect Core section 5.4),
// with those that decide about access (RFC 9068 section 2.2.3.1).
func userClaims(u User, scopes []string) map[string]any {
	claims := make(map[string]any, len(u.Claims)+16)
	maps.Copy(claims, u.Claims)
	set := func(name, value string) {
		if value != "" {
			claims[name] = value
		}
	}
	if slices.Contains(scopes, "profile") {
		set("preferred_username", u.Username)
		set("name", u.Name)
		set("picture", u.Picture)
	}
	if slices.Contains(scopes, "email") && u.Email != "" {
		claims["email"], claims["email_verified"] = u.Email, u.EmailVerified
	}
	if len(u.Roles) > 0 {
		claims["roles"] = u.Roles
	}
	if len(u.Permissions) > 0 {
		claims["permissions"] = u.Permissions
	}
	return claims
}

// issueID makes an ID token (OpenID Connect Core section 2).
func (s *Server) issueID(i issue, access string) (string, error) {
	now := s.config.Now()
	claims := userClaims(i.grant.user, i.scopes)
	maps.Copy(claims, map[string]any{
		"iss": s.config.Issuer, "sub": i.grant.user.ID, "aud": i.client.id, "azp": i.client.id, "iat": now.Unix(),
		"exp": now.Add(s.config.AccessTokenLifetime).Unix(), "auth_time": i.grant.authTime.Unix(),
		"at_hash": s.halfHash(access),
	})
	if i.nonce != "" {
		claims["nonce"] = i.nonce
	}
	token, err := s.keys.sign(typeID, nil, claims)
	if err != nil {
		return "", fmt.Errorf("devidp: ID token: %w", err)
	}
	return token, nil
}

// halfHash is the at_hash of OpenID Connect Core section 3.1.3.6. Ed25519 goes with SHA-512.
func (s *Server) halfHash(token string) string {
	if s.config.Algorithm == EdDSA {
		digest := sha512.Sum512([]byte(token))
		return base64.RawURLEncoding.EncodeToString(digest[:sha512.Size/2])
	}
	digest := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(digest[:sha256.Size/2])
}
