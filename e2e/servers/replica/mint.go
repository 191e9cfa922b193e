package replica

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/gen/specfacts"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/providertest"
)

// clientClaims are where access tokens name the client.
var clientClaims = []string{"client_id", "azp", "cid"}

// issued is an access token that the replica remembers.
type issued struct{ claims, profile map[string]any }

// Accepted are the tokens that the spec says must pass, Rejected those that must not.
func (s *Server) Accepted() []specfacts.Token { return s.facts.Accept }

// Rejected are the tokens that the spec says must not pass.
func (s *Server) Rejected() []specfacts.Token { return s.facts.Reject }

// WantUser is the user that the spec wants of a token.
func (s *Server) WantUser(token specfacts.Token) map[string]any {
	user, _ := s.expand(token.User).(map[string]any)
	return user
}

// Give makes the logins from now on end with a token of the spec, byte for byte as it stands there.
// Nil goes back to the user's own: the first accepted token, for the client and with the scopes of
// the login.
func (s *Server) Give(token *specfacts.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = token
}

// Throttle makes the tokeninfo endpoint answer that it is asked too often, or ends that.
func (s *Server) Throttle(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttled = on
}

// Issue makes a token of the spec without a login.
func (s *Server) Issue(token specfacts.Token) (string, error) {
	return s.make(token.Header, s.claims(token), token.Profile)
}

// access makes the access token of a login.
func (s *Server) access(g *grant) (string, error) {
	s.mu.Lock()
	next := s.next
	s.mu.Unlock()
	if next != nil {
		return s.Issue(*next)
	}
	token := s.Accepted()[0]
	claims := s.claims(token)
	for _, name := range clientClaims {
		if claims[name] != nil {
			claims[name] = g.client.id
		}
	}
	scopes := s.scopeNames(g.scopes)
	for _, name := range s.facts.ScopeClaims {
		switch claims[name].(type) {
		case string:
			claims[name] = strings.Join(scopes, map[bool]string{true: ",", false: " "}[s.facts.CommaScopes])
		case []any:
			claims[name] = scopes
		}
	}
	if s.kind.generic && s.description.Mode == oauth.Direct && len(s.facts.ScopeClaims) > 0 {
		claims[s.facts.ScopeClaims[0]] = strings.Join(scopes, " ")
	}
	if g.audience != nil {
		claims["aud"] = g.audience
	}
	claims["jti"] = randomName() // two tokens of one second differ
	if s.kind.shape != nil {
		s.kind.shape(s, g, claims)
	}
	if g.opaque {
		return s.remember(s.kind.opaquePrefix+randomName(), claims, token.Profile), nil
	}
	access, err := s.make(token.Header, claims, token.Profile)
	if err == nil && s.config.Dashboard.EncryptedTokens {
		return encrypted(access), nil
	}
	return access, err
}

