package spec

// The types of this file are the part of the language about providers that know one application
// only, and about tokens that only their provider can read. See types.go for the tags.

// Upstream is the one application that is registered at the provider, in mode proxy, and how to
// talk to the provider as that application.
type Upstream struct {
	// The config field with the application's client id.
	ClientID string `yaml:"client_id" validate:"required"`
	// The config field of type secret with the client secret. Without a secret the client id alone
	// is sent.
	ClientSecret string `yaml:"client_secret"`
	// Template of the provider's name for users who are asked, where it is not the title.
	Title string `yaml:"title" prose:"line"`
	// How the provider knows that it is us: client_secret_basic, the secret in the Authorization
	// header, is the default; client_secret_post puts it into the body; private_key_jwt signs an
	// assertion with client_key.
	AuthMethod string `yaml:"auth_method" validate:"omitempty,enum=client_auth"`
	// In place of auth_method: the config field of type string that holds it.
	AuthMethodField string `yaml:"auth_method_field"`
	// The config field of type secret with the private key of private_key_jwt, in PEM.
	ClientKey string `yaml:"client_key"`
	// The config field of type string with the name under which the provider knows the key.
	ClientKeyID string `yaml:"client_key_id"`
	// Protection that binds the provider's authorization code to a login. pkce, the default: a
	// verifier of our own (RFC 7636). nonce: OpenID Connect's nonce in the ID token, which needs
	// the scope openid among required_scopes. none: for providers that have neither; needs
	// unprotected_reason.
	CodeProtection string `yaml:"code_protection" validate:"omitempty,enum=code_protection"`
	// Why code_protection has to be none.
	UnprotectedReason string `yaml:"unprotected_reason" prose:"line"`
	// Treatment of the resource parameter (RFC 8707) at the provider. strip, the default: it gets
	// none. forward: it gets the URL of the server. scope: resource_scope is asked for instead.
	// audience: it gets the URL of the server where the configuration names no other audience.
	Resource string `yaml:"resource" validate:"omitempty,enum=resource"`
	// Template of the scope that stands for the resource; {resource} in it is the URL of the
	// server.
	ResourceScope string `yaml:"resource_scope"`
	// Scopes that every login asks the provider for, whatever the client asked for: what mapping
	// the user needs. A list, or a mapping that names a config field too.
	RequiredScopes RequiredScopes `yaml:"required_scopes"`
	// Separator of scopes in requests to the provider; space is the default. Both are understood in
	// answers.
	ScopeSeparator string `yaml:"scope_separator" validate:"omitempty,enum=separator"`
	// The provider's names of scopes, as templates, where they are not those that clients use.
	ScopeNames []ScopeName `yaml:"scope_names" validate:"dive" keyed:"Name"`
	// Prefix of the names of an API's own scopes at the provider.
	ScopePrefix ScopePrefix `yaml:"scope_prefix"`
	// Further names that the provider answers with, each with the scope that it stands for.
	ScopeAliases []ScopeAlias `yaml:"scope_aliases" validate:"dive" keyed:"Name"`
	// Whether token requests repeat the scopes.
	ScopeAtToken bool `yaml:"scope_at_token"`
	// Whether token and revocation requests carry a JSON object in place of a form.
	JSONBody bool `yaml:"json_body"`
	// Parameters to add to authorization requests, as templates. One whose template comes out empty
	// is left out.
	AuthorizeParams []Parameter `yaml:"authorize_params" validate:"dive" keyed:"Name"`
	// In place of authorize_params: the config field of type parameters that holds them.
	AuthorizeParamsField string `yaml:"authorize_params_field"`
	// Parameters to add to token requests, as templates. One whose template comes out empty is left
	// out.
	TokenParams []Parameter `yaml:"token_params" validate:"dive" keyed:"Name"`
	// In place of token_params: the config field of type parameters that holds them.
	TokenParamsField string `yaml:"token_params_field"`
	// Error codes of the provider's own, each with the registered one that it stands for (RFC
	// 6749).
	ErrorCodes []ErrorCode `yaml:"error_codes" validate:"dive" keyed:"Name"`
	// Templates of the accepted values of iss in authorization responses (RFC 9207). The default is
	// the issuer.
	ResponseIssuers []string `yaml:"response_issuers" validate:"unique,dive,required"`
	// Whether an authorization response without iss is refused.
	RequireResponseIssuer bool `yaml:"require_response_issuer"`
	// How the revocation endpoint takes tokens back. rfc7009, the default: a form with the token.
	// github: DELETE with the token in a JSON object.
	RevocationStyle string `yaml:"revocation_style" validate:"omitempty,enum=revocation"`
}

// RequiredScopes are scopes that every login asks for.
type RequiredScopes struct {
	// The scopes.
	Scopes []string `yaml:"scopes" shorthand:"list" validate:"omitempty,unique,dive,scope"`
	// The config field of type list with further ones.
	Field string `yaml:"field"`
}

