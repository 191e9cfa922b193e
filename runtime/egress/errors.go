package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Kind says what went wrong with a request, for callers that answer differently.
type Kind string

// The kinds of failure. The refused ones, KindURL and KindPolicy come from the policy: nothing was
// sent.
const (
	// KindURL is a URL that cannot be used: no host, credentials inside, a host that is no name.
	KindURL Kind = "invalid_url"
	// KindPolicy is a client that was made with an invalid [Policy].
	KindPolicy Kind = "invalid_policy"
	// KindScheme is anything but https, or plain http where it is not permitted.
	KindScheme Kind = "refused_scheme"
	// KindAddress is a host whose address or port may not be reached.
	KindAddress Kind = "refused_address"
	// KindRedirect is a redirect that may not be followed.
	KindRedirect Kind = "redirect"
	// KindTooLarge is an answer beyond the size limit.
	KindTooLarge Kind = "too_large"
	// KindTimeout is a time limit that ran out, ours or the context's.
	KindTimeout Kind = "timeout"
	// KindCanceled is a caller that gave up.
	KindCanceled Kind = "canceled"
	// KindResolve is a host name that could not be resolved.
	KindResolve Kind = "unresolved"
	// KindConnect is a connection that could not be made.
	KindConnect Kind = "unreachable"
	// KindTLS is a failed handshake, an untrusted certificate included.
	KindTLS Kind = "tls"
	// KindStatus is an answer with an unexpected status ([Error.Status]).
	KindStatus Kind = "status"
	// KindContent is an answer of the wrong content type or encoding.
	KindContent Kind = "content"
	// KindFailed is every other failure of the exchange.
	KindFailed Kind = "failed"
)

// Error is a failed request. Its message names the host at most, never the URL: a query may hold
// secrets.
type Error struct {
	Kind Kind
	// Host is the host, with its port where the URL has one.
	Host string
	// Detail is what happened, in a few words.
	Detail string
	// Status is the HTTP status for KindStatus and KindRedirect.
	Status int
	// RetryAfter is the delay that a KindStatus answer asked for; zero when it asked for none.
	RetryAfter time.Duration
	// Cause is the underlying error. Its text may hold what the other side sent.
	Cause error
}

// Error describes the failure for a log.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("egress: " + string(e.Kind))
	if e.Host != "" {
		b.WriteString(": " + e.Host)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Cause != nil && e.causeIsLocal() {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// causeIsLocal reports whether the cause's text was made on this side. Errors of net/http may quote
// the answer.
func (e *Error) causeIsLocal() bool {
	switch e.Kind {
	case KindResolve, KindConnect, KindTLS, KindPolicy, KindCanceled:
		return true
	default:
		_, system := errors.AsType[syscall.Errno](e.Cause)
		return system
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Timeout implements the method of net.Error.
func (e *Error) Timeout() bool { return e.Kind == KindTimeout }

// KindOf returns the kind of an error of a client of this package; [KindFailed] for any other error
// and the empty kind for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return AsError(err).Kind
}

// AsError turns any error of an HTTP exchange into an [*Error], leaving out the URL that net/http
// puts in front. It is nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return newFailure(hostOf(wrapped.URL), wrapped.Err)
	}
	return newFailure("", err)
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// newFailure sorts an error of the network or of net/http into its kind.
func newFailure(host string, err error) *Error {
	kind, detail := sortFailure(err)
	return &Error{Kind: kind, Host: host, Detail: detail, Cause: err}
}

func sortFailure(err error) (Kind, string) {
	var (
		timeout     interface{ Timeout() bool }
		dns         *net.DNSError
		op          *net.OpError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return KindCanceled, "the request was canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return KindTimeout, "no complete answer in time"
	case errors.As(err, &dns):
		return KindResolve, "the host name could not be resolved"
	case errors.As(err, &certificate), errors.As(err, &record):
		return KindTLS, "no trustworthy TLS connection"
	case errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect"):
		return KindConnect, "no connection"
	case errors.As(err, &op) && (op.Op == "local error" || op.Op == "remote error"): // how crypto/tls wraps its alerts
		return KindTLS, "no trustworthy TLS connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return KindFailed, "the other side closed the connection"
	default:
		return KindFailed, "the exchange broke off"
	}
}
