package grants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Provider is the identity provider as grants need it: a client of package upstream is one, and its
// errors are those of that package.
type Provider interface {
	// Admit counts a token request of a caller, and gives the permit to send it.
	Admit(caller upstream.Caller) (upstream.Permit, error)
	// ExchangeCode redeems a code of the provider's.
	ExchangeCode(ctx context.Context, permit upstream.Permit, code upstream.Code) (upstream.Tokens, error)
	// Refresh asks for new tokens.
	Refresh(ctx context.Context, permit upstream.Permit, refresh string, scopes []string, resource string) (upstream.Tokens, error)
	// Revoke takes a token back, where the provider can. The hint is one of package upstream.
	Revoke(ctx context.Context, caller upstream.Caller, token, hint string) error
}

// leg is the provider with what goes with every question to it.
type leg struct {
	Provider

	forget                  func(token string)
	tokenURL, revocationURL string
	secretVariable          string
	events                  *events.Sender
}

// ExchangeCode implements [Provider].
func (l leg) ExchangeCode(ctx context.Context, permit upstream.Permit, code upstream.Code) (tokens upstream.Tokens, err error) {
	err = l.ask(ctx, "token", l.tokenURL, func(ctx context.Context) (err error) {
		tokens, err = l.Provider.ExchangeCode(ctx, permit, code)
		return err
	})
	return tokens, err
}

// Refresh implements [Provider].
func (l leg) Refresh(
	ctx context.Context, permit upstream.Permit, refresh string, scopes []string, resource string,
) (tokens upstream.Tokens, err error) {
	err = l.ask(ctx, "token", l.tokenURL, func(ctx context.Context) (err error) {
		tokens, err = l.Provider.Refresh(ctx, permit, refresh, scopes, resource)
		return err
	})
	return tokens, err
}

// Revoke implements [Provider].
func (l leg) Revoke(ctx context.Context, caller upstream.Caller, token, hint string) error {
	if l.revocationURL == "" { // nobody is asked
		return l.Provider.Revoke(ctx, caller, token, hint)
	}
	return l.ask(ctx, "revocation", l.revocationURL, func(ctx context.Context) error {
		return l.Provider.Revoke(ctx, caller, token, hint)
	})
}

// ask asks the provider, which is an event. An error that is the operator's to correct names what
// there is to correct.
func (l leg) ask(ctx context.Context, endpoint, url string, question func(context.Context) error) error {
	ctx, end := l.events.Begin(ctx, observe.Operation{Kind: observe.ProviderAsked, Endpoint: endpoint, URL: url})
	err := question(ctx)
	if errors.Is(err, upstream.ErrOwnCredentials) {
		err = fmt.Errorf("%s endpoint %s: %w; %s", endpoint, events.PlainURL(url), err, events.CredentialsHint(l.secretVariable))
	}
	event := observe.Event{Level: slog.LevelDebug, Err: err}
	if err != nil {
		event.Reason = providerRefused(err).Reason
	}
	end(event)
	return err
}

// revoke tells the provider, and sees to it that nobody here relies on what was known of the token.
// A request that the provider refuses is the operator's to correct: the client has done its part.
// An outage is its to try again (RFC 7009 section 2.2.1).
func (l leg) revoke(ctx context.Context, caller upstream.Caller, token, hint string) *oauth.Error {
	defer l.forget(token)
	err := l.Revoke(ctx, caller, token, hint)
	switch {
	case err == nil:
		return nil
	case upstream.KindOf(err) == upstream.KindRejected:
		l.events.Observe(ctx, observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonUpstreamError, Message: "the provider refused a revocation", Err: err,
		})
		return nil
	case upstream.KindOf(err) == upstream.KindSurplus:
		return providerRefused(err)
	}
	return refusal.RetryLater(oauth.ReasonUpstreamUnavailable, 0, err)
}

// admit counts a token request of a login. The surplus is refused before anything counts as used.
func (l leg) admit(login tickets.ID, r Request) (upstream.Permit, *oauth.Error) {
	permit, err := l.Admit(callerOf(login, r))
	if err != nil {
		return permit, providerRefused(err)
	}
	return permit, nil
}

// callerOf is on whose behalf the provider is asked about a login.
func callerOf(login tickets.ID, r Request) upstream.Caller {
	return upstream.Caller{Login: string(login[:]), Address: r.Address}
}

// abandon revokes tokens at the provider that nobody will get.
func (l leg) abandon(ctx context.Context, tokens upstream.Tokens) {
	token, hint := tokens.Refresh, upstream.HintRefreshToken
	if token == "" {
		token, hint = tokens.Access, upstream.HintAccessToken
	}
	if refused := l.revoke(ctx, upstream.Caller{}, token, hint); refused != nil {
		l.events.Observe(ctx, observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Reason: refused.Reason, Err: refused.Cause,
			Message: "the provider's tokens that nobody gets were not revoked there",
		})
	}
}

// providerRefused maps a failed request to the provider for the client: the provider's no ends the
// grant, an outage and a surplus pass, what only the operator can correct is ours.
func providerRefused(err error) *oauth.Error {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return refusal.RetryLater(oauth.ReasonUpstreamUnavailable, 0, err)
	}
	switch e.Kind {
	case upstream.KindDenied:
		return refusal.InvalidGrant(oauth.ReasonUpstreamError, err)
	case upstream.KindNonce:
		return refusal.InvalidGrant(oauth.ReasonNonce, err)
	case upstream.KindRejected:
		if errors.Is(err, upstream.ErrOwnCredentials) {
			return refusal.Misconfigured(oauth.ReasonOwnCredentials, err)
		}
		return refusal.Misconfigured(oauth.ReasonUpstreamError, err)
	case upstream.KindUnusable:
		return refusal.Misconfigured(oauth.ReasonUpstreamResponse, err)
	case upstream.KindSurplus:
		return refusal.Surplus(e.RetryAfter, err)
	default:
		return refusal.RetryLater(oauth.ReasonUpstreamUnavailable, e.RetryAfter, err)
	}
}