// ScopeName is the provider's name of a scope.
type ScopeName struct {
	// Name is the key: the scope as clients know it.
	Name string `yaml:"-" validate:"scope"`
	// Template of the provider's name.
	Is string `yaml:"-" shorthand:"scalar"`
}

// ScopePrefix stands before the names of scopes at the provider.
type ScopePrefix struct {
	// Template of the prefix.
	Prefix string `yaml:"prefix" validate:"required"`
	// The provider's own scopes, which have no prefix: those of OpenID Connect above all.
	Except []string `yaml:"except" validate:"unique,dive,scope"`
}

// ScopeAlias is a further name of a scope.
type ScopeAlias struct {
	// Name is the key: the scope as the provider reports it.
	Name string `yaml:"-" validate:"scope"`
	// The scope that it stands for.
	Scope string `yaml:"-" shorthand:"scalar" validate:"scope"`
}

// Parameter is a parameter of a request, or a header.
type Parameter struct {
	// Name is the key.
	Name string `yaml:"-" validate:"parameter"`
	// Template of the value.
	Is string `yaml:"-" shorthand:"scalar"`
}

// Header is a header of requests.
type Header struct {
	// Name is the key.
	Name string `yaml:"-" validate:"header_name"`
	// The value.
	Value string `yaml:"-" shorthand:"scalar" validate:"header_value"`
}

// ErrorCode is an error code of the provider's own.
type ErrorCode struct {
	// Name is the key: the provider's code.
	Name string `yaml:"-" validate:"error_code"`
	// The registered code that it stands for.
	Code string `yaml:"-" shorthand:"scalar" validate:"enum=token_error"`
}

// ScopeWord says what a scope allows.
type ScopeWord struct {
	// Name is the key: the scope.
	Name string `yaml:"-" validate:"scope"`
	// Description of what the scope allows, for the user who is asked: Read your mail address.
	Words string `yaml:"-" shorthand:"scalar" prose:"line"`
}

// Tenants are the issuers of a provider that has one for each of its tenants. A token's issuer must
// be that of the tenant which the token names.
type Tenants struct {
	// Template of a tenant's issuer, in which {tenantid} stands for the tenant.
	Issuer string `yaml:"issuer" validate:"required"`
	// The claim with the token's tenant.
	Claim string `yaml:"claim" validate:"required,claim_path"`
	// The config field with the tenant at which users log in.
	Field string `yaml:"field" validate:"required"`
	// Values of that field that stand for several tenants. allowed must then be set.
	Several []string `yaml:"several" validate:"unique,dive,required"`
	// The config field of type list with the tenants whose users may log in, where field stands for
	// several.
	Allowed string `yaml:"allowed"`
	// Explains a refusal in the log.
	Hint string `yaml:"hint" prose:"line"`
}

// Introspection says how tokens are checked at the introspection endpoint (RFC 7662).
type Introspection struct {
	// The config field with the client id that this server has there. The default is the upstream
	// application's.
	ClientID string `yaml:"client_id"`
	// The config field of type secret with the secret. The default is the upstream application's.
	ClientSecret string `yaml:"client_secret"`
	// The config field of type secret with the private key of private_key_jwt, in PEM. The default
	// is the upstream application's.
	ClientKey string `yaml:"client_key"`
	// The config field with the name under which the provider knows the public part of client_key.
	ClientKeyID string `yaml:"client_key_id"`
	// How the provider knows that it is us: client_secret_basic, the default, client_secret_post,
	// bearer (the secret is an API key), private_key_jwt, which signs an assertion with client_key,
	// or none.
	AuthMethod string `yaml:"auth_method" validate:"omitempty,enum=endpoint_auth"`
	// The claims that say when a token ends, beside exp. Of several the earliest counts.
	Expiry []Expiry `yaml:"expiry" validate:"dive"`
	// Why active tokens of this provider may lack an end, where they do.
	NoExpiry string `yaml:"no_expiry" prose:"line"`
	// Why answers of this provider may leave out what kind of token they describe, where they do.
	// Refused otherwise: it may be a refresh token.
	NoTokenType string `yaml:"no_token_type" prose:"line"`
	// The accepted values of token_type. The default is Bearer and access_token.
	TokenTypes []string `yaml:"token_types" validate:"unique,dive,printable"`
}

