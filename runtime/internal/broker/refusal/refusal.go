// Package refusal makes the errors that the broker answers with: each has a safe sentence for the
// client and a reason for the log.
package refusal

import (
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
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

// InvalidGrant is the refusal of a code or refresh token (RFC 6749 section 5.2). All causes look
// the same to the client.
func InvalidGrant(reason oauth.Reason, cause error) *oauth.Error {
	return Caused(oauth.CodeInvalidGrant, reason, "The code or refresh token is invalid, expired, revoked or not yours", cause)
}

// Unauthenticated is the refusal of a client that did not say who it is in the way that it must
// (RFC 6749 section 5.2).
func Unauthenticated(description string, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: oauth.ReasonClientAuthentication, Cause: cause,
		Description: description,
	}
}

// RetryLater is the 503 for what may work in a moment.
func RetryLater(reason oauth.Reason, after time.Duration, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusServiceUnavailable, Reason: reason, Cause: cause,
		Description: "The server cannot answer right now, try again in a moment", RetryAfter: max(after, time.Second),
	}
}

// Misconfigured is the 500 for what only the operator can correct; the log says what.
func Misconfigured(reason oauth.Reason, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeServerError, Status: http.StatusInternalServerError, Reason: reason, Cause: cause,
		Description: "The server cannot complete the login; its operator finds the reason in the log",
	}
}

// TooMany is the 429 for a client that asks more often than it may.
func TooMany() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, Reason: oauth.ReasonRateLimited,
		Description: "Too many requests, try again in a moment", RetryAfter: 10 * time.Second,
	}
}

// Surplus is the 429 for what was not sent to the provider, since there is too much of its kind.
func Surplus(after time.Duration, cause error) *oauth.Error {
	e := TooMany()
	e.RetryAfter, e.Cause = max(after, time.Second), cause
	return e
}

// StoreFailed is the 503 where the store did not answer: nothing passes unseen.
func StoreFailed(cause error) *oauth.Error {
	e := RetryLater(oauth.ReasonStoreUnavailable, 0, cause)
	e.Description = "The store of this server cannot be reached, try again in a moment"
	return e
}
