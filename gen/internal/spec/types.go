package spec

import "github.com/latchkey-auth/latchkey/internal/yamldoc"

// The types below are the language. Everything else follows from them: the parser walks them,
// validator checks their validate tags, the JSON Schema and the reference page are made from them,
// with the comments as descriptions.
//
// The tags are those of package yamldoc.

// Spec is one provider.
type Spec struct {
	// Version of the spec language. This one is 1.
	Version int `yaml:"spec" validate:"required,eq=1"`
	// Short name: the file's name without .yaml, and the Go package.
	Name string `yaml:"name" validate:"required,package_name"`
	// Name for people. It starts every message about the configuration.
	Title string `yaml:"title" validate:"required" prose:"line"`
	// direct: clients register at the provider and get their tokens there; this server verifies
	// them. proxy: the provider knows one application that somebody registered; clients register at
	// this server, which stands between. discovered: the configuration says which of the two or,
	// where it does not, the provider's own document: see discover.
	Mode string `yaml:"mode" validate:"required,enum=mode"`
	// Texts about the provider, for people.
	Docs Docs `yaml:"docs" validate:"required"`
	// The configuration: one entry per field of the generated Config.
	Config []Field `yaml:"config" validate:"dive"`
	// Groups of fields of which at least one must be set.
	RequireOneOf []Group `yaml:"require_one_of" validate:"dive"`
	// Values derived from the configuration, by name, in order. A value may use those above it.
	Values []Value `yaml:"values" validate:"dive" keyed:"Name"`
	// Template of the issuer identifier. Tokens' iss and the provider's metadata are compared with
	// it byte for byte: it is never normalised, so a trailing slash counts.
	Issuer string `yaml:"issuer" validate:"required"`
	// Templates of the provider's URLs.
	Endpoints Endpoints `yaml:"endpoints"`
	// Facts that only the provider's own document names; it is then read when the provider is made.
	Discover Discover `yaml:"discover"`
	// The application that is registered at the provider, in mode proxy.
	Upstream Upstream `yaml:"upstream"`
	// The well-known documents that the provider really serves, best first. oauth: RFC 8414,
	// between host and path of the issuer; oauth_appended: the same document behind the path; oidc:
	// OpenID Connect Discovery, behind the path; oidc_inserted: that document between host and
	// path. Without any, metadata is put together from endpoints.
	Discovery []string `yaml:"discovery" validate:"unique,dive,enum=discovery"`
	// Whether clients may come to the provider with a client ID metadata document (CIMD) in place of
	// a registration.
	ClientDocuments bool `yaml:"client_documents"`
	// Which tokens are access tokens for this server.
	Tokens Tokens `yaml:"tokens" validate:"required"`
	// Which claims become which fields of the user.
	Claims Claims `yaml:"claims" validate:"required"`
	// The scopes that the provider knows, and where a token carries those granted.
	Scopes Scopes `yaml:"scopes"`
	// The grants that the provider offers: a list, or the config field that holds one.
	Grants Grants `yaml:"grants"`
	// Configuration and tokens of the generated test.
	Test Test `yaml:"test" validate:"required"`
}

// Docs is what people read.
type Docs struct {
	// Summary of the provider, in a sentence or two.
	Summary string `yaml:"summary" validate:"required" prose:"lines"`
	// The provider's own documentation.
	URL string `yaml:"url" validate:"omitempty,https_url"`
	// Steps to take at the provider, in order.
	Setup []string `yaml:"setup" validate:"dive,required" prose:"lines"`
	// Limits and risks to know before using the provider.
	Notes []string `yaml:"notes" validate:"dive,required" prose:"lines"`
	// When the facts were checked, and against what.
	Verified Verified `yaml:"verified"`
}

// Verified is the provenance of a spec's facts.
type Verified struct {
	// Date of the check: YYYY-MM-DD.
	On string `yaml:"on" validate:"omitempty,date"`
	// Sources that the facts were checked against.
	Sources []string `yaml:"sources" validate:"dive,required" prose:"line"`
	// Software, with its version, that people run as this provider and that the end-to-end tests log
	// in to with this spec.
	Seen []string `yaml:"seen" validate:"unique,dive,required" prose:"line"`
	// Another project's imitation of the provider, with its version, that those tests log in to,
	// where the provider itself cannot run there.
	Imitated []string `yaml:"imitated" validate:"unique,dive,required" prose:"line"`
}