// TokenInfo says how tokens are checked at an endpoint of the provider's own making.
type TokenInfo struct {
	// Where the request carries the token: form, the default, json, header (as the bearer
	// credential), or path: in place of {token} in the endpoint's URL, for providers that offer
	// nothing else, since access logs then hold tokens.
	TokenIn string `yaml:"token_in" validate:"omitempty,enum=token_in"`
	// With header: the authentication scheme. The default is Bearer.
	Scheme string `yaml:"scheme" validate:"omitempty,scheme"`
	// The token's name in a form or JSON object. The default is access_token.
	Parameter string `yaml:"parameter" validate:"omitempty,parameter"`
	// Further headers, such as a version of the provider's API.
	Headers []Header `yaml:"headers" validate:"dive" keyed:"Name"`
	// The config field with the client id that this server has there. The default is the upstream
	// application's.
	ClientID string `yaml:"client_id"`
	// The config field of type secret with the secret. The default is the upstream application's.
	ClientSecret string `yaml:"client_secret"`
	// The config field of type secret with the private key of private_key_jwt, in PEM. The default
	// is the upstream application's.
	ClientKey string `yaml:"client_key"`
	// The config field with the name under which the provider knows the public part of client_key.
	ClientKeyID string `yaml:"client_key_id"`
	// How the provider knows that it is us: none, the default, client_secret_basic,
	// client_secret_post, bearer (the secret is an API key), or private_key_jwt, which signs an
	// assertion with client_key.
	AuthMethod string `yaml:"auth_method" validate:"omitempty,enum=endpoint_auth"`
	// The 4xx answers that mean that a token is no good. 401 is one where auth_method is none.
	InvalidStatus []int `yaml:"invalid_status"`
	// The error codes that mean so. The default is invalid_token.
	InvalidErrors []string `yaml:"invalid_errors" validate:"unique,dive,error_code"`
	// The claims that say when a token ends. Of several the earliest counts.
	Expiry []Expiry `yaml:"expiry" validate:"dive"`
	// Why tokens of this provider may lack an end, where they do.
	NoExpiry string `yaml:"no_expiry" prose:"line"`
	// The accepted values of token_type. The default is Bearer and access_token.
	TokenTypes []string `yaml:"token_types" validate:"unique,dive,printable"`
}

// Expiry is a claim that says when a token ends.
type Expiry struct {
	// The claim.
	Claim string `yaml:"claim" validate:"required,claim_path"`
	// seconds: since 1970, as exp. seconds_or_milliseconds: since 1970, in milliseconds where the
	// number is above 10^11, for providers whose documents and answers differ. seconds_from_now: as
	// expires_in. rfc3339: a date and time.
	Format string `yaml:"format" validate:"required,enum=expiry_format"`
}

// UserInfo says how tokens are checked by asking for their user.
type UserInfo struct {
	// The authentication scheme with which the token is sent. The default is Bearer.
	Scheme string `yaml:"scheme" validate:"omitempty,scheme"`
	// Whether the request is a POST, without a body.
	Post bool `yaml:"post"`
	// For an endpoint that speaks GraphQL: the query to post, in one line. Claims are then below
	// data.
	GraphQL string `yaml:"graphql"`
	// Whether the answer is a list whose one entry is the user.
	Listed bool `yaml:"listed"`
	// Further headers, such as a version of the provider's API.
	Headers []Header `yaml:"headers" validate:"dive" keyed:"Name"`
	// The 4xx answers, besides 401, that mean that a token is no good.
	InvalidStatus []int `yaml:"invalid_status"`
	// The error codes that mean so. The default is invalid_token.
	InvalidErrors []string `yaml:"invalid_errors" validate:"unique,dive,error_code"`
}

// Profile says how the user's profile, at the userinfo endpoint, is added to what the provider says
// of a token.
type Profile struct {
	// The claim of the profile that names the user, who must be the token's. Of several the first
	// present one counts.
	Subject []string `yaml:"subject" validate:"required,unique,dive,claim_path"`
	// The authentication scheme with which the token is sent. The default is Bearer.
	Scheme string `yaml:"scheme" validate:"omitempty,scheme"`
	// Whether the request is a POST, without a body.
	Post bool `yaml:"post"`
	// For an endpoint that speaks GraphQL: the query to post, in one line. Claims are then below
	// data.
	GraphQL string `yaml:"graphql"`
	// Whether the answer is a list whose one entry is the user.
	Listed bool `yaml:"listed"`
	// Further headers, such as a version of the provider's API.
	Headers []Header `yaml:"headers" validate:"dive" keyed:"Name"`
	// The error codes that mean that a token is no good. The default is invalid_token.
	InvalidErrors []string `yaml:"invalid_errors" validate:"unique,dive,error_code"`
	// Template of the URL of the user's mail addresses, as GitHub has one, which is asked where the
	// profile has none.
	Emails string `yaml:"emails"`
	// Whether a user without a readable profile may log in all the same.
	Optional bool `yaml:"optional"`
}

// Binding says what ties an opaque token to this server, where it is not the audience.
type Binding struct {
	// The claims of the provider's answer that name the application to which a token was issued; it
	// must be ours.
	ClientClaims []string `yaml:"client_claims" validate:"unique,dive,claim_path"`
	// No answer of the provider says for whom a token is: only tokens that this server got itself,
	// for a code, are accepted. Needs reason.
	Exchange bool `yaml:"exchange"`
	// Why exchange is right.
	Reason string `yaml:"reason" prose:"line"`
}
