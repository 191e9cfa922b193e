// Package refusal makes the errors that the broker answers with: each has a safe sentence for the client and a reason for the log.
package refusal

import (
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The reasons for refusals, as logs name them.
const (
	ReasonMethod               oauth.Reason = "method_not_allowed"
	ReasonContentType          oauth.Reason = "content_type"
	ReasonMalformedParameter   oauth.Reason = "malformed_parameter"
	ReasonRepeatedParameter    oauth.Reason = "repeated_parameter"
	ReasonMissingParameter     oauth.Reason = "missing_parameter"
	ReasonRateLimited          oauth.Reason = "rate_limited"
	ReasonClientMetadata       oauth.Reason = "client_metadata"
	ReasonClientUnknown        oauth.Reason = "client_unknown"
	ReasonClientAuthentication oauth.Reason = "client_authentication"
	ReasonClientDocument       oauth.Reason = "client_document"
	ReasonRedirectURI          oauth.Reason = "redirect_uri"
	ReasonResponseType         oauth.Reason = "response_type"
	ReasonCodeChallenge        oauth.Reason = "code_challenge"
	ReasonState                oauth.Reason = "state"
	ReasonScope                oauth.Reason = "scope"
	ReasonResource             oauth.Reason = "resource"
	ReasonPrompt               oauth.Reason = "prompt"
	ReasonRequestObject        oauth.Reason = "request_object"
	ReasonForm                 oauth.Reason = "form"
	ReasonForeignForm          oauth.Reason = "foreign_form"
	ReasonConsentDenied        oauth.Reason = "consent_denied"
	ReasonTransaction          oauth.Reason = "transaction"
	ReasonTransactionUsed      oauth.Reason = "transaction_used"
	ReasonUpstreamIssuer       oauth.Reason = "upstream_issuer"
	ReasonUpstreamError        oauth.Reason = "upstream_error"
	ReasonUpstreamResponse     oauth.Reason = "upstream_response"
	ReasonUpstreamUnavailable  oauth.Reason = "upstream_unavailable"
	ReasonUpstreamToken        oauth.Reason = "upstream_token"
	ReasonNonce                oauth.Reason = "nonce"
	ReasonGrantType            oauth.Reason = "grant_type"
	ReasonCode                 oauth.Reason = "code"
	ReasonCodeUsed             oauth.Reason = "code_used"
	ReasonOtherClient          oauth.Reason = "other_client"
	ReasonCodeVerifier         oauth.Reason = "code_verifier"
	ReasonRefreshToken         oauth.Reason = "refresh_token"
	ReasonRefreshTokenReused   oauth.Reason = "refresh_token_reused"
	ReasonRevoked              oauth.Reason = "revoked"
	ReasonSubjectChanged       oauth.Reason = "subject_changed"
	ReasonAccessTokenTooLarge  oauth.Reason = "access_token_too_large"
	ReasonOpaqueToken          oauth.Reason = "opaque_token" //nolint:gosec // a reason, no credential
	ReasonStoreUnavailable     oauth.Reason = "store_unavailable"
)

// BadRequest returns the 400 of a code.
func BadRequest(code oauth.Code, reason oauth.Reason, description string) *oauth.Error {
	return &oauth.Error{Code: code, Status: http.StatusBadRequest, Reason: reason, Description: description}
}

// Caused returns the 400 of a code with what is behind it, for the log.
func Caused(code oauth.Code, reason oauth.Reason, description string, cause error) *oauth.Error {
	e := BadRequest(code, reason, description)
	e.Cause = cause
	return e
}

// InvalidGrant is the refusal of a code or refresh token (RFC 6749 section 5.2). All causes look the same to the client.
func InvalidGrant(reason oauth.Reason, cause error) *oauth.Error {
	return Caused(oauth.CodeInvalidGrant, reason, "The code or refresh token is invalid, expired, revoked or not yours", cause)
}

// RetryLater is the 503 for what may work in a moment.
func RetryLater(reason oauth.Reason, after time.Duration, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusServiceUnavailable, Reason: reason, Cause: cause,
		Description: "The server cannot answer right now, try again in a moment", RetryAfter: max(after, time.Second),
	}
}

// Misconfigured is the 500 for what only the operator can mend; the log says what.
func Misconfigured(reason oauth.Reason, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeServerError, Status: http.StatusInternalServerError, Reason: reason, Cause: cause,
		Description: "The server cannot complete the login; its operator finds the reason in the log",
	}
}

// TooMany is the 429 for a client that asks more often than it may.
func TooMany() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, Reason: ReasonRateLimited,
		Description: "Too many requests, try again in a moment", RetryAfter: 10 * time.Second,
	}
}
