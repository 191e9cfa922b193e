package verify

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// ExpiryFormat says how a provider writes the end of a token.
type ExpiryFormat string

const (
	// ExpirySeconds is a time in seconds since 1970, as exp is.
	ExpirySeconds ExpiryFormat = "seconds"
	// ExpiryIn is a number of seconds from now, as expires_in is.
	ExpiryIn ExpiryFormat = "seconds_from_now"
	// ExpiryRFC3339 is a time such as 2026-11-23T12:00:00Z.
	ExpiryRFC3339 ExpiryFormat = "rfc3339"
)

// Expiry is one claim that says when a token ends. Numbers may come as strings of digits, as Google sends them.
type Expiry struct {
	// Claim is a path as in [ClaimMap].
	Claim  string
	Format ExpiryFormat
}

// TokenInfoConfig says how tokens are checked at an endpoint of the provider's own making, which answers with facts about a
// token: Google's tokeninfo, GitHub's check of a token, GitLab's token/info.
type TokenInfoConfig struct {
	OpaqueConfig

	// URL is the endpoint. Required.
	URL string
	// Place says how the request carries the token. The default is [TokenInForm].
	Place TokenPlace
	// Parameter is the token's name in a form, JSON object or query. The default is access_token.
	Parameter string
	// Header are further headers, such as a version of the provider's API.
	Header map[string]string
	// AuthMethod says how ClientID and ClientSecret are sent. The default is [AuthNone].
	AuthMethod   AuthMethod
	ClientID     string
	ClientSecret oauth.Secret
	// InvalidStatus are the 4xx answers that mean that the token is no good. 401 is always one where AuthMethod is none;
	// otherwise it means that the provider refuses the credentials.
	InvalidStatus []int
	// InvalidErrors are error codes that mean the same, in an answer of any status, 200 included. The default is
	// invalid_token.
	InvalidErrors []string
	// Expiry are the claims that say when the token ends. Of several the earliest counts. At least one must be in the answer,
	// unless NoExpiry says why not.
	Expiry []Expiry
	// NoExpiry, when not empty, is the documented reason why tokens of this provider may lack an end. They are then accepted
	// for as long as the provider does, and their callers have no ExpiresAt.
	NoExpiry string
	// TokenTypes are as in [IntrospectionConfig].
	TokenTypes []string
}

// NewTokenInfo returns a verifier that asks a token-info endpoint. An error names what is wrong or missing.
//
// The answer must name the application that the token was issued to: where it names it, [Binding].ClientClaims says.
func NewTokenInfo(config TokenInfoConfig) (*Opaque, error) {
	if config.Place == "" {
		config.Place = TokenInForm
	}
	if config.Parameter == "" {
		config.Parameter = "access_token"
	}
	if config.AuthMethod == "" {
		config.AuthMethod = AuthNone
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
			name: "the token-info endpoint", url: config.URL, place: config.Place, parameter: config.Parameter,
			auth: config.AuthMethod, clientID: config.ClientID, secret: config.ClientSecret, header: config.Header,
			invalidStatus: slices.Clone(config.InvalidStatus), invalidErrors: slices.Clone(config.InvalidErrors),
		},
		inspect: func(claims oauth.Claims, c clock) (time.Time, error) {
			if active, ok := claims.Bool("active"); claims.Has("active") && (!ok || !active) {
				return time.Time{}, oauth.InvalidToken(oauth.ReasonInactive, errors.New("the provider says that the token is not active"))
			}
			if err := bearerAccessToken(claims, types); err != nil {
				return time.Time{}, err
			}
			return ends.of(claims, c)
		},
	})
}

// expiry is a compiled list of [Expiry].
type expiry struct {
	claims   []expiryClaim
	required bool
}

type expiryClaim struct {
	path   path
	format ExpiryFormat
}

func compileExpiry(list []Expiry, required bool) (expiry, error) {
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
		case ExpirySeconds, ExpiryIn, ExpiryRFC3339:
		default:
			return expiry{}, fmt.Errorf("expiry: %q is no format: want seconds, seconds_from_now or rfc3339", e.Format)
		}
		compiled.claims = append(compiled.claims, expiryClaim{path: p, format: e.Format})
	}
	return compiled, nil
}

// of returns the earliest end that an answer names. A claim that is there and cannot be read is an error.
func (e *expiry) of(claims oauth.Claims, c clock) (time.Time, error) {
	var earliest time.Time
	for _, claim := range e.claims {
		if !claims.Has(claim.path...) {
			continue
		}
		end, err := claim.read(claims, c)
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

func (e *expiryClaim) read(claims oauth.Claims, c clock) (time.Time, error) {
	now, leeway := c.now(), c.leeway
	var end time.Time
	ok := false
	switch e.format {
	case ExpirySeconds:
		var seconds float64
		if seconds, ok = secondsOf(claims, e.path); ok {
			end = unixSeconds(seconds)
		}
	case ExpiryIn:
		leeway = 0 // by the provider's own clock
		var seconds float64
		if seconds, ok = secondsOf(claims, e.path); ok {
			end = now.Add(time.Duration(min(seconds, maxRelative.Seconds()) * float64(time.Second)))
		}
	case ExpiryRFC3339:
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

// maxRelative bounds a number of seconds from now, which must fit a time.Duration.
const maxRelative = 100 * 365 * 24 * time.Hour

// secondsOf reads a number of seconds that is not negative and not absurdly large. A string must consist of digits.
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