// Field is one field of the configuration.
type Field struct {
	// Name in messages and templates, in lower camel case: serverUrl.
	Name string `yaml:"name" validate:"required,field_name"`
	// string: any text. url: an https URL (http for loopback hosts) that paths may follow.
	// endpoint: the whole URL of one endpoint, kept as it was written, with its query (RFC 6749
	// section 3.1). identifier: an issuer that is compared and never fetched from, any StringOrURI
	// (RFC 7519 section 2). host: a host name, with a port where needed. segment: one path segment,
	// escaped. label: one DNS label. secret: a text that is never printed. list: texts, in a
	// variable separated by commas or spaces. verifier: a Go function that checks tokens.
	// user_mapper: a Go function that maps claims to the user. parameters: request parameters, in a
	// variable as in a query. requirements: claims that tokens must have, each alone or as
	// claim=value.
	Type string `yaml:"type" validate:"required,enum=field_type"`
	// Whether the provider cannot work without it.
	Required bool `yaml:"required"`
	// Environment variable that sets the field when the caller does not.
	Env string `yaml:"env" validate:"omitempty,env_name"`
	// Value when neither caller nor variable sets one.
	Default yamldoc.Many `yaml:"default" validate:"dive,required"`
	// For url. trim_slash, the default, cuts trailing slashes; keep_slash leaves the URL as it was
	// written.
	Normalize string `yaml:"normalize" validate:"omitempty,enum=normalize"`
	// For secret: the least number of bytes.
	MinLength int `yaml:"min_length" validate:"min=0"`
	// For text: a regular expression (RE2) that the whole value must match. Needs must.
	Pattern string `yaml:"pattern" validate:"omitempty,pattern"`
	// For text: a regular expression (RE2) that the whole value must not match, for what people
	// write by mistake. Needs must.
	Not string `yaml:"not" validate:"omitempty,pattern"`
	// Description of what pattern and not ask for, in words that follow "must be": a GUID.
	Must string `yaml:"must" prose:"line"`
	// A value as people would write it. It is shown where a value cannot be read, and the generated
	// test uses it.
	Example string `yaml:"example"`
	// Message in place of the usual one when a required field is missing.
	Missing string `yaml:"missing" prose:"line"`
	// Description of the field.
	Doc string `yaml:"doc" validate:"required" prose:"lines"`
	// Name in Go, where the one made from name is not right.
	Go string `yaml:"go" validate:"omitempty,go_name"`
}

// Group is a set of fields of which one must be set.
type Group struct {
	// The fields.
	Fields []string `yaml:"fields" validate:"min=2,unique,dive,required"`
	// The whole message when none is set: which variables and fields to set.
	Message string `yaml:"message" validate:"required" prose:"line"`
}

// Value is a derived value: a template, or the first of several templates whose fields are all set.
type Value struct {
	// Name is the key.
	Name string `yaml:"-" validate:"field_name"`
	// A template.
	Is string `yaml:"-" shorthand:"scalar"`
	// Templates, of which the first whose fields are all set is taken.
	First []string `yaml:"first" validate:"omitempty,min=2,dive,required"`
}

// Endpoints are a provider's URLs, named as in RFC 8414.
type Endpoints struct {
	// Authorization endpoint.
	Authorization string `yaml:"authorization"`
	// Token endpoint.
	Token string `yaml:"token"`
	// Key set with the public keys of the provider's tokens.
	JWKS string `yaml:"jwks"`
	// Dynamic Client Registration endpoint (RFC 7591).
	Registration string `yaml:"registration"`
	// OpenID Connect userinfo endpoint.
	UserInfo string `yaml:"userinfo"`
	// Endpoint that describes an opaque token, where it is not RFC 7662.
	TokenInfo string `yaml:"tokeninfo"`
	// Token introspection endpoint (RFC 7662).
	Introspection string `yaml:"introspection"`
	// Token revocation endpoint (RFC 7009).
	Revocation string `yaml:"revocation"`
	// OpenID Connect logout endpoint.
	EndSession string `yaml:"end_session"`
}

