package verify

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// IntrospectionConfig says how tokens are checked by token introspection (RFC 7662).
type IntrospectionConfig struct {
	OpaqueConfig
	facts.Introspection

	// URL is the introspection endpoint. Required.
	URL string
	// AssertionAudience is whom assertions of [facts.AuthPrivateKeyJWT] are for: the provider's token endpoint or its
	// issuer. Required for that method.
	AssertionAudience string
}

// defaultTokenTypes are how providers call an access token that whoever holds it may use.
var defaultTokenTypes = []string{"Bearer", "access_token", "urn:ietf:params:oauth:token-type:access_token"}

// NewIntrospection returns a verifier that asks the provider's introspection endpoint. An error names what is wrong or
// missing.
//
// A token is accepted if the answer's active is the JSON value true and everything else that the answer says is in order:
// exp and token_type (both required), nbf, iat, iss, the binding. An answer that is none by RFC 7662 is an outage, not a refusal.
func NewIntrospection(config IntrospectionConfig) (*Opaque, error) {
	if config.AuthMethod == "" {
		config.AuthMethod = facts.AuthBasic
	}
	types := config.TokenTypes
	if len(types) == 0 {
		types = defaultTokenTypes
	}
	return newOpaque(config.OpaqueConfig, strategy{
		endpoint: endpoint{
			name: "the introspection endpoint", kind: "introspection", url: config.URL, place: facts.TokenInForm, parameter: "token",
			extra:       url.Values{"token_type_hint": {"access_token"}},
			credentials: config.Credentials, audience: config.AssertionAudience,
			// unsupported_token_type (RFC 7009 section 2.2.1) is what node-oidc-provider says of its own JWTs, which it does
			// not introspect: an ID token, for one.
			invalidErrors: []string{string(oauth.CodeInvalidToken), "unsupported_token_type"},
		},
		inspect: func(claims oauth.Claims, c clock) (time.Time, error) {
			if err := inspectIntrospection(claims, c, types, config.NoTokenType == ""); err != nil {
				return time.Time{}, err
			}
			return c.expiry(claims, config.NoExpiry == "")
		},
	})
}

func inspectIntrospection(claims oauth.Claims, c clock, types []string, typed bool) error {
	active, ok := claims.Bool("active")
	switch {
	case !ok:
		return oauth.Unavailable(defaultRetry, errors.New(
			"the introspection endpoint's answer lacks active, true or false (RFC 7662 section 2.2): is it the right address?"))
	case !active:
		return oauth.InvalidToken(oauth.ReasonInactive, errors.New("the provider says that the token is not active"))
	}
	if err := bearerAccessToken(claims, types); err != nil {
		return err
	}
	if typed && !saysAccessToken(claims, types) {
		return oauth.InvalidToken(oauth.ReasonTokenType, errors.New(
			"the introspection endpoint's answer does not say what kind of token it describes (token_type, token_use or typ): "+
				"it may be a refresh token; have the provider say it, or not describe refresh tokens, and give that reason in NoTokenType"))
	}
	return c.start(claims)
}

// saysAccessToken reports whether an answer in which nothing speaks against an access token also calls it one.
func saysAccessToken(claims oauth.Claims, types []string) bool {
	return claims.Has("token_type") || strings.HasPrefix(claims.String("token_use"), "access") ||
		containsFold(types, claims.String("typ"))
}

// bearerAccessToken refuses the provider's other tokens, which introspection describes as well, and those that are bound to
// a client's key.
func bearerAccessToken(claims oauth.Claims, types []string) error {
	if typ := claims.String("token_type"); claims.Has("token_type") && !containsFold(types, typ) {
		if containsFold([]string{"DPoP", "PoP"}, typ) {
			return senderConstrained("token_type " + typ)
		}
		return oauth.InvalidToken(oauth.ReasonTokenType, fmt.Errorf("the token's token_type is %s, accepted are %q", quote(typ), types))
	}
	if use := claims.String("token_use"); strings.HasPrefix(use, "refresh") || strings.HasPrefix(use, "id") {
		return oauth.InvalidToken(oauth.ReasonTokenType, fmt.Errorf("token_use is %s, not an access token", quote(use)))
	}
	return accessTokenShaped(claims, false)
}

func containsFold(list []string, s string) bool {
	for _, entry := range list {
		if equalFoldASCII(entry, s) {
			return true
		}
	}
	return false
}
