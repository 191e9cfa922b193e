package broker

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/pages"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

// writeJSON writes an answer that nobody may keep (RFC 6749 section 5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Pragma", "no-cache")
	httpanswer.JSON(w, status, body)
}

// answers are how the endpoints refuse, and what the log hears of it.
type answers struct {
	pages    *pages.Pages
	provider string // its name
	logger   *slog.Logger
}

// refuseJSON logs a refusal and answers it (RFC 6749 section 5.2).
func (a answers) refuseJSON(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	a.log(r, e)
	httpanswer.RetryAfter(w.Header(), e.RetryAfter)
	if e.Status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint"`)
	}
	writeJSON(w, e.Status, oauth.ErrorResponse{Error: e.Code, ErrorDescription: e.Description})
}

// suspicious are the reasons behind which somebody may be attacking.
var suspicious = []oauth.Reason{
	refusal.ReasonRefreshTokenReused, refusal.ReasonCodeUsed, refusal.ReasonUpstreamIssuer, refusal.ReasonForeignForm, refusal.ReasonTransactionUsed,
}

// log says that a request was refused, and why.
func (a answers) log(r *http.Request, e *oauth.Error, more ...any) {
	level := slog.LevelInfo
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if slices.Contains(suspicious, e.Reason) {
		level = slog.LevelWarn
	}
	attrs := []any{
		slog.String("reason", string(e.Reason)), slog.Int("status", e.Status), slog.String("code", string(e.Code)),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("provider", a.provider),
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("error", e.Cause.Error()))
	}
	a.logger.Log(context.WithoutCancel(r.Context()), level, "request refused", append(attrs, more...)...)
}

// refusePage logs a refusal and shows it.
func (a answers) refusePage(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	a.log(r, e)
	a.pages.Error(w, r, e)
}
