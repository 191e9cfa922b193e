package verify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// IntrospectionConfig says how tokens are checked by token introspection (RFC 7662).
type IntrospectionConfig struct {
	OpaqueConfig
	facts.Introspection

	// URL is the introspection endpoint. Required.
	URL string
	// AssertionAudience is whom assertions of [facts.AuthPrivateKeyJWT] are for: the provider's
	// token endpoint or its issuer. Required for that method.
	AssertionAudience string
}

// defaultTokenTypes are how providers call an access token that whoever holds it may use.
var defaultTokenTypes = []string{"Bearer", "access_token", "urn:ietf:params:oauth:token-type:access_token"}

// NewIntrospection returns a verifier that asks the provider's introspection endpoint. An error
// names what is wrong or missing.
//
// A token is accepted if the answer's active is the JSON value true and everything else that the
// answer says is in order: exp and token_type (both required), nbf, iat, iss, the binding. An
// answer that is none by RFC 7662 is an outage, not a refusal.
func NewIntrospection(config IntrospectionConfig) (*Opaque, error) {
	if config.AuthMethod == "" {
		config.AuthMethod = facts.AuthBasic
	}
	types := config.TokenTypes
	if len(types) == 0 {
		types = defaultTokenTypes
	}
	end, err := endOfActive(config.Expiry, config.NoExpiry == "")
	if err != nil {
		return nil, fmt.Errorf("the introspection endpoint: %w", err)
	}
	return newOpaque(config.OpaqueConfig, strategy{
		endpoint: endpoint{
			name: "the introspection endpoint", kind: "introspection", call: (*upstream.Gate).Introspection, url: config.URL, place: facts.TokenInForm, parameter: "token",
			extra:       url.Values{"token_type_hint": {"access_token"}},
			credentials: config.Credentials, audience: config.AssertionAudience,
			// unsupported_token_type (RFC 7009 section 2.2.1) is what node-oidc-provider says of
			// its own JWTs, which it does not introspect: an ID token, for one.
			invalidErrors: []string{string(oauth.CodeInvalidToken), "unsupported_token_type"},
		},
		checks: checkTable{
			{id: checkActive, needs: []string{checkAnswer}, run: activeByIntrospection},
			{id: checkKind, needs: []string{checkActive}, values: tokenTypeValues(types), run: func(_ context.Context, in *inspection) error {
				return describedAccessToken(in.claims, types, config.NoTokenType == "")
			}},
			{id: checkNotBefore, needs: []string{checkActive}, run: notBefore, values: notBeforeValues},
			{id: checkIssuedAt, needs: []string{checkActive}, run: issuedAt, values: issuedAtValues},
			end,
		},
	})
}

// endOfActive is the check of exp and of what stands in its place.
func endOfActive(list []facts.Expiry, required bool) (check, error) {
	if len(list) == 0 {
		return check{id: checkExpiry, needs: []string{checkActive}, run: expiryOf(required), values: expiryValues}, nil
	}
	ends, err := compileExpiry(append([]facts.Expiry{{Claim: "exp", Format: facts.ExpirySeconds}}, list...), required)
	return ends.asCheck(), err
}

// activeByIntrospection checks active (RFC 7662 section 2.2).
func activeByIntrospection(_ context.Context, in *inspection) error {
	active, ok := in.claims.Bool("active")
	switch {
	case !ok:
		return oauth.Unavailable(defaultRetry, errors.New(
			"the introspection endpoint's answer lacks active, true or false (RFC 7662 section 2.2): is it the right address?"))
	case !active:
		return notActive()
	}
	return nil
}

func notActive() error {
	return refuse(oauth.ReasonInactive, "the provider says that the token is not active",
		"It has expired, was revoked, or is of another provider: the client must log in again")
}

// describedAccessToken refuses an answer that describes another token than an access token or,
// where typed is set, that does not say what it describes.
func describedAccessToken(claims oauth.Claims, types []string, typed bool) error {
	if err := bearerAccessToken(claims, types); err != nil {
		return err
	}
	if typed && !saysAccessToken(claims, types) {
		return refuse(oauth.ReasonTokenType,
			"the introspection endpoint's answer does not say what kind of token it describes (token_type, token_use or typ): "+
				"it may be a refresh token", "Have the provider say it, or not describe refresh tokens, and give that reason in NoTokenType")
	}
	return nil
}

// tokenTypeValues shows an answer's token_type.
func tokenTypeValues(types []string) func(*inspection) (got, want []string) {
	return func(in *inspection) (got, want []string) { return in.claims.Strings("token_type"), types }
}

// saysAccessToken reports whether an answer in which nothing speaks against an access token also
// calls it one.
func saysAccessToken(claims oauth.Claims, types []string) bool {
	return claims.Has("token_type") || strings.HasPrefix(claims.String("token_use"), "access") ||
		containsFold(types, claims.String("typ"))
}

// bearerAccessToken refuses the provider's other tokens, which introspection describes as well, and
// those that are bound to a client's key.
func bearerAccessToken(claims oauth.Claims, types []string) error {
	if typ := claims.String("token_type"); claims.Has("token_type") && !containsFold(types, typ) {
		if containsFold([]string{"DPoP", "PoP"}, typ) {
			return senderConstrained("token_type " + typ)
		}
		return refuse(oauth.ReasonTokenType, fmt.Sprintf("the token's token_type is %s, accepted are %q", quote(typ), types), "")
	}
	if use := claims.String("token_use"); strings.HasPrefix(use, "refresh") || strings.HasPrefix(use, "id") {
		return refuse(oauth.ReasonTokenType, fmt.Sprintf("token_use is %s, not an access token", quote(use)), "")
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