// Discover says what is taken from the provider's own document (RFC 8414, OpenID Connect
// Discovery).
type Discover struct {
	// The endpoints that the document names.
	Endpoints []string `yaml:"endpoints" shorthand:"list" validate:"omitempty,unique,dive,enum=endpoint"`
	// Whether the accepted algorithms are those that the document announces for ID tokens, as far as
	// they are asymmetric.
	Algorithms bool `yaml:"algorithms"`
	// Whether the document says how the application authenticates.
	ClientAuth bool `yaml:"client_auth"`
	// Whether the document says which of openid, profile and email the provider knows, where the
	// field of scopes is empty.
	Scopes bool `yaml:"scopes"`
	// With mode discovered: the config field that holds direct or proxy, where it is set.
	Mode string `yaml:"mode"`
}

// Tokens says how an access token for this server is told from everything else.
type Tokens struct {
	// jwt: tokens are signed JWTs, verified with the key set. opaque: only the provider can read
	// them; it is asked as check says.
	Format string `yaml:"format" validate:"omitempty,enum=format"`
	// In place of format: the config field of type verifier that checks tokens. All other rules are
	// then its own.
	Verifier string `yaml:"verifier"`
	// The only accepted signature algorithms.
	Algorithms []string `yaml:"algorithms" validate:"unique,dive,enum=algorithm"`
	// The accepted typ headers. Without any: JWT, at+jwt and none at all.
	Types []string `yaml:"types" validate:"unique,dive,required,printable"`
	// In place of types: the config field of type list that holds them.
	TypesField string `yaml:"types_field"`
	// For opaque: where the provider is asked. introspection: at the introspection endpoint (RFC
	// 7662). tokeninfo: at the tokeninfo endpoint. userinfo: at the userinfo endpoint.
	Check string `yaml:"check" validate:"omitempty,enum=check"`
	// How the introspection endpoint is asked.
	Introspection Introspection `yaml:"introspection"`
	// How the tokeninfo endpoint is asked.
	TokenInfo TokenInfo `yaml:"tokeninfo"`
	// How the userinfo endpoint is asked about tokens.
	UserInfo UserInfo `yaml:"userinfo"`
	// For opaque: the user's profile, where what the provider says of a token lacks it.
	Profile Profile `yaml:"profile"`
	// For opaque: what ties a token to this server.
	Binding Binding `yaml:"binding"`
	// In mode proxy: whose access tokens clients get. sealed, the default: this server's own, with
	// the provider's inside. passthrough: the provider's, which must be JWTs for this server.
	Mode string `yaml:"mode" validate:"omitempty,enum=token_mode"`
	// Templates of all accepted iss values, where that is not issuer alone. They are compared and
	// never fetched from, so that any StringOrURI will do. issuer counts if it is one of them.
	Issuers []string `yaml:"issuers" validate:"unique,dive,required"`
	// Issuers that differ by tenant.
	Tenants Tenants `yaml:"tenants"`
	// Rule for the token's aud.
	Audience Audience `yaml:"audience"`
	// Claims that tell an access token for this server from the provider's other tokens.
	Require []Requirement `yaml:"require" validate:"dive"`
	// In place of require: the config field of type requirements that holds it.
	RequireField string `yaml:"require_field"`
	// The keys of HMAC algorithms.
	SharedSecrets []SharedSecret `yaml:"shared_secrets" validate:"dive"`
	// Why this provider's access tokens look like ID tokens, where they do: with at_hash, or with a
	// nonce and neither scope nor client. Such tokens are refused otherwise; those with c_hash or
	// s_hash always are.
	IDTokenShaped string `yaml:"id_token_shaped" prose:"line"`
	// Why this provider's sub is a number, where it is one: a number is no StringOrURI (RFC 7519
	// section 4.1.2). Such tokens are refused otherwise.
	NumericSubject string `yaml:"numeric_subject" prose:"line"`
	// Tells the operator, in the log, why a token that is no JWT arrived and what to change at the
	// provider.
	OpaqueHint string `yaml:"opaque_hint" prose:"line"`
	// Tells the operator, in the log, why a token with another algorithm arrived and what to change
	// at the provider.
	AlgorithmHint string `yaml:"algorithm_hint" prose:"line"`
}

