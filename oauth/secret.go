package oauth

import (
	"fmt"
	"log/slog"
)

// redacted is what every printed form of a Secret shows.
const redacted = "[redacted]"

// Secret is a credential in a configuration or on a caller: a client secret, a signing secret, an
// access token. It prints, logs and marshals as "[redacted]"; [Secret.Reveal] is the one way to its
// value.
//
// Package fmt does not ask the types of unexported fields how to print: a struct of yours that
// keeps a Secret in one needs a Format method of its own.
type Secret string

var (
	_ fmt.Formatter  = Secret("")
	_ slog.LogValuer = Secret("")
)

// Reveal returns the secret itself. Nothing that it returns belongs in a log, an error or a
// response.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer without the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb (%x, %q, %#v …) reaches the secret.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = fmt.Fprint(state, s.String()) }

// LogValue implements slog.LogValuer without the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler without the secret. There is no UnmarshalText: a
// Secret decodes as the plain string that it is.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
