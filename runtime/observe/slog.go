package observe

import (
	"context"
	"log/slog"
	"time"
)

// Slog returns the observer that writes a line for each event; a nil logger is [slog.Default]. The
// members of a line are listed in docs/observability.md. Routine events, verified callers above
// all, appear at DEBUG, and are not made where the logger drops them.
func Slog(logger *slog.Logger) Observer {
	if logger == nil {
		logger = slog.Default()
	}
	return slogger{logger}
}

type slogger struct{ logger *slog.Logger }

// Enabled reports whether the logger may write a line for events of a kind.
func (s slogger) Enabled(kind Kind) bool {
	return s.logger.Enabled(context.Background(), most(kind))
}

// most is the most attention that an event of a kind may deserve.
func most(kind Kind) slog.Level {
	switch kind {
	case CallerVerified, ConsentShown, StreamEnded:
		return slog.LevelDebug
	case ConsentGiven, ConsentDenied, ClientRegistered, RequestRelayed:
		return slog.LevelInfo
	default:
		return slog.LevelError
	}
}

// Observe implements [Observer].
func (s slogger) Observe(ctx context.Context, e Event) {
	ctx = context.WithoutCancel(ctx) // a client that is gone takes no line with it
	if !s.logger.Enabled(ctx, e.Level) {
		return
	}
	s.logger.LogAttrs(ctx, e.Level, e.sentence(), attributes(&e)...)
}

// attributes are the members of an event's line: the reason first, the long ones last.
func attributes(e *Event) []slog.Attr {
	attrs := make([]slog.Attr, 0, 16+len(e.Details))
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	list := func(name string, values []string) {
		if len(values) > 0 {
			attrs = append(attrs, slog.Any(name, values))
		}
	}
	text("reason", string(e.Reason))
	if e.Status != 0 {
		attrs = append(attrs, slog.Int("status", e.Status))
	}
	text("code", string(e.Code))
	text("method", e.Method)
	text("path", e.Path)
	text("event", string(e.Kind))
	text("provider", e.Provider)
	text("resource", e.Resource)
	text("client", e.Client)
	text("issuer", e.Issuer)
	text("subject", e.Subject)
	list("scopes", e.ScopesHad)
	list("scopes_asked", e.ScopesAsked)
	text("endpoint", e.Endpoint)
	text("url", e.URL)
	if e.Duration != 0 {
		attrs = append(attrs, slog.Float64("duration_ms", float64(e.Duration)/float64(time.Millisecond)))
	}
	attrs = append(attrs, e.Details...)
	text("hint", e.Hint)
	if e.Err != nil {
		text("error", e.Err.Error())
	}
	return attrs
}
