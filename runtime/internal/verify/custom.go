package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// CustomConfig says how tokens are checked by a function of the operator.
type CustomConfig struct {
	// Provider is the provider's short name.
	Provider string
	// Verifier checks a token and returns its claims. Required.
	Verifier oauth.TokenVerifier
	// Issuer is the provider's issuer. Required.
	Issuer string
	// Mapper reads the caller from the claims. Nil stands for an empty [facts.ClaimMap]: sub is the user.
	Mapper *Mapper
	// UserMapper replaces Mapper for [oauth.AuthInfo.User]. Client, scopes and permissions of the caller stay Mapper's.
	UserMapper oauth.UserMapper
	// Leeway is how far the clocks of provider and server may be apart, at most ten minutes. Zero is none.
	Leeway time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// Custom verifies tokens with a function of the operator and does not take its word for everything: what the returned
// claims say about times (exp, nbf, iat), issuer and sender constraint is checked, and they must name a user.
type Custom struct {
	verifier oauth.TokenVerifier
	issuer   string
	callers  callers
	clock    clock
}

// NewCustom returns a verifier. An error names what is missing.
func NewCustom(config CustomConfig) (*Custom, error) {
	switch {
	case config.Verifier == nil:
		return nil, errors.New("custom verification: no function that verifies tokens")
	case config.Issuer == "":
		return nil, errors.New("custom verification: no issuer")
	}
	times, err := newClock(config.Now, config.Leeway)
	if err != nil {
		return nil, err
	}
	who, err := newCallers(config.Provider, config.Mapper, config.UserMapper)
	if err != nil {
		return nil, err
	}
	return &Custom{verifier: config.Verifier, issuer: config.Issuer, callers: who, clock: times}, nil
}

// Verify checks an access token for the protected resource that it is presented to and returns its caller. An error
// of the function that is no [*oauth.Error] counts as a refusal of the token, except for an expired context and errors of
// the network (net.Error), which say nothing about it: those are 503. A caller without exp has a zero ExpiresAt.
func (c *Custom) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	return c.check(presented.Token.Reveal(), presented.Resource, func() (oauth.Claims, error) {
		return c.verifier.VerifyToken(ctx, presented)
	})
}

// VerifyExchanged checks a token that the caller itself obtained, as [ExchangeVerifier] explains. Where the function is one
// itself, such as [NewUserInfo]'s, it is asked in that way; otherwise this is Verify.
func (c *Custom) VerifyExchanged(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
	exchanged, ok := c.verifier.(ExchangeVerifier)
	if !ok {
		return c.Verify(ctx, oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource})
	}
	return c.check(token, resource, func() (oauth.Claims, error) {
		info, err := exchanged.VerifyExchanged(ctx, token, resource)
		if err != nil {
			return oauth.Claims{}, err
		}
		return info.Claims, nil
	})
}

// Forget drops what the function keeps about a token, where it is an [ExchangeVerifier].
func (c *Custom) Forget(token string) {
	if exchanged, ok := c.verifier.(ExchangeVerifier); ok {
		exchanged.Forget(token)
	}
}

// check asks the function for a token's claims and checks what does not need its word.
func (c *Custom) check(token, resource string, ask func() (oauth.Claims, error)) (*oauth.AuthInfo, error) {
	if len(token) > MaxTokenSize {
		return nil, oauth.InvalidToken(oauth.ReasonTokenTooLarge, fmt.Errorf(
			"the token has %d bytes, the limit is %d", len(token), MaxTokenSize))
	}
	claims, err := ask()
	if err != nil {
		return nil, refusal(err)
	}
	if claims.Has("iss") && claims.String("iss") != c.issuer {
		return nil, oauth.InvalidToken(oauth.ReasonIssuer, fmt.Errorf(
			"the claims' issuer is %s, configured is %q (every character counts)", quote(claims.String("iss")), c.issuer))
	}
	expires, err := c.clock.expiry(claims, false)
	if err != nil {
		return nil, err
	}
	if err := c.clock.start(claims); err != nil {
		return nil, err
	}
	if err := bearerOnly(claims); err != nil {
		return nil, err
	}
	return c.callers.caller(verified{
		claims: claims, issuer: c.issuer, audience: claims.Strings("aud"), expires: expires,
	}, token, resource)
}

// UserInfo maps verified claims to the common user shape.
func (c *Custom) UserInfo(claims oauth.Claims) oauth.UserInfo { return c.callers.userInfo(claims) }

// refusal is the answer to a verifier's error.
func refusal(err error) error {
	var e *oauth.Error
	var network net.Error
	switch {
	case errors.As(err, &e) && e.Status != 0:
		return e
	case errors.As(err, &e) && e.Code == oauth.CodeTemporarilyUnavailable,
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &network):
		return oauth.Unavailable(time.Second, err)
	case errors.As(err, &e) && e.Code == oauth.CodeInsufficientScope:
		return &oauth.Error{Code: e.Code, Status: http.StatusForbidden, Reason: oauth.ReasonInsufficientScope, Cause: err}
	default:
		return oauth.InvalidToken(oauth.ReasonRefusedByVerifier, err)
	}
}
