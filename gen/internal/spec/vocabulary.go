package spec

// vocabulary is a closed set of words.
type vocabulary struct {
	words []string
	// refused are words that somebody may well write, with the reason why they are not in the language.
	refused map[string]string
}

// vocabularies are the sets that the enum rule of a validate tag names.
var vocabularies = map[string]vocabulary{
	"mode": {
		words: []string{"direct", "proxy"},
	},
	"discovery":  {words: []string{"oauth", "oauth_appended", "oidc", "oidc_inserted"}},
	"field_type": {words: fieldTypes},
	"normalize":  {words: []string{"trim_slash", "keep_slash"}},
	"format": {
		words: []string{"jwt", "opaque"},
		refused: map[string]string{
			"either": "whoever sends the token would choose how it is checked: say which kind the provider issues for this server",
		},
	},
	"algorithm": {
		words: []string{
			"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
			"HS256", "HS384", "HS512",
		},
		refused: map[string]string{
			"none":    "unsigned tokens can be written by anybody (RFC 8725 section 3.1)",
			"Ed25519": "write EdDSA, which accepts tokens under both names (RFC 9864 section 2.2)",
		},
	},
	"hmac":       {words: []string{"HS256", "HS384", "HS512"}},
	"otherwise":  {words: []string{"resource"}},
	"claim_type": {words: []string{"string", "strings", "bool", "number", "time", "object", "json"}},
	"separator":  {words: []string{"space", "comma"}},
	"grant": {
		words: []string{
			"authorization_code", "refresh_token", "client_credentials",
			"urn:ietf:params:oauth:grant-type:device_code",
			"urn:ietf:params:oauth:grant-type:jwt-bearer",
			"urn:ietf:params:oauth:grant-type:token-exchange",
		},
		refused: map[string]string{
			"implicit": "it sends tokens through the browser's address bar, and OAuth 2.1 removed it (RFC 9700 section 2.1.2)",
			"password": "it hands the user's password to the client, and OAuth 2.1 removed it (RFC 9700 section 2.4)",
		},
	},
	"reason": {words: []string{
		"not_a_jwt", "malformed_token", "algorithm_not_allowed", "critical_header", "token_type", "unknown_key",
		"bad_signature", "issuer", "audience", "expired", "not_yet_valid", "invalid_time", "claim",
		"sender_constrained", "refused_by_verifier", "configuration_missing", "inactive",
	}},
	"check":      {words: []string{"introspection", "tokeninfo", "userinfo"}},
	"token_mode": {words: []string{"sealed", "passthrough"}},
	"token_in": {
		words: []string{"form", "json", "header"},
		refused: map[string]string{
			"query": "a token in a URL stands in the access logs of everything on its way (RFC 9700 section 4.3.2)",
		},
	},
	"expiry_format": {words: []string{"seconds", "seconds_from_now", "rfc3339"}},
	"endpoint_auth": {words: []string{"client_secret_basic", "client_secret_post", "bearer", "none"}},
	"client_auth": {
		words: []string{"client_secret_basic", "client_secret_post", privateKeyJWT},
		refused: map[string]string{
			"none": "leave client_secret out: then the client id alone is sent",
		},
	},
	"code_protection": {words: []string{"pkce", "nonce", "none"}},
	"resource":        {words: []string{"strip", "forward", "scope"}},
	"revocation":      {words: []string{"rfc7009", "github"}},
	"token_error": {words: []string{
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"access_denied", "server_error", "temporarily_unavailable", "invalid_target",
	}},
}

// The types of configuration fields.
const (
	TypeString     = "string"
	TypeURL        = "url"
	TypeHost       = "host"
	TypeSegment    = "segment"
	TypeLabel      = "label"
	TypeSecret     = "secret"
	TypeList       = "list"
	TypeVerifier   = "verifier"
	TypeUserMapper = "user_mapper"
	TypeParameters = "parameters"
)

var fieldTypes = []string{
	TypeString, TypeURL, TypeHost, TypeSegment, TypeLabel, TypeSecret, TypeList, TypeVerifier, TypeUserMapper,
	TypeParameters,
}
