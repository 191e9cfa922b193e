package facts

import "github.com/latchkey-auth/latchkey/oauth"

// CodeProtection says what binds the provider's authorization code to the login that it belongs to.
type CodeProtection string

const (
	// ProtectPKCE is a verifier of our own (RFC 7636, S256). It is the default.
	ProtectPKCE CodeProtection = "pkce"
	// ProtectNonce is OpenID Connect's nonce, checked in the ID token that comes with the tokens.
	ProtectNonce CodeProtection = "nonce"
	// ProtectNothing is for providers that have neither; [Upstream.UnprotectedReason] must say so.
	ProtectNothing CodeProtection = "none"
)

// ResourceHandling says what becomes of the resource parameter (RFC 8707) at the provider.
type ResourceHandling string

const (
	// ResourceStrip sends none. It is the default.
	ResourceStrip ResourceHandling = "strip"
	// ResourceForward sends the URL of the protected resource in every request.
	ResourceForward ResourceHandling = "forward"
	// ResourceAsScope adds [Upstream.ResourceScope] to the scopes.
	ResourceAsScope ResourceHandling = "scope"
)

// RevocationStyle says how the provider takes tokens back.
type RevocationStyle string

const (
	// RevokeRFC7009 posts the token in a form.
	RevokeRFC7009 RevocationStyle = "rfc7009"
	// RevokeGitHub sends DELETE with the access token in a JSON object, authenticated with client
	// id and secret.
	RevokeGitHub RevocationStyle = "github"
)

// Upstream are the facts about the provider and our application there. It is plain data and prints
// without the secret.
type Upstream struct {
	// Credentials are those of our application. The default of AuthMethod is [AuthBasic], without a
	// secret [AuthNone].
	Credentials

	// Name is the provider's short name, Title its name for people.
	Name  string
	Title string
	// Issuer is the provider's issuer identifier. Providers that have none, such as GitHub, leave
	// it empty.
	Issuer string
	// ResponseIssuers are the accepted values of iss in authorization responses (RFC 9207). The
	// default is Issuer. A response without iss is accepted unless RequireResponseIssuer is set. In
	// one of them {tenantid} stands for any tenant of a provider that has an issuer for each.
	ResponseIssuers       []string
	RequireResponseIssuer bool

	// Authorization, Token and Revocation are the provider's endpoints. Without Revocation nothing
	// is revoked there.
	Authorization   string
	Token           string
	Revocation      string
	RevocationStyle RevocationStyle

	// CodeProtection is what binds codes to logins; UnprotectedReason says why it has to be
	// [ProtectNothing].
	CodeProtection    CodeProtection
	UnprotectedReason string

	// Resource says what becomes of the resource parameter. ResourceScope is the scope of
	// [ResourceAsScope]; in it {resource} stands for the URL of the protected resource.
	Resource      ResourceHandling
	ResourceScope string
	// ResourceIsAudience strips the parameter after all where the configuration names an audience:
	// tokens are then for that, and not for the protected resource.
	ResourceIsAudience bool

	// RequiredScopes are always asked for, whatever clients ask for: what mapping the user needs,
	// such as "openid".
	RequiredScopes []string
	// ScopeSeparator separates scopes in requests; the default is a space. In answers spaces and
	// commas both separate.
	ScopeSeparator string
	// ScopeNames maps our scopes to the provider's names where they differ: {"read":
	// "api://app/read"}. ScopeAliases maps further names that the provider answers with to ours:
	// {"https://www.googleapis.com/auth/userinfo.email": "email"}.
	ScopeNames   map[string]string
	ScopeAliases map[string]string
	// ScopeAtToken repeats the scopes in token requests, as Entra ID needs it.
	ScopeAtToken bool
	// JSONBody makes token and revocation requests carry a JSON object in place of a form, as
	// Notion wants it.
	JSONBody bool

	// AuthorizeParams are added to authorization requests, such as access_type=offline at Google;
	// TokenParams to token requests. Parameters of the protocol itself are refused.
	AuthorizeParams map[string]string
	TokenParams     map[string]string
	// ErrorCodes maps errors of the provider's own to registered ones: {"bad_verification_code":
	// "invalid_grant"} at GitHub.
	ErrorCodes map[string]oauth.Code
}

// ScopePrefix says how an API's own scopes are named at the provider: {"api://app/", ["openid"]}
// makes api://app/read of read and leaves openid alone, and everything that is a URI already.
type ScopePrefix struct {
	// Prefix stands before a scope's name. Empty changes nothing.
	Prefix string
	// Except are scopes that the provider defines itself, such as those of OpenID Connect.
	Except []string
}
