package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// Check returns the refusal of a caller whom allowed does not let in. An [*Error] of allowed is
// answered as it is; any other is a 403, see [Forbidden], whose text goes to the log alone, with
// the name of the check. Without a caller Check is a server error that says what to do: nobody was
// verified.
func (a *AuthInfo) Check(name string, allowed func(*AuthInfo) error) error {
	if a == nil {
		return noCaller(name)
	}
	err := allowed(a)
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return Forbidden(fmt.Errorf("%s: %w", name, err)).For(a)
	case e.Caller == nil:
		return AsError(err).For(a)
	}
	return err
}

// CheckScope returns the 403 of a caller who lacks one of the needed scopes or permissions.
func (a *AuthInfo) CheckScope(needed ...string) error {
	return a.Check("RequireScope", func(a *AuthInfo) error {
		if a.HasAll(needed...) {
			return nil
		}
		return MissingScopes(needed...)
	})
}

// CheckAnyScope returns the 403 of a caller who has none of the scopes or permissions of which one
// is needed.
func (a *AuthInfo) CheckAnyScope(needed ...string) error {
	return a.Check("RequireAnyScope", func(a *AuthInfo) error {
		if a.HasAny(needed...) {
			return nil
		}
		return MissingAnyScope(needed...)
	})
}

// CheckRole returns the 403 of a caller who lacks one of the needed roles. No scope would help:
// clients are not told to ask for one.
func (a *AuthInfo) CheckRole(needed ...string) error {
	return a.Check("RequireRole", func(a *AuthInfo) error {
		for _, role := range needed {
			if !slices.Contains(a.User.Roles, role) {
				return fmt.Errorf("the caller lacks the role %q", role)
			}
		}
		return nil
	})
}

// CheckAnyRole returns the 403 of a caller who has none of the roles of which one is needed.
func (a *AuthInfo) CheckAnyRole(needed ...string) error {
	return a.Check("RequireAnyRole", func(a *AuthInfo) error {
		if slices.ContainsFunc(needed, func(role string) bool { return slices.Contains(a.User.Roles, role) }) {
			return nil
		}
		return fmt.Errorf("the caller has none of the roles %q", needed)
	})
}

// Forbidden returns the 403 for a caller whom no further scope would help. The cause is for logs.
func Forbidden(cause error) *Error {
	return &Error{
		Code: CodeAccessDenied, Status: http.StatusForbidden, Reason: ReasonForbidden, Cause: cause,
		Description: "The caller may not do this",
	}
}

// noCaller is the 500 of a check that runs where no guard has run.
func noCaller(name string) *Error {
	return &Error{
		Code: CodeServerError, Status: http.StatusInternalServerError, Reason: ReasonMissingGuard,
		Description: "The request could not be authorized",
		Cause: fmt.Errorf("%s found no verified caller: put the guard before it, which is guard.Protect around it in net/http and "+
			"guard.Require() ahead of it in Echo", name),
	}
}
