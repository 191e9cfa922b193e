package verify

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// aboutTheToken are claims that only the provider's answer about a token may bring. A profile is
// about a person, who can often choose what stands in it.
var aboutTheToken = []string{
	"iss", "aud", "exp", "nbf", "iat", "jti", "active", "scope", "scp", "scopes", "client_id", "azp", "cid", "appid", "act",
	"may_act", "cnf", "typ", "token_type", "token_use", "expires_in", "expires_at",
}

// tokenMembers are what providers call the token, or a part of it, in answers about it.
var tokenMembers = []string{"token", "access_token", "refresh_token", "id_token", "hashed_token", "token_last_eight"}

// merge returns the claims of an answer and, where it has none, those of the profile. The token
// itself is left out: claims are handed around and written down in ways that no token is.
func merge(claims, profile oauth.Claims, token string) (oauth.Claims, error) {
	object := make([]byte, 0, 1024)
	add := func(name string, value json.RawMessage) error {
		if holdsToken(name, value, token) {
			return nil
		}
		label, err := json.Marshal(name)
		if err != nil {
			return err
		}
		object = append(append(append(append(object, ','), label...), ':'), value...)
		return nil
	}
	for name, value := range claims.All() {
		if profile.Has(name) && !claims.Has(name) && !slices.Contains(aboutTheToken, name) {
			continue // null gives way
		}
		if err := add(name, value); err != nil {
			return oauth.Claims{}, err
		}
	}
	for name, value := range profile.All() {
		if claims.Has(name) || !profile.Has(name) || slices.Contains(aboutTheToken, name) {
			continue
		}
		if err := add(name, value); err != nil {
			return oauth.Claims{}, err
		}
	}
	if len(object) == 0 {
		return oauth.Claims{}, nil
	}
	object[0] = '{'
	return oauth.ParseClaims(string(append(object, '}')))
}

// shortToken is a length below which a token may be a part of other text by chance.
const shortToken = 16

func holdsToken(name string, value json.RawMessage, token string) bool {
	if slices.Contains(tokenMembers, name) || len(token) >= shortToken && strings.Contains(string(value), token) {
		return true
	}
	var text string
	return len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &text) == nil && text == token
}
