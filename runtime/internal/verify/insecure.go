package verify

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// insecureLog warns of switched-off checks: at construction, and at most once in warnInterval while
// tokens pass.
type insecureLog struct {
	Insecure

	provider string
	events   *events.Sender
	now      func() time.Time
	last     atomic.Int64 // Unix nanoseconds of the last warning
}

const warnInterval = time.Minute

func newInsecureLog(config Config, now func() time.Time) *insecureLog {
	l := &insecureLog{Insecure: config.Insecure, provider: config.Title, events: config.Events, now: now}
	if l.provider == "" {
		l.provider = config.Provider
	}
	l.used()
	return l
}

// used is called when a token passed.
func (l *insecureLog) used() {
	if !l.SkipSignature && !l.SkipAudience {
		return
	}
	now, last := l.now().UnixNano(), l.last.Load()
	if last != 0 && now-last < int64(warnInterval) || !l.last.CompareAndSwap(last, now) {
		return
	}
	if l.SkipSignature {
		l.warn("InsecureSkipSignature", "INSECURE: signatures of access tokens are not checked: anybody can write a token that is accepted")
	}
	if l.SkipAudience {
		l.warn("InsecureSkipAudience", "INSECURE: the audience of access tokens is not checked: tokens for other servers are accepted")
	}
}

func (l *insecureLog) warn(setting, message string) {
	l.events.Observe(context.Background(), observe.Event{
		Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonInsecureSetting, Message: message, Provider: l.provider,
		Details: []slog.Attr{slog.String("setting", setting)},
	})
}
