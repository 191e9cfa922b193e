// Package observe is where everything that happens can be seen: a refusal, an issued token, a fetch
// is one typed [Event] with one [oauth.Reason], and an [Observer] makes of it a log line, a metric,
// a span or an audit record. [Slog] writes the log that is on by default. docs/observability.md
// lists the events and the reasons.
//
// No event carries a token, a code or a secret.
package observe
