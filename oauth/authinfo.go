package oauth

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// UserInfo is the person (or machine) behind a token, in one shape for every provider. A field that
// the provider's tokens do not carry is empty.
type UserInfo struct {
	// ID is the provider's stable identifier of the user, usually the sub claim. It is unique
	// within one issuer only.
	ID       string
	Email    string
	Name     string
	Username string
	Nickname string
	// Picture is a URL. It comes from the provider unchecked.
	Picture     string
	Roles       []string
	Permissions []string
	Scopes      []string
	// Extra holds the provider's further claims under the names that its page documents.
	Extra Claims
}

// MarshalJSON writes the user with the extra claims beside the common fields; a common field wins
// over an extra claim of its name. Empty fields are left out.
func (u UserInfo) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, 9)
	for name, value := range u.Extra.All() {
		out[name] = value
	}
	for name, value := range map[string]string{
		"userId": u.ID, "email": u.Email, "name": u.Name,
		"username": u.Username, "nickname": u.Nickname, "picture": u.Picture,
	} {
		if value != "" {
			out[name] = value
		}
	}
	for name, value := range map[string][]string{"roles": u.Roles, "permissions": u.Permissions, "scopes": u.Scopes} {
		if len(value) > 0 {
			out[name] = value
		}
	}
	return json.Marshal(out)
}

// AuthInfo is a verified caller. It may be shared by all requests that carry the same token: treat
// it as read-only.
type AuthInfo struct {
	// Provider is the short name of the provider that vouched for the caller.
	Provider string
	// Issuer and Subject together identify the caller; neither does alone (OpenID Connect Core
	// section 5.7).
	Issuer  string
	Subject string
	// ClientID is the OAuth client that obtained the token; empty where the provider's tokens do
	// not name it.
	ClientID string
	// Audience are the recipients that the token names.
	Audience []string
	// Resource is the canonical URL of the protected resource that accepted the token.
	Resource string
	// ExpiresAt is when the token ends.
	ExpiresAt time.Time

	User        UserInfo
	Scopes      []string
	Permissions []string

	// Claims are all claims of the token.
	Claims Claims
	// AccessToken is the token itself. It was made for this server: never send it to another one
	// (MCP authorization, "token passthrough").
	AccessToken Secret

	// Hierarchy lets broader scopes satisfy narrower needs. The guard sets it from its
	// configuration.
	Hierarchy ScopeHierarchy
}

// usualScopes is up to how many scopes are expanded without an allocation, on every request.
const usualScopes = 32

// HasAll reports whether the caller has every one of the given scopes or permissions.
func (a *AuthInfo) HasAll(needed ...string) bool {
	var few [usualScopes]string
	granted := a.Hierarchy.expand(few[:0], a.Scopes)
	for _, n := range needed {
		if !slices.Contains(granted, n) && !slices.Contains(a.Permissions, n) {
			return false
		}
	}
	return true
}

// HasAny reports whether the caller has at least one of the given scopes or permissions. It is
// false for an empty list.
func (a *AuthInfo) HasAny(needed ...string) bool {
	var few [usualScopes]string
	granted := a.Hierarchy.expand(few[:0], a.Scopes)
	for _, n := range needed {
		if slices.Contains(granted, n) || slices.Contains(a.Permissions, n) {
			return true
		}
	}
	return false
}

var (
	_ fmt.Formatter  = AuthInfo{}
	_ slog.LogValuer = AuthInfo{}
)

// Format prints who the caller is, whatever the verb. Without it a verb that does not fit, such as
// %s for a struct that holds a pointer to a caller, would make fmt print the fields as they are,
// the token included.
func (a AuthInfo) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "%s of %s", a.Subject, a.Issuer)
}

// LogValue logs who the caller is, without token and claims.
func (a AuthInfo) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("issuer", a.Issuer), slog.String("subject", a.Subject), slog.String("client_id", a.ClientID))
}
