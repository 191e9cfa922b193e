package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// UserInfoConfig says how tokens are checked by asking for their user's profile.
type UserInfoConfig struct {
	OpaqueConfig
	facts.UserInfo

	// URL is the userinfo endpoint (OpenID Connect Core section 5.3), or the API call that says who
	// the caller is. Required.
	URL string
}

// NewUserInfo returns a verifier that asks for the user's profile. An error names what is wrong or
// missing.
//
// That a provider answers says only that it issued the token, to whatever application.
// [facts.Binding].Exchange is therefore the usual binding here: the verifier is then good for
// tokens that the caller itself obtained, and refuses all others. A profile says nothing of scopes
// and expiry either: those are in the token response.
func NewUserInfo(config UserInfoConfig) (*Opaque, error) {
	return newOpaque(config.OpaqueConfig, strategy{
		endpoint: profileEndpoint(config.URL, config.Asking, config.Header, config.InvalidStatus, config.InvalidErrors),
	})
}

func profileEndpoint(address string, asking facts.Asking, header map[string]string, invalidStatus []int, invalidErrors []string) endpoint {
	if len(invalidErrors) == 0 {
		invalidErrors = []string{string(oauth.CodeInvalidToken)}
	}
	return endpoint{
		name: "the userinfo endpoint", kind: "userinfo", call: (*upstream.Gate).UserInfo, url: address, place: facts.TokenInHeader, asking: asking, header: header,
		credentials:   facts.Credentials{AuthMethod: facts.AuthNone},
		invalidStatus: slices.Clone(invalidStatus), invalidErrors: slices.Clone(invalidErrors), now: time.Now,
	}
}

// ProfileConfig says where the profile of a token's user is.
type ProfileConfig struct {
	facts.Profile

	// URL is the userinfo endpoint, or the API call that says who the caller is. Required.
	URL string
	// Client sends the requests. Redirects are never followed, whatever it says. The default
	// reaches public hosts over HTTPS only, by package egress.
	Client *http.Client
	// Events gets the questions.
	Events *events.Sender
	// InsecureHTTPHosts are the hosts that plain http may reach besides those of this machine.
	InsecureHTTPHosts plainurl.HTTPHosts
}

// Profile asks for the profile of a token's user. It is safe for concurrent use.
type Profile struct {
	user     endpoint
	emails   *endpoint // nil if there is none
	subject  paths
	optional bool
}

// NewProfile returns a source of profiles. An error names what is wrong or missing.
func NewProfile(config ProfileConfig) (*Profile, error) {
	p := &Profile{
		user:     profileEndpoint(config.URL, config.Asking, config.Header, nil, config.InvalidErrors),
		optional: config.Optional,
	}
	p.user.events = config.Events
	errs := []error{p.user.check(config.Client, config.InsecureHTTPHosts)}
	if config.EmailsURL != "" {
		emails := profileEndpoint(config.EmailsURL, facts.Asking{Scheme: config.Scheme}, config.Header, nil, config.InvalidErrors)
		emails.name, emails.events = "the list of email addresses", config.Events
		p.emails = &emails
		errs = append(errs, emails.check(config.Client, config.InsecureHTTPHosts))
	}
	names := config.Subject
	if len(names) == 0 {
		names = []string{"sub"}
	}
	var err error
	p.subject, err = parsePaths(names)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return p, nil
}

// Claims asks for the profile of a token's user, uncached. The profile proves nothing about the
// token but that the provider issued it: verify the token first. The error is an [*oauth.Error].
func (p *Profile) Claims(ctx context.Context, token string) (oauth.Claims, error) {
	if err := sendable(token); err != nil {
		return oauth.Claims{}, err
	}
	claims, err := p.user.ask(ctx, token)
	if err != nil || p.emails == nil || claims.String("email") != "" {
		return claims, err
	}
	email, err := p.email(ctx, token)
	if err != nil || email == "" {
		return claims, err
	}
	found, err := oauth.NewClaims(map[string]any{"email": email, "email_verified": true})
	if err != nil {
		return claims, p.emails.outage("the answer cannot be used: %w", err)
	}
	all, err := merge(found, claims, token)
	if err != nil {
		return claims, p.emails.outage("the answer cannot be used: %w", err)
	}
	return all, nil
}

// of returns the profile of the user whom a verified answer names, if it names one. partial tells
// that an optional profile could not be had.
func (p *Profile) of(ctx context.Context, token, user string) (profile oauth.Claims, partial bool, err error) {
	profile, err = p.Claims(ctx, token)
	var e *oauth.Error
	switch {
	case err == nil:
	case !p.optional, errors.As(err, &e) && e.Reason == oauth.ReasonInactive:
		return oauth.Claims{}, false, err
	default:
		return oauth.Claims{}, true, nil
	}
	for _, subject := range p.subject {
		switch named := identifiers(profile, subject); {
		case len(named) != 1 || named[0] == "":
		case user == "" || named[0] == user:
			return profile, false, nil
		default:
			return oauth.Claims{}, false, oauth.InvalidToken(oauth.ReasonClaim, fmt.Errorf(
				"the profile is of another user than the token: %s is %s", strings.Join(subject, "."), quote(named[0])))
		}
	}
	return oauth.Claims{}, false, p.user.outage("the profile does not say whose it is")
}

// email returns the user's primary address, if it is verified.
func (p *Profile) email(ctx context.Context, token string) (string, error) {
	answer, err := p.emails.exchange(ctx, token)
	switch {
	case err != nil:
		return "", err
	case answer.StatusCode == http.StatusNotFound, answer.StatusCode == http.StatusForbidden && !rateLimited(answer):
		return "", nil // GitHub answers 404 to a token that may not read the list
	}
	if err := p.emails.usable(answer, token); err != nil {
		return "", err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(strictjson.WithoutBOM(answer.Body), &list); err != nil {
		return "", p.emails.outage("the answer is no list")
	}
	for _, element := range list {
		entry, err := oauth.ParseClaims(string(element))
		if err != nil {
			return "", p.emails.outage("the answer cannot be used: %w", err)
		}
		primary, _ := entry.Bool("primary")
		verified, _ := entry.Bool("verified")
		if primary && verified {
			return entry.String("email"), nil
		}
	}
	return "", nil
}
