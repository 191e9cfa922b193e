package verify

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// insecureLog warns of switched-off checks: at construction, and at most once in warnInterval while tokens pass.
type insecureLog struct {
	Insecure

	provider string
	logger   *slog.Logger
	now      func() time.Time
	last     atomic.Int64 // Unix nanoseconds of the last warning
}

const warnInterval = time.Minute

func newInsecureLog(config Config, now func() time.Time) *insecureLog {
	l := &insecureLog{Insecure: config.Insecure, provider: config.Title, logger: config.Logger, now: now}
	if l.provider == "" {
		l.provider = config.Provider
	}
	if l.logger == nil {
		l.logger = slog.Default()
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
		l.logger.Warn("INSECURE: signatures of access tokens are not checked: anybody can write a token that is accepted",
			"provider", l.provider, "setting", "InsecureSkipSignature")
	}
	if l.SkipAudience {
		l.logger.Warn("INSECURE: the audience of access tokens is not checked: tokens for other servers are accepted",
			"provider", l.provider, "setting", "InsecureSkipAudience")
	}
}