// idToken makes the ID token of a login.
func (s *Server) idToken(g *grant) (string, error) {
	access := s.claims(s.Accepted()[0])
	claims := map[string]any{
		"iss": cmp.Or(access["iss"], any(s.Issuer())), "sub": cmp.Or(access["sub"], any("user-1")), "aud": g.client.id,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if nonce := g.request.Get("nonce"); nonce != "" {
		claims["nonce"] = nonce
	}
	return s.sign(s.ownKey(), map[string]any{"typ": "JWT"}, claims)
}

// make makes an access token in the provider's form.
func (s *Server) make(header, claims, profile map[string]any) (string, error) {
	if s.facts.Opaque {
		return s.remember(s.kind.opaquePrefix+randomName(), claims, profile), nil
	}
	members := map[string]any{"typ": "JWT"}
	maps.Copy(members, header)
	if s.kind.header != nil {
		s.kind.header(s, members)
	}
	key := s.ownKey()
	if s.config.Dashboard.SharedSecret {
		key = s.keys["HS256"]
	}
	if name, ok := header["alg"].(string); ok {
		var err error
		if key = s.keys[jose.Algorithm(name)]; key == nil { // a secret, say, of which latchkey knows nothing
			key, err = jose.GenerateKey(jose.Algorithm(name), s.kind.keyPrefix+randomName())
		}
		if err != nil {
			return "", err
		}
	}
	token, err := s.sign(key, members, claims)
	if err != nil {
		return "", err
	}
	return s.remember(token, claims, profile), nil
}

func (s *Server) sign(key *jose.SigningKey, header, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return key.Sign(header, payload)
}

// remember keeps what the provider will say of a token.
func (s *Server) remember(token string, claims, profile map[string]any) string {
	user := map[string]any{"sub": claims["sub"]}
	for _, name := range []string{"email", "email_verified", "name"} {
		if claims[name] != nil {
			user[name] = claims[name]
		}
	}
	own, _ := s.expand(profile).(map[string]any)
	maps.Copy(user, own)
	if s.kind.generic && s.facts.Opaque {
		user = s.profile(claims, profile)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued[token] = issued{claims, user}
	return token
}

// claims are all claims of a token of the spec: those that differ from the usual, which are the
// same as in the spec's generated test.
func (s *Server) claims(token specfacts.Token) map[string]any {
	if s.kind.generic && s.facts.Opaque {
		return s.answer(token)
	}
	now := time.Now()
	until := now.Add(s.lifetime()).Unix()
	claims := map[string]any{"sub": "user-1"}
	if s.facts.Opaque {
		for _, name := range s.facts.ClientClaims {
			claims[name] = s.values[s.facts.ClientID]
		}
		// Times are texts at the one such provider.
		claims["exp"], claims["expires_in"] = strconv.FormatInt(until, 10), strconv.Itoa(int(s.lifetime()/time.Second))
	} else {
		claims["iss"], claims["iat"], claims["exp"] = s.Issuer(), now.Unix(), until
		if audience := s.audience(); audience != "" {
			claims[s.facts.AudienceClaim] = audience
		}
	}
	own, _ := s.expand(token.Claims).(map[string]any)
	if s.kind.issuer != nil {
		claims["iss"] = s.kind.issuer(s, own)
	}
	for name, value := range own {
		claims[name] = s.since(name, value, now)
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// since is a claim's value, which moves with the time of the spec's test: a replica's tokens are
// issued now.
func (s *Server) since(name string, value any, now time.Time) any {
	by := now.Sub(providertest.Now())
	if at, ok := value.(int64); ok && s.facts.Question.Expiry[name] == "seconds_or_milliseconds" && at > 1e11 {
		return at + by.Milliseconds() // as the language tells them apart
	}
	switch format := s.facts.Question.Expiry[name]; {
	case slices.Contains([]string{"exp", "nbf", "iat"}, name) || strings.HasPrefix(format, "seconds") && format != "seconds_from_now":
		return moved(value, by)
	case format == "rfc3339":
		text, _ := value.(string)
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return at.Add(by).Format(time.RFC3339)
		}
	}
	return value
}

// moved is a time, in seconds since 1970 as a number or text, at another time.
func moved(value any, by time.Duration) any {
	switch at := value.(type) {
	case int:
		return at + int(by/time.Second)
	case int64:
		return at + int64(by/time.Second)
	case float64:
		return at + by.Seconds()
	case string:
		if seconds, err := strconv.ParseInt(at, 10, 64); err == nil {
			return strconv.FormatInt(seconds+int64(by/time.Second), 10)
		}
	}
	return value
}

// audience is what the provider's tokens for this server name.
func (s *Server) audience() string {
	if s.description.Audience == "" && !s.facts.IssuerBound {
		return s.config.Resource
	}
	return s.description.Audience
}

// expand replaces the placeholders in all texts of a value of the spec.
func (s *Server) expand(value any) any {
	switch v := value.(type) {
	case string:
		own := []string{"{issuer}", s.Issuer(), "{audience}", s.audience(), "{resource}", s.config.Resource}
		return strings.NewReplacer(append(own, s.moved...)...).Replace(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = s.expand(v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			object[name] = s.expand(member)
		}
		return object
	default:
		return value
	}
}
