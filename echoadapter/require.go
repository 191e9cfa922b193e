package echoadapter

import (
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// RequireScope returns middleware for routes below [Guard.Require]: the caller needs all of the
// given scopes or permissions. Before or without Require every request is a 500, and the log says
// what to do.
func RequireScope(needed ...string) echo.MiddlewareFunc {
	return require(func(caller *oauth.AuthInfo) error { return caller.CheckScope(needed...) })
}

// RequireAnyScope returns middleware for routes below [Guard.Require]: the caller needs at least
// one of the given scopes or permissions.
func RequireAnyScope(needed ...string) echo.MiddlewareFunc {
	return require(func(caller *oauth.AuthInfo) error { return caller.CheckAnyScope(needed...) })
}

// RequireRole returns middleware for routes below [Guard.Require]: the caller needs all of the
// given roles.
func RequireRole(needed ...string) echo.MiddlewareFunc {
	return require(func(caller *oauth.AuthInfo) error { return caller.CheckRole(needed...) })
}

// RequireAnyRole returns middleware for routes below [Guard.Require]: the caller needs at least one
// of the given roles.
func RequireAnyRole(needed ...string) echo.MiddlewareFunc {
	return require(func(caller *oauth.AuthInfo) error { return caller.CheckAnyRole(needed...) })
}

// RequireFunc returns middleware for routes below [Guard.Require]: a function decides about the
// caller, at every request and in every mode. An [*oauth.Error] that it returns is answered as it
// is: [oauth.MissingScopes] makes clients ask for a scope, [oauth.Unavailable] is a 503. Any other
// error is a 403, and its text goes to the log alone, behind the name.
func RequireFunc(name string, allowed func(*oauth.AuthInfo) error) echo.MiddlewareFunc {
	return require(func(caller *oauth.AuthInfo) error { return caller.Check(name, allowed) })
}

// require leaves the answer to the guard above, which adds its challenge.
func require(check func(*oauth.AuthInfo) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			caller, verified := AuthInfo(c)
			err := check(caller)
			if err == nil {
				return next(c)
			}
			if refused := oauth.AsError(err); !verified {
				// No guard is above that would log and answer it.
				r := c.Request()
				observe.Slog(nil).Observe(r.Context(), observe.Event{
					Kind: observe.RequestRefused, Time: time.Now(), Level: slog.LevelError, Reason: refused.Reason,
					Code: refused.Code, Status: refused.Status, Method: r.Method, Path: r.URL.Path, Err: refused.Cause,
				})
				return echo.NewHTTPError(refused.Status, refused.Description).SetInternal(err)
			}
			return err
		}
	}
}
