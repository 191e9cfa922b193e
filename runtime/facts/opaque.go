package facts

// Introspection says how tokens are checked by token introspection (RFC 7662).
type Introspection struct {
	// Credentials are this server's own there. The default of AuthMethod is [AuthBasic].
	Credentials

	// Expiry are further claims, beside exp (RFC 7662 section 2.2), that say when the token ends.
	// Of several the earliest counts.
	Expiry []Expiry
	// NoExpiry, when not empty, is the documented reason why active tokens of this provider may
	// lack an end. They are then accepted for as long as the provider calls them active, and their
	// callers have no ExpiresAt.
	NoExpiry string
	// NoTokenType, when not empty, is the documented reason why answers of this provider may leave
	// out what kind of token they describe (token_type, or token_use or typ in its place). Some
	// providers describe refresh tokens in the very words that they have for access tokens: an
	// answer that does not tell is a refusal otherwise.
	NoTokenType string
	// TokenTypes are the accepted values of token_type, compared without case, where an answer has
	// one. The default is Bearer, access_token and the token type URI of RFC 8693 for access
	// tokens.
	TokenTypes []string
}

// TokenInfo says how tokens are checked at an endpoint of the provider's own making, which answers
// with facts about a token: Google's tokeninfo, GitHub's check of a token, GitLab's token/info.
type TokenInfo struct {
	// Credentials are this server's own there. The default of AuthMethod is [AuthNone].
	Credentials

	// Place says how the request carries the token. The default is [TokenInForm].
	Place TokenPlace
	// Scheme is as in [Asking], for [TokenInHeader].
	Scheme string
	// Parameter is the token's name in a form, JSON object or query. The default is access_token.
	Parameter string
	// Header are further headers, such as a version of the provider's API.
	Header map[string]string
	// InvalidStatus are the 4xx answers that mean that the token is no good. 401 is always one
	// where AuthMethod is none; otherwise it means that the provider refuses the credentials.
	InvalidStatus []int
	// InvalidErrors are error codes that mean the same, in an answer of any status, 200 included.
	// The default is invalid_token.
	InvalidErrors []string
	// Expiry are the claims that say when the token ends. Of several the earliest counts. At least
	// one must be in the answer, unless NoExpiry says why not.
	Expiry []Expiry
	// NoExpiry, when not empty, is the documented reason why tokens of this provider may lack an
	// end. They are then accepted for as long as the provider does, and their callers have no
	// ExpiresAt.
	NoExpiry string
	// TokenTypes are as in [Introspection].
	TokenTypes []string
}

// UserInfo says how tokens are checked by asking for their user's profile.
type UserInfo struct {
	Asking

	// Header are further headers, such as a version of the provider's API.
	Header map[string]string
	// InvalidStatus are the 4xx answers, besides 401, that mean that the token is no good.
	InvalidStatus []int
	// InvalidErrors are error codes that mean the same, in an answer of any status, 200 included.
	// The default is invalid_token.
	InvalidErrors []string
}

// Profile says where the profile of a token's user is.
type Profile struct {
	Asking

	// Header are further headers, such as a version of the provider's API.
	Header map[string]string
	// InvalidErrors are error codes that mean that the token is no good. The default is
	// invalid_token.
	InvalidErrors []string
	// Subject are the paths (as in [ClaimMap]) of the user's identifier in the profile, which must
	// be the verified one (OpenID Connect Core section 5.3.2). The default is sub.
	Subject []string
	// EmailsURL, when set, is asked where the profile has no email: for a list of objects with
	// email, primary and verified, as GitHub's API gives. The address that is both becomes email. A
	// token that may not read the list has no email.
	EmailsURL string
	// Optional lets a caller pass without profile when the provider cannot be asked for it, or when
	// the token may not read it. Otherwise the first is a 503 and the second a 401.
	Optional bool
}
