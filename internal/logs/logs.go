// Package logs makes the log of the command line: lines for people or for programs, without the
// subjects of users where the operator wants none, and with floods of like lines summed up.
package logs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
)

// Config says how lines are written.
type Config struct {
	// JSON makes each line a JSON object.
	JSON bool
	// Level is the least level that is written.
	Level slog.Level
	// SubjectKey, when set, puts a keyed digest in the place of each subject: lines of one user can
	// be put together, and nobody without the key learns whose they are.
	SubjectKey []byte
}

// memberSubject is the member of a line that names a user (docs/observability.md).
const memberSubject = "subject"

// New returns a logger that writes to w.
func New(w io.Writer, config Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: config.Level}
	if len(config.SubjectKey) > 0 {
		key := digest(config.SubjectKey, "subjects in logs") // of its own, not the one that seals
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == memberSubject && a.Value.Kind() == slog.KindString {
				a.Value = slog.StringValue("h:" + base64.RawURLEncoding.EncodeToString(digest(key, a.Value.String())[:16]))
			}
			return a
		}
	}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if config.JSON {
		handler = slog.NewJSONHandler(w, options)
	}
	return slog.New(newFloods(handler))
}

func digest(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(text))
	return mac.Sum(nil)
}