// Audience is the rule for a token's recipients.
type Audience struct {
	// The claim to look at, when it is not aud.
	Claim string `yaml:"claim" validate:"omitempty,claim_path"`
	// Template or templates of accepted values, of which the claim must contain one. A value that
	// the configuration leaves empty does not count.
	Is yamldoc.Many `yaml:"is" validate:"dive,required"`
	// resource: when is gives no value, the claim must contain the server's own resource URL.
	Otherwise string `yaml:"otherwise" validate:"omitempty,enum=otherwise"`
	// resource: the server's own resource URL counts beside the values of is.
	Also string `yaml:"also" validate:"omitempty,enum=otherwise"`
	// The provider's tokens cannot name an audience; any token of the issuer counts. Needs reason.
	IssuerBound bool `yaml:"issuer_bound"`
	// Why issuer_bound is right.
	Reason string `yaml:"reason" prose:"line"`
	// Tells the operator, in the log of a refusal, how to make the provider issue the right
	// audience.
	Hint string `yaml:"hint" prose:"line"`
}

// Requirement is one claim that must be there, or must not.
type Requirement struct {
	// The claim; a dot descends into an object, a backslash before a dot makes it part of the name.
	Claim string `yaml:"claim" validate:"required,claim_path"`
	// The accepted values. Without any, every value but null, false and the empty text.
	AnyOf []string `yaml:"any_of" validate:"omitempty,min=1,unique,dive,required"`
	// In place of any_of: template or templates of the accepted values. While the configuration
	// leaves them all empty, nothing is required.
	Is yamldoc.Many `yaml:"is" validate:"dive,required"`
	// In place of any_of: whether the claim must not be there, since it marks another kind of token.
	Absent bool `yaml:"absent"`
	// Explains a refusal in the log.
	Hint string `yaml:"hint" prose:"line"`
}

// SharedSecret is the key of one HMAC algorithm.
type SharedSecret struct {
	// The algorithm, which algorithms lists too.
	Algorithm string `yaml:"algorithm" validate:"required,enum=hmac"`
	// The config field of type secret that holds the key.
	Secret string `yaml:"secret" validate:"required"`
	// Text for the log when a token needs the key and none is configured.
	Missing string `yaml:"missing" validate:"required" prose:"line"`
}

// Claims maps a token's claims to the user. Of several claims the first present one wins.
type Claims struct {
	// The stable identifier of the user.
	UserID []string `yaml:"user_id" validate:"required,unique,dive,claim_path"`
	// The claim with the realm in which user_id names one user, where it does not in the whole
	// provider: Slack's workspace. The identifier is then realm/user_id, and tokens without realm
	// are refused.
	UserRealm []string `yaml:"user_realm" validate:"unique,dive,claim_path"`
	// Mail address.
	Email []string `yaml:"email" validate:"unique,dive,claim_path"`
	// Full name.
	Name []string `yaml:"name" validate:"unique,dive,claim_path"`
	// Login name.
	Username []string `yaml:"username" validate:"unique,dive,claim_path"`
	// Casual name.
	Nickname []string `yaml:"nickname" validate:"unique,dive,claim_path"`
	// URL of a picture.
	Picture []string `yaml:"picture" validate:"unique,dive,claim_path"`
	// The OAuth client. The default is client_id, then azp.
	ClientID []string `yaml:"client_id" validate:"unique,dive,claim_path"`
	// Roles.
	Roles List `yaml:"roles"`
	// Permissions.
	Permissions List `yaml:"permissions"`
	// Config fields of type list in place of some of the above.
	Fields ClaimFields `yaml:"fields"`
	// Further top-level claims that the user carries, and fields of the generated Claims.
	Extra []Extra `yaml:"extra" validate:"dive"`
	// The config field of type user_mapper which, when set, replaces this mapping.
	UserMapper string `yaml:"user_mapper"`
}

