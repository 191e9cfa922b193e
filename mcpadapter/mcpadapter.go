// Package mcpadapter hands the verified caller to the official Go MCP SDK
// (github.com/modelcontextprotocol/go-sdk), so that tools see who calls and sessions are bound to
// one user.
package mcpadapter

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// extraKey is where TokenInfo.Extra keeps the caller.
const extraKey = "github.com/latchkey-auth/latchkey/oauth.AuthInfo"

// Handler puts the caller that a guard verified into the SDK's own [auth.TokenInfo]. The token is
// not verified again, and refusals stay the guard's. Mount it below the guard; without one every
// request is answered with a 500, since nobody was verified.
//
// Behind a reverse proxy on the same machine set DisableLocalhostProtection in the SDK's options:
// it refuses every public Host on loopback. The guard makes up for it, since a page that rebinds
// DNS has no token.
//
// Sessions are bound to one issuer and subject: by the SDK for its streamable transport, here for
// an [mcp.SSEHandler]. Give Handler the SDK's handler itself. Tools behind an SSEHandler find their
// caller with [oauth.FromContext], since that transport does not pass the SDK's TokenInfo on.
func Handler(next http.Handler) http.Handler {
	if sse, ok := next.(*mcp.SSEHandler); ok {
		next = &sseSessions{next: sse, users: map[string]string{}}
	}
	// The SDK keeps its context key to itself, so its own middleware has to write the value. Expiry
	// was checked already, with a leeway that the SDK does not know.
	below := auth.RequireBearerToken(tokenInfo, &auth.RequireBearerTokenOptions{
		AllowMissingExpiration: true, ClockSkew: time.Duration(math.MaxInt64 / 2),
	})(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := oauth.FromContext(r.Context()); !ok {
			observe.Slog(nil).Observe(r.Context(), observe.Event{
				Kind: observe.RequestRefused, Time: time.Now(), Level: slog.LevelError, Reason: oauth.ReasonMissingGuard,
				Status: http.StatusInternalServerError, Method: r.Method, Path: r.URL.Path,
				Message: "mcpadapter.Handler runs without a guard", Hint: "put guard.Require() or guard.Protect around it",
			})
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		below.ServeHTTP(w, r)
	})
}

func tokenInfo(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	info, ok := oauth.FromContext(ctx)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{
		Scopes: info.Scopes, Expiration: info.ExpiresAt, UserID: UserID(info), Extra: map[string]any{extraKey: info},
	}, nil
}

// UserID is the identifier under which the SDK binds sessions to a caller: the issuer, a space and
// the subject, since a subject alone is unique within its issuer only (MCP security best practices,
// "Session Hijacking").
func UserID(info *oauth.AuthInfo) string { return info.Issuer + " " + info.Subject }

// AuthInfo returns the caller of the request that a tool, prompt or resource handler answers. It is
// the caller of this very request, also in stateful sessions, where the handler's context keeps the
// one of the session's first request.
func AuthInfo(request mcp.Request) (*oauth.AuthInfo, bool) {
	extra := request.GetExtra()
	if extra == nil || extra.TokenInfo == nil {
		return nil, false
	}
	info, ok := extra.TokenInfo.Extra[extraKey].(*oauth.AuthInfo)
	return info, ok
}
