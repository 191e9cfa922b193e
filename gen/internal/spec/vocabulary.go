package spec

import "github.com/latchkey-auth/latchkey/internal/yamldoc"

// vocabularies are the sets that the enum rule of a validate tag names.
var vocabularies = map[string]yamldoc.Vocabulary{
	"mode": {
		Words: []string{"direct", "proxy", "discovered"},
	},
	"discovery": {Words: []string{"oauth", "oauth_appended", "oidc", "oidc_inserted"}},
	"endpoint": {Words: []string{
		"authorization", "token", "jwks", "registration", "userinfo", "introspection", "revocation", "end_session",
	}},
	"field_type": {Words: fieldTypes},
	"normalize":  {Words: []string{"trim_slash", "keep_slash"}},
	"format": {
		Words: []string{"jwt", "opaque"},
		Refused: map[string]string{
			"either": "whoever sends the token would choose how it is checked: say which kind the provider issues for this server",
		},
	},
	"algorithm": {
		Words: []string{
			"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
			"HS256", "HS384", "HS512",
		},
		Refused: map[string]string{
			"none":    "unsigned tokens can be written by anybody (RFC 8725 section 3.1)",
			"Ed25519": "write EdDSA, which accepts tokens under both names (RFC 9864 section 2.2)",
		},
	},
	"hmac":       {Words: []string{"HS256", "HS384", "HS512"}},
	"otherwise":  {Words: []string{"resource"}},
	"claim_type": {Words: []string{"string", "strings", "bool", "number", "time", "object", "json"}},
	"separator":  {Words: []string{"space", "comma"}},
	"grant": {
		Words: []string{
			"authorization_code", "refresh_token", "client_credentials",
			"urn:ietf:params:oauth:grant-type:device_code",
			"urn:ietf:params:oauth:grant-type:jwt-bearer",
			"urn:ietf:params:oauth:grant-type:token-exchange",
		},
		Refused: map[string]string{
			"implicit": "it sends tokens through the browser's address bar, and OAuth 2.1 removed it (RFC 9700 section 2.1.2)",
			"password": "it hands the user's password to the client, and OAuth 2.1 removed it (RFC 9700 section 2.4)",
		},
	},
	"reason": {Words: []string{
		"not_a_jwt", "malformed_token", "algorithm_not_allowed", "critical_header", "token_type", "unknown_key",
		"bad_signature", "issuer", "audience", "expired", "not_yet_valid", "invalid_time", "claim",
		"sender_constrained", "refused_by_verifier", "configuration_missing", "inactive",
	}},
	"check":      {Words: []string{"introspection", "tokeninfo", "userinfo"}},
	"token_mode": {Words: []string{"sealed", "passthrough"}},
	"token_in": {
		Words: []string{"form", "json", "header", tokenInPath},
		Refused: map[string]string{
			"query": "a token in a URL stands in the access logs of everything on its way (RFC 9700 section 4.3.2)",
		},
	},
	"expiry_format": {Words: []string{"seconds", "seconds_or_milliseconds", "seconds_from_now", "rfc3339"}},
	"endpoint_auth": {Words: []string{"client_secret_basic", "client_secret_post", PrivateKeyJWT, "bearer", "none"}},
	"client_auth": {
		Words: []string{"client_secret_basic", "client_secret_post", PrivateKeyJWT},
		Refused: map[string]string{
			"none": "leave client_secret out: then the client id alone is sent",
		},
	},
	"code_protection": {Words: []string{"pkce", "nonce", "none"}},
	"resource":        {Words: []string{"strip", "forward", "scope", "audience"}},
	"revocation":      {Words: []string{"rfc7009", "github"}},
	"token_error": {Words: []string{
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"access_denied", "server_error", "temporarily_unavailable", "invalid_target",
	}},
}

// tokenInPath is the place of a token in the path of a URL.
const tokenInPath = "path"

// The types of configuration fields.
const (
	TypeString       = "string"
	TypeURL          = "url"
	TypeEndpoint     = "endpoint"
	TypeIdentifier   = "identifier"
	TypeHost         = "host"
	TypeSegment      = "segment"
	TypeLabel        = "label"
	TypeSecret       = "secret"
	TypeList         = "list"
	TypeVerifier     = "verifier"
	TypeUserMapper   = "user_mapper"
	TypeParameters   = "parameters"
	TypeRequirements = "requirements"
)

var fieldTypes = []string{
	TypeString, TypeURL, TypeEndpoint, TypeIdentifier, TypeHost, TypeSegment, TypeLabel, TypeSecret, TypeList, TypeVerifier, TypeUserMapper,
	TypeParameters, TypeRequirements,
}
