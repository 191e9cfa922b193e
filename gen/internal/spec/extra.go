package spec

import "github.com/latchkey-auth/latchkey/gen/internal/names"

// The types of extra claims.
const (
	ClaimString  = "string"
	ClaimStrings = "strings"
	ClaimBool    = "bool"
	ClaimNumber  = "number"
	ClaimTime    = "time"
	ClaimObject  = "object"
	ClaimJSON    = "json"
)

// registered are the types of claims that OpenID Connect Core sections 2 and 5.1, RFC 7519, RFC
// 7800 and RFC 9068 define. updated_at is left to each spec: it is a number there, and a text at
// several providers.
var registered = map[string]string{
	"acr": ClaimString, "act": ClaimObject, "address": ClaimObject, "amr": ClaimStrings, "auth_time": ClaimTime,
	"cnf": ClaimObject, "email_verified": ClaimBool, "entitlements": ClaimStrings, "exp": ClaimTime,
	"groups": ClaimStrings, "iat": ClaimTime, "nbf": ClaimTime, "phone_number_verified": ClaimBool,
}

// UserName is the claim's name for the user.
func (e *Extra) UserName() string {
	if e.As != "" {
		return e.As
	}
	return e.Claim
}

// GoName is the claim's name in Go, empty where none can be made.
func (e *Extra) GoName() string {
	if e.Go != "" {
		return e.Go
	}
	return names.Exported(e.UserName())
}

// GoType is the claim's type as the spec or its registration says.
func (e *Extra) GoType() string {
	if e.Type != "" {
		return e.Type
	}
	if t, ok := registered[e.Claim]; ok {
		return t
	}
	return ClaimString
}

// ClaimNames are the claims that may hold the granted scopes: the spec's, or scope (RFC 9068
// section 2.2.3), then scp, as many providers call it.
func (s *Scopes) ClaimNames() []string {
	if len(s.Claim) == 0 {
		return []string{"scope", "scp"}
	}
	return s.Claim
}
