package upstream

import (
	"errors"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// Kind says what a failed request to the provider means.
type Kind int

const (
	// KindUnavailable is an outage: the provider cannot answer now, or asks to be left alone.
	KindUnavailable Kind = iota
	// KindDenied is the provider's no to a code or refresh token.
	KindDenied
	// KindNonce is an ID token that does not belong to the login.
	KindNonce
	// KindRejected is an error of the provider that only the operator can correct: wrong credentials,
	// a wrong redirect URI.
	KindRejected
	// KindUnusable is an answer that is none, or none that may be read: another content type, a
	// redirect, too large.
	KindUnusable
	// KindSurplus is a request that was not sent: there are too many of its kind, or of its login
	// or client. Nothing was used up.
	KindSurplus
)

// Error is what every method of [Client] returns for a request that failed. Its text holds neither
// token, code nor secret.
type Error struct {
	Kind Kind
	// RetryAfter is how long the provider wants to be left alone; zero where it does not say.
	RetryAfter time.Duration

	cause error
}

// Error implements error.
func (e *Error) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

func failure(kind Kind, cause error) *Error { return &Error{Kind: kind, cause: cause} }

func surplus(wait time.Duration, cause error) *Error {
	return &Error{Kind: KindSurplus, RetryAfter: wait, cause: cause}
}

// KindOf returns the kind of an error of this package; [KindUnavailable] for any other.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindUnavailable
}

// notSent tells an outage from what stays wrong until somebody corrects it.
func notSent(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch egress.KindOf(err) {
	case egress.KindURL, egress.KindPolicy, egress.KindScheme, egress.KindAddress, egress.KindRedirect, egress.KindTooLarge:
		return failure(KindUnusable, err)
	default:
		return failure(KindUnavailable, err)
	}
}

// Code returns the registered error code for one that the provider sent: its own ones are mapped as
// its spec says.
func (c *Client) Code(name string) oauth.Code {
	if mapped, ok := c.provider.ErrorCodes[name]; ok {
		return mapped
	}
	return oauth.Code(name)
}
