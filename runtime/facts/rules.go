package facts

import "github.com/latchkey-auth/latchkey/oauth"

// Rules say which of a provider's tokens are access tokens for this server. Everything here comes
// from the provider's spec and the operator's configuration, nothing from a token.
type Rules struct {
	// Issuers are the accepted iss values, compared byte for byte.
	Issuers []string
	// Tenants are further issuers, of a provider that has one for each tenant.
	Tenants *Tenants
	// Algorithms are the accepted JWS algorithms (RFC 8725 section 3.1). "none" is never accepted.
	Algorithms []string
	// Types are the accepted typ header values, compared without case and without an "application/"
	// prefix (RFC 7515 section 4.1.9). Empty accepts JWT, at+jwt and an absent typ, nothing else.
	Types []string
	// Audience is the rule for the token's recipients.
	Audience Audience
	// Require lists claims that tell an access token for this server from the provider's other
	// tokens.
	Require []Requirement
	// SharedSecrets are the keys of HMAC algorithms. An HMAC algorithm never uses a key of the key
	// set.
	SharedSecrets []SharedSecret
	// IDTokenShaped, when not empty, is the documented reason why this provider's access tokens
	// look like ID tokens: with at_hash, or with a nonce and neither scope nor client. With any other
	// provider that is refused. c_hash and s_hash always are: only a login's ID token has them.
	IDTokenShaped string
	// NumericSubject, when not empty, is the documented reason why this provider's sub is a number.
	// With any other provider that is refused (RFC 7519 section 4.1.2).
	NumericSubject string
	// OpaqueHint tells the operator, in the log, why a token that is no JWT may have arrived.
	OpaqueHint string
	// AlgorithmHint tells the operator, in the log, why a token with another algorithm may have
	// arrived.
	AlgorithmHint string
}

// Audience says what a token's aud claim must hold.
type Audience struct {
	// Claim is the claim to look at; empty means aud. A claim may be a string or an array of
	// strings.
	Claim string
	// AnyOf are the accepted values, of which the claim must contain one. Empty values are dropped.
	AnyOf []string
	// OrResource accepts the protected resource's canonical URL when no value is configured. A
	// resource URL without a path is accepted with a slash too: that is the same URL, and how URL
	// libraries write it.
	OrResource bool
	// AlsoResource accepts the resource's URL, in the same spellings, beside the values of AnyOf.
	AlsoResource bool
	// IssuerBound, when not empty, is the documented reason why this provider's tokens cannot name
	// an audience. The claim is then checked only against AnyOf, if that is configured.
	IssuerBound string
	// Hint tells the operator, in the log of a refusal, how to make the provider issue the right
	// audience.
	Hint string
}

// Requirement is one claim that must be present, or must not.
type Requirement struct {
	// Claim is a path as in [ClaimMap].
	Claim string
	// AnyOf are the accepted values, of a string or of an integer in decimal digits; empty accepts
	// any value but null, false and the empty string.
	AnyOf []string
	// WhenSet says that AnyOf comes from optional configuration: empty values are dropped, and
	// without any other nothing is required.
	WhenSet bool
	// Absent says that the claim must not be there: it marks another kind of token. AnyOf is then
	// empty.
	Absent bool
	// Hint explains a refusal in the log.
	Hint string
}

// SharedSecret is the key of one HMAC algorithm.
type SharedSecret struct {
	Algorithm string
	Secret    oauth.Secret
	// Missing is what the log says when a token needs the secret and none is configured.
	Missing string
}
