package oauth

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Code is an OAuth error code as it goes over the wire.
type Code string

// The error codes of RFC 6750 section 3.1, RFC 6749 sections 4.1.2.1 and 5.2, RFC 7591
// section 3.2.2 and RFC 8707 section 2.
const (
	CodeInvalidRequest          Code = "invalid_request"
	CodeInvalidToken            Code = "invalid_token"
	CodeInsufficientScope       Code = "insufficient_scope"
	CodeInvalidClient           Code = "invalid_client"
	CodeInvalidGrant            Code = "invalid_grant"
	CodeUnauthorizedClient      Code = "unauthorized_client"
	CodeUnsupportedGrantType    Code = "unsupported_grant_type"
	CodeUnsupportedResponseType Code = "unsupported_response_type"
	CodeInvalidScope            Code = "invalid_scope"
	CodeAccessDenied            Code = "access_denied"
	CodeServerError             Code = "server_error"
	CodeTemporarilyUnavailable  Code = "temporarily_unavailable"
	CodeInvalidTarget           Code = "invalid_target"
	CodeInvalidRedirectURI      Code = "invalid_redirect_uri"
	CodeInvalidClientMetadata   Code = "invalid_client_metadata"
)

// Error is a refusal. Code and Description are made for the client; Reason and the wrapped cause
// are for logs only.
type Error struct {
	// Code is the RFC error code. It is empty when the client sent no credentials at all (RFC 6750
	// section 3.1).
	Code Code
	// Description is one safe sentence for the client.
	Description string
	// Status is the HTTP status of the answer.
	Status int
	// Reason is the machine-readable reason for logs.
	Reason Reason
	// RetryAfter, when positive, becomes a Retry-After header.
	RetryAfter time.Duration
	// Required and RequiredAny are the scopes whose lack caused the refusal: all of the first, or
	// one of the second.
	Required    []string
	RequiredAny []string
	// Caller is who was refused, where somebody was verified.
	Caller *AuthInfo
	// Cause is the underlying error, for logs.
	Cause error
}

// Sentinels to compare with errors.Is. They match every [*Error] of their code.
var (
	ErrInvalidRequest         = &Error{Code: CodeInvalidRequest}
	ErrInvalidToken           = &Error{Code: CodeInvalidToken}
	ErrInsufficientScope      = &Error{Code: CodeInsufficientScope}
	ErrTemporarilyUnavailable = &Error{Code: CodeTemporarilyUnavailable}
)

// ErrMissingCredentials is the refusal of a request without any credentials.
var ErrMissingCredentials = &Error{Status: http.StatusUnauthorized, Reason: ReasonMissingCredentials, Description: "Missing Authorization header"}

// Error describes the refusal for a log: code, reason and cause. Clients get Description.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("oauth")
	for _, part := range []string{string(e.Code), string(e.Reason)} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	} else if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is matches a target [*Error] whose code, and reason where it has one, are this error's.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Reason == "" || t.Reason == e.Reason)
}

// InvalidToken returns the 401 for a token that cannot be accepted.
func InvalidToken(reason Reason, cause error) *Error {
	return &Error{
		Code: CodeInvalidToken, Status: http.StatusUnauthorized,
		Description: "Invalid token", Reason: reason, Cause: cause,
	}
}

// Unavailable returns the 503 for a provider that cannot be asked. It is never a 401, which would
// make clients log in again for nothing.
func Unavailable(retryAfter time.Duration, cause error) *Error {
	return &Error{
		Code: CodeTemporarilyUnavailable, Status: http.StatusServiceUnavailable,
		Description: "The identity provider cannot be reached, try again later",
		Reason:      ReasonProviderUnavailable, RetryAfter: retryAfter, Cause: cause,
	}
}

// InvalidRequest returns the 400 for a malformed request.
func InvalidRequest(reason Reason, description string) *Error {
	return &Error{Code: CodeInvalidRequest, Status: http.StatusBadRequest, Description: description, Reason: reason}
}

// MissingScopes returns the 403 for a caller who lacks some of the needed scopes (RFC 6750
// section 3.1).
func MissingScopes(needed ...string) *Error {
	return &Error{
		Code: CodeInsufficientScope, Status: http.StatusForbidden, Reason: ReasonInsufficientScope, Required: needed,
		Description: "Missing required scope(s): " + strings.Join(needed, ", "),
	}
}

// MissingAnyScope returns the 403 for a caller who has none of the scopes of which one is needed.
func MissingAnyScope(needed ...string) *Error {
	return &Error{
		Code: CodeInsufficientScope, Status: http.StatusForbidden, Reason: ReasonInsufficientScope, RequiredAny: needed,
		Description: "Missing at least one required scope from: " + strings.Join(needed, ", "),
	}
}

// For returns the refusal with its caller, whose granted scopes the answer names.
func (e *Error) For(caller *AuthInfo) *Error {
	own := *e // e may be a sentinel, which all requests share
	own.Caller = caller
	return &own
}

// AsError returns err as an [*Error] with a status. The code of a sentinel fills in the fields that
// the sentinel leaves open; an error that is no [*Error] becomes a 500 that tells the client
// nothing.
func AsError(err error) *Error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return serverError(err)
	case e.Status != 0:
		return e
	}
	return e.completed(err)
}

func serverError(cause error) *Error {
	return &Error{
		Code: CodeServerError, Status: http.StatusInternalServerError,
		Description: "The request could not be authorized", Reason: ReasonVerifierFailed, Cause: cause,
	}
}

// completed returns the refusal that a sentinel stands for. err is the whole error that held it.
func (e *Error) completed(err error) *Error {
	var c *Error
	switch e.Code {
	case CodeInvalidToken:
		c = InvalidToken(ReasonRefusedByVerifier, err)
	case CodeTemporarilyUnavailable:
		c = Unavailable(time.Second, err)
	case CodeInsufficientScope:
		c = MissingScopes()
		c.Description, c.Cause = "Missing required scopes", err
	case CodeInvalidRequest:
		c = InvalidRequest(ReasonRefusedByVerifier, "The request is malformed")
		c.Cause = err
	default: // a code of another endpoint says nothing to the client of a protected resource
		return serverError(err)
	}
	c.Description, c.Reason = cmp.Or(e.Description, c.Description), cmp.Or(e.Reason, c.Reason)
	c.RetryAfter = max(e.RetryAfter, c.RetryAfter)
	c.Required, c.RequiredAny, c.Caller = e.Required, e.RequiredAny, e.Caller
	return c
}

// ConfigError is one problem of a provider's configuration. A constructor reports all of them
// joined; errors.As finds the first.
type ConfigError struct {
	// Provider is the provider's title.
	Provider string
	// Field is the configuration field in the spec's spelling: "serverUrl".
	Field string
	// Env is the environment variable that sets it; empty if there is none.
	Env string
	// Message is the whole sentence for the operator. It holds no secret.
	Message string
}

// Error returns the message.
func (e *ConfigError) Error() string { return e.Message }