// ClaimFields are the config fields of type list that name claims of the user.
type ClaimFields struct {
	// In place of email.
	Email string `yaml:"email"`
	// In place of name.
	Name string `yaml:"name"`
	// In place of user_id, which is then the default of that field.
	UserID string `yaml:"user_id"`
	// In place of roles.
	Roles string `yaml:"roles"`
}

// List says where a list of texts is.
type List struct {
	// Claims that are a list of texts, or one text.
	From []string `yaml:"from" shorthand:"list" validate:"omitempty,unique,dive,claim_path"`
	// In place of from: a claim that is an object or a list of objects. Of each of its members the
	// list, or the text, at list is taken; without list the names of an object's members are.
	Each string `yaml:"each" validate:"omitempty,claim_path"`
	// With each: where the list is in a member.
	List string `yaml:"list" validate:"omitempty,claim_path"`
	// How an entry is written: text with {value} and, with each, {key}, the name of an object's
	// member.
	As string `yaml:"as"`
}

// Extra is one further claim.
type Extra struct {
	// Name of the top-level claim.
	Claim string `yaml:"claim" shorthand:"scalar" validate:"required"`
	// Name for the user, when it is not the claim's own.
	As string `yaml:"as"`
	// Type in Go. Registered claims have a default, others are string.
	Type string `yaml:"type" validate:"omitempty,enum=claim_type"`
	// Description of the claim.
	Doc string `yaml:"doc" prose:"lines"`
	// Name in Go, where the one made from claim is not right.
	Go string `yaml:"go" validate:"omitempty,go_name"`
}

// Scopes are the scopes of a provider.
type Scopes struct {
	// The scopes that the provider knows and clients may ask for. Clients ask for all of them: name
	// none that the provider might refuse.
	Default []string `yaml:"default" validate:"unique,dive,scope"`
	// In place of default: the config field of type list that holds them.
	Field string `yaml:"field"`
	// The claim or claims with the granted scopes, of which the first present one wins: a text or a
	// list. The default is scope, then scp.
	Claim yamldoc.Many `yaml:"claim" validate:"omitempty,unique,dive,claim_path"`
	// In place of claim: the config field of type list that holds them.
	ClaimField string `yaml:"claim_field"`
	// Separator of scopes in a text.
	Separator string `yaml:"separator" validate:"omitempty,enum=separator"`
	// In mode proxy: what scopes allow, in words for the page on which users are asked.
	Words []ScopeWord `yaml:"words" validate:"dive" keyed:"Name"`
}

// Grants are the grants that a provider offers.
type Grants struct {
	// Grant types (RFC 7591 section 2).
	Types []string `yaml:"-" shorthand:"list" validate:"omitempty,unique,dive,enum=grant"`
	// The config field of type list that holds the grant types.
	Field string `yaml:"field"`
}

// Test feeds the generated test.
type Test struct {
	// Values of config fields for the test. Required fields that are not here take their example.
	Config yamldoc.Object `yaml:"config"`
	// Tokens that must pass. Claims that are not given are those of a correct token; null leaves
	// one out.
	Accept []Token `yaml:"accept" validate:"required,min=1,dive"`
	// Tokens that must not pass. The test adds the usual suspects itself: another issuer, another
	// audience, expired, unsigned, an ID token.
	Reject []Token `yaml:"reject" validate:"dive"`
}

// Token is one token of a test.
type Token struct {
	// Description of the token, as the end of a sentence: a token of a service account.
	Name string `yaml:"name" validate:"required" prose:"line"`
	// Members of the JOSE header that differ from the usual.
	Header yamldoc.Object `yaml:"header"`
	// Claims; of an opaque token those of the provider's answer about it. {issuer}, {resource} and
	// {audience} stand for the test's own; null leaves a claim out. The time of the test is
	// 2030-01-02T03:04:05Z, or 1893553445.
	Claims yamldoc.Object `yaml:"claims"`
	// The user's profile, where the provider is asked for one.
	Profile yamldoc.Object `yaml:"profile"`
	// In accept: the user that must come out, as JSON.
	User yamldoc.Object `yaml:"user"`
	// In reject: why.
	Reason string `yaml:"reason" validate:"omitempty,enum=reason"`
}
