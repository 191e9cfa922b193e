package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// TokenInfoConfig says how tokens are checked at an endpoint of the provider's own making.
type TokenInfoConfig struct {
	OpaqueConfig
	facts.TokenInfo

	// URL is the endpoint. Required.
	URL string
	// AssertionAudience is as in [IntrospectionConfig].
	AssertionAudience string
}

// NewTokenInfo returns a verifier that asks a token-info endpoint. An error names what is wrong or
// missing.
//
// The answer must name the application that the token was issued to: where it names it,
// [facts.Binding].ClientClaims says.
func NewTokenInfo(config TokenInfoConfig) (*Opaque, error) {
	if config.Place == "" {
		config.Place = facts.TokenInForm
	}
	if config.Parameter == "" {
		config.Parameter = "access_token"
	}
	if config.AuthMethod == "" {
		config.AuthMethod = facts.AuthNone
	}
	if len(config.InvalidErrors) == 0 {
		config.InvalidErrors = []string{string(oauth.CodeInvalidToken)}
	}
	types := config.TokenTypes
	if len(types) == 0 {
		types = defaultTokenTypes
	}
	ends, err := compileExpiry(config.Expiry, config.NoExpiry == "")
	if err != nil {
		return nil, fmt.Errorf("the token-info endpoint: %w", err)
	}
	return newOpaque(config.OpaqueConfig, strategy{
		endpoint: endpoint{
			name: "the token-info endpoint", kind: "tokeninfo", call: (*upstream.Gate).TokenInfo, url: config.URL, place: config.Place, parameter: config.Parameter,
			asking:      facts.Asking{Scheme: config.Scheme},
			credentials: config.Credentials, audience: config.AssertionAudience, header: config.Header,
			invalidStatus: slices.Clone(config.InvalidStatus), invalidErrors: slices.Clone(config.InvalidErrors),
		},
		checks: checkTable{
			{id: checkActive, needs: []string{checkAnswer}, run: func(_ context.Context, in *inspection) error {
				if active, ok := in.claims.Bool("active"); in.claims.Has("active") && (!ok || !active) {
					return notActive()
				}
				return nil
			}},
			{id: checkKind, needs: []string{checkActive}, values: tokenTypeValues(types), run: func(_ context.Context, in *inspection) error {
				return bearerAccessToken(in.claims, types)
			}},
			ends.asCheck(),
		},
	})
}

// expiry is a compiled list of [facts.Expiry].
type expiry struct {
	claims   []expiryClaim
	required bool
}

type expiryClaim struct {
	path   path
	format facts.ExpiryFormat
}

func compileExpiry(list []facts.Expiry, required bool) (expiry, error) {
	if len(list) == 0 && required {
		return expiry{}, errors.New("nothing says when a token ends; name the claim, or in NoExpiry the reason why there is none")
	}
	compiled := expiry{required: required}
	for _, e := range list {
		p, err := parsePath(e.Claim)
		if err != nil {
			return expiry{}, fmt.Errorf("expiry: %w", err)
		}
		switch e.Format {
		case facts.ExpirySeconds, facts.ExpirySecondsOrMilliseconds, facts.ExpiryIn, facts.ExpiryRFC3339:
		default:
			return expiry{}, fmt.Errorf("expiry: %q is no format: want seconds, seconds_or_milliseconds, seconds_from_now or rfc3339", e.Format)
		}
		compiled.claims = append(compiled.claims, expiryClaim{path: p, format: e.Format})
	}
	return compiled, nil
}

// asCheck is the check that the token has not ended.
func (e *expiry) asCheck() check {
	return check{id: checkExpiry, needs: []string{checkActive}, run: func(_ context.Context, in *inspection) error {
		var err error
		in.expires, err = e.of(in.claims, in.now)
		return err
	}}
}

// of returns the earliest end that an answer names. A claim that is there and cannot be read is an
// error.
func (e *expiry) of(claims oauth.Claims, now moment) (time.Time, error) {
	var earliest time.Time
	for _, claim := range e.claims {
		if !claims.Has(claim.path...) {
			continue
		}
		end, err := claim.read(claims, now)
		if err != nil {
			return time.Time{}, err
		}
		if earliest.IsZero() || end.Before(earliest) {
			earliest = end
		}
	}
	if earliest.IsZero() && e.required {
		return time.Time{}, oauth.InvalidToken(oauth.ReasonInvalidTime, errors.New("the provider's answer does not say when the token ends"))
	}
	return earliest, nil
}

func (e *expiryClaim) read(claims oauth.Claims, at moment) (time.Time, error) {
	now, leeway := at.time, at.leeway
	var end time.Time
	ok := false
	switch e.format {
	case facts.ExpirySeconds, facts.ExpirySecondsOrMilliseconds:
		var seconds float64
		if seconds, ok = secondsOf(claims, e.path); ok {
			if e.format == facts.ExpirySecondsOrMilliseconds && seconds > leastMilliseconds {
				seconds /= 1000
			}
			end = unixSeconds(seconds)
		}
	case facts.ExpiryIn:
		leeway = 0 // by the provider's own clock
		var seconds float64
		if seconds, ok = secondsOf(claims, e.path); ok {
			end = now.Add(time.Duration(min(seconds, maxRelative.Seconds()) * float64(time.Second)))
		}
	case facts.ExpiryRFC3339:
		var err error
		end, err = time.Parse(time.RFC3339, claims.String(e.path...))
		ok = err == nil
	}
	name := strings.Join(e.path, ".")
	if !ok {
		return time.Time{}, oauth.InvalidToken(oauth.ReasonInvalidTime, fmt.Errorf("%s of the provider's answer is no %s", name, e.format))
	}
	if !now.Before(end.Add(leeway)) {
		return time.Time{}, oauth.InvalidToken(oauth.ReasonExpired, fmt.Errorf(
			"the token expired at %s by %s, now is %s", stamp(end), name, stamp(now)))
	}
	return end, nil
}

// leastMilliseconds is the number above which a time since 1970 is in milliseconds.
const leastMilliseconds = 1e11

// maxRelative bounds a number of seconds from now, which must fit a time.Duration.
const maxRelative = 100 * 365 * 24 * time.Hour

// secondsOf reads a number of seconds that is not negative and not absurdly large. A string must
// consist of digits.
func secondsOf(claims oauth.Claims, p path) (float64, bool) {
	seconds, ok := claims.Number(p...)
	if text := claims.String(p...); text != "" && isNaturalNumber([]byte(text)) {
		whole, err := strconv.ParseFloat(text, 64)
		seconds, ok = whole, err == nil
	}
	return seconds, ok && seconds >= 0 && seconds <= 1<<53
}

func unixSeconds(seconds float64) time.Time {
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9))
}
