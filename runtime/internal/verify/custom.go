package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/explain"
)

// CustomConfig says how tokens are checked by a function of the operator.
type CustomConfig struct {
	// Provider is the provider's short name.
	Provider string
	// Verifier checks a token and returns its claims. Required.
	Verifier oauth.TokenVerifier
	// Issuers are the accepted iss values, compared byte for byte. The first one is the issuer of
	// callers whose claims have none. Required.
	Issuers []string
	// Mapper reads the caller from the claims. Nil stands for an empty [facts.ClaimMap]: sub is the
	// user.
	Mapper *Mapper
	// UserMapper replaces Mapper for [oauth.AuthInfo.User]. Client, scopes and permissions of the
	// caller stay Mapper's.
	UserMapper oauth.UserMapper
	// Leeway is how far the clocks of provider and server may be apart, at most ten minutes. Zero
	// is none.
	Leeway time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

// Custom verifies tokens with a function of the operator and does not take its word for everything:
// what the returned claims say about times (exp, nbf, iat), issuer and sender constraint is
// checked, and they must name a user.
type Custom struct {
	verifier oauth.TokenVerifier
	issuers  []string
	callers  callers
	clock    clock
	checks   checkTable
	// numericSub says that the function is one of this package that knows of numbers as sub.
	numericSub bool
}

// NewCustom returns a verifier. An error names what is missing.
func NewCustom(config CustomConfig) (*Custom, error) {
	switch {
	case config.Verifier == nil:
		return nil, errors.New("custom verification: no function that verifies tokens")
	case len(config.Issuers) == 0 || slices.Contains(config.Issuers, ""):
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
	c := &Custom{verifier: config.Verifier, issuers: slices.Clone(config.Issuers), callers: who, clock: times}
	if own, ok := config.Verifier.(interface{ numericSubject() bool }); ok {
		c.numericSub = own.numericSubject()
	}
	c.checks = c.table()
	return c, nil
}

// Verify checks an access token for the protected resource that it is presented to and returns its
// caller. An error of the function that is no [*oauth.Error] counts as a refusal of the token,
// except for an expired context and errors of the network (net.Error), which say nothing about it:
// those are 503. A caller without exp has a zero ExpiresAt.
func (c *Custom) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	return c.check(ctx, presented.Token.Reveal(), presented.Resource, func() (oauth.Claims, error) {
		return c.verifier.VerifyToken(ctx, presented)
	})
}

// VerifyExchanged checks a token that the caller itself obtained, as [ExchangeVerifier] explains.
// Where the function is one itself, such as [NewUserInfo]'s, it is asked in that way; otherwise
// this is Verify.
func (c *Custom) VerifyExchanged(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
	exchanged, ok := c.verifier.(ExchangeVerifier)
	if !ok {
		return c.Verify(ctx, oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource})
	}
	return c.check(ctx, token, resource, func() (oauth.Claims, error) {
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

// table lists the checks of what the function returned.
func (c *Custom) table() checkTable {
	needs := []string{checkVerifier}
	user := c.callers.check()
	user.needs = needs
	return checkTable{
		{id: checkIssuer, needs: needs, run: c.claimedIssuer, values: func(in *inspection) (got, want []string) {
			return in.claims.Strings("iss"), c.issuers
		}},
		{id: checkExpiry, needs: needs, run: expiryOf(false), values: expiryValues},
		{id: checkNotBefore, needs: needs, run: notBefore, values: notBeforeValues},
		{id: checkIssuedAt, needs: needs, run: issuedAt, values: issuedAtValues},
		{id: checkSender, needs: needs, run: bearerOnly},
		{id: checkSubject, needs: needs, run: func(_ context.Context, in *inspection) error {
			return textSubject(in.claims, c.numericSub)
		}, values: subjectValues},
		user,
	}
}

// check asks the function for a token's claims and checks what does not need its word.
func (c *Custom) check(ctx context.Context, token, resource string, ask func() (oauth.Claims, error)) (*oauth.AuthInfo, error) {
	in := &inspection{token: token, resource: resource}
	if err := checkTokenSize(ctx, in); err != nil {
		return nil, err
	}
	var err error
	if in.claims, err = ask(); err != nil {
		return nil, refusal(err)
	}
	in.now = c.clock.read()
	if err := c.checks.run(ctx, in); err != nil {
		return nil, in.withoutToken(err)
	}
	return in.caller, nil
}

// Explain runs all checks on a token and returns what each of them says. A function that explains
// itself, such as one of this package, says what it has found; of the checks behind it those are
// added that it does not have, or that fail.
func (c *Custom) Explain(ctx context.Context, presented oauth.Presented) []explain.Check {
	in := &inspection{token: presented.Token.Reveal(), resource: presented.Resource, now: c.clock.read()}
	findings := explained(ctx, in, append(checkTable{
		{id: checkSize, run: checkTokenSize, values: tokenSize},
		{id: checkVerifier, needs: []string{checkSize}, run: func(ctx context.Context, in *inspection) error {
			var err error
			if in.claims, err = c.verifier.VerifyToken(ctx, presented); err != nil {
				return refusal(err)
			}
			return nil
		}},
	}, c.checks...))
	explaining, ok := c.verifier.(interface {
		Explain(ctx context.Context, presented oauth.Presented) []explain.Check
	})
	if !ok {
		return findings
	}
	own := explaining.Explain(ctx, presented)
	for _, f := range findings {
		known := slices.ContainsFunc(own, func(other explain.Check) bool { return other.ID == f.ID })
		if f.Outcome == explain.Failed && f.ID != checkVerifier || !known && f.ID != checkVerifier {
			own = append(own, f)
		}
	}
	return own
}

// claimedIssuer checks iss, byte for byte, where the claims have one.
func (c *Custom) claimedIssuer(_ context.Context, in *inspection) error {
	if in.issuer = c.issuers[0]; !in.claims.Has("iss") {
		return nil
	}
	if in.issuer = in.claims.String("iss"); !slices.Contains(c.issuers, in.issuer) {
		return refuse(oauth.ReasonIssuer, fmt.Sprintf(
			"the claims' issuer is %s, configured is %q (every character counts)", quote(in.claims.String("iss")), c.issuers), "")
	}
	return nil
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
