package broker

import (
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The reasons for refusals, as logs name them.
const (
	reasonMethod              oauth.Reason = "method_not_allowed"
	reasonContentType         oauth.Reason = "content_type"
	reasonMalformedParameter  oauth.Reason = "malformed_parameter"
	reasonRepeatedParameter   oauth.Reason = "repeated_parameter"
	reasonMissingParameter    oauth.Reason = "missing_parameter"
	reasonRateLimited         oauth.Reason = "rate_limited"
	reasonClientMetadata      oauth.Reason = "client_metadata"
	reasonClientUnknown       oauth.Reason = "client_unknown"
	reasonClientAuth          oauth.Reason = "client_authentication"
	reasonClientDocument      oauth.Reason = "client_document"
	reasonRedirectURI         oauth.Reason = "redirect_uri"
	reasonResponseType        oauth.Reason = "response_type"
	reasonChallenge           oauth.Reason = "code_challenge"
	reasonState               oauth.Reason = "state"
	reasonScope               oauth.Reason = "scope"
	reasonResource            oauth.Reason = "resource"
	reasonPrompt              oauth.Reason = "prompt"
	reasonRequestObject       oauth.Reason = "request_object"
	reasonForm                oauth.Reason = "form"
	reasonForeignForm         oauth.Reason = "foreign_form"
	reasonConsentDenied       oauth.Reason = "consent_denied"
	reasonTransaction         oauth.Reason = "transaction"
	reasonTransactionUsed     oauth.Reason = "transaction_used"
	reasonUpstreamIssuer      oauth.Reason = "upstream_issuer"
	reasonUpstreamError       oauth.Reason = "upstream_error"
	reasonUpstreamResponse    oauth.Reason = "upstream_response"
	reasonUpstreamUnavailable oauth.Reason = "upstream_unavailable"
	reasonUpstreamToken       oauth.Reason = "upstream_token"
	reasonNonce               oauth.Reason = "nonce"
	reasonGrantType           oauth.Reason = "grant_type"
	reasonCode                oauth.Reason = "code"
	reasonCodeUsed            oauth.Reason = "code_used"
	reasonOtherClient         oauth.Reason = "other_client"
	reasonVerifier            oauth.Reason = "code_verifier"
	reasonRefreshToken        oauth.Reason = "refresh_token"
	reasonRefreshReused       oauth.Reason = "refresh_token_reused"
	reasonRevoked             oauth.Reason = "revoked"
	reasonSubjectChanged      oauth.Reason = "subject_changed"
	reasonTokenTooLarge       oauth.Reason = "access_token_too_large"
	reasonOpaqueToken         oauth.Reason = "opaque_token" //nolint:gosec // a reason, no credential
	reasonStore               oauth.Reason = "store_unavailable"
)

// badRequest returns the 400 of a code.
func badRequest(code oauth.Code, reason oauth.Reason, description string) *oauth.Error {
	return &oauth.Error{Code: code, Status: http.StatusBadRequest, Reason: reason, Description: description}
}

// caused returns the 400 of a code with what is behind it, for the log.
func caused(code oauth.Code, reason oauth.Reason, description string, cause error) *oauth.Error {
	e := badRequest(code, reason, description)
	e.Cause = cause
	return e
}

// invalidGrant is the refusal of a code or refresh token (RFC 6749 section 5.2). All causes look the same to the client.
func invalidGrant(reason oauth.Reason, cause error) *oauth.Error {
	return caused(oauth.CodeInvalidGrant, reason, "The code or refresh token is invalid, expired, revoked or not yours", cause)
}

// retryLater is the 503 for what may work in a moment.
func retryLater(reason oauth.Reason, after time.Duration, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusServiceUnavailable, Reason: reason, Cause: cause,
		Description: "The server cannot answer right now, try again in a moment", RetryAfter: max(after, time.Second),
	}
}

// misconfigured is the 500 for what only the operator can mend; the log says what.
func misconfigured(reason oauth.Reason, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeServerError, Status: http.StatusInternalServerError, Reason: reason, Cause: cause,
		Description: "The server cannot complete the login; its operator finds the reason in the log",
	}
}
