package grants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// maxAccessToken bounds a sealed access token: common servers refuse requests whose headers exceed
// 8 KB.
const maxAccessToken = 6 << 10

// issuer makes our tokens of the provider's.
type issuer struct {
	tickets *tickets.Boxes
	options proxy.Options
	verify  VerifyFunc
	// needed are the scopes that every request needs, always those that every login asks for.
	needed, always []string
	hierarchy      oauth.ScopeHierarchy
	now            func() time.Time
}

// grant is what a login gave a client, whatever the tokens of the moment are.
type grant struct {
	family tickets.ID
	client tickets.ID
	label  string // of the client
	// confidential says that the client must authenticate.
	confidential bool
	resource     string
	// scopes are those that the user consented to.
	scopes []string
	// subject and issuer say who logged in. They are empty before the first tokens.
	subject, issuer string
	// caller is who the provider's latest token stands for; nil before the first.
	caller *oauth.AuthInfo
}

// issue makes our answer out of the provider's tokens, without a refresh token, and notes in the
// grant who logged in. The access token has the given scopes of the grant's.
func (i issuer) issue(ctx context.Context, g *grant, t upstream.Tokens, scopes []string) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	if i.options.Tokens == proxy.Passthrough && !isJWT(t.Access) && !i.options.InsecureOpaquePassthrough {
		return none, refusal.Misconfigured(oauth.ReasonOpaqueToken, errors.New("the provider's access token is not a JWT, "+
			"so it cannot be passed through; ask the provider for JWTs (many need an audience or a scope for it) or use sealed tokens"))
	}
	ctx, cancel := context.WithTimeout(ctx, upstream.Timeout)
	defer cancel()
	info, err := i.verify(ctx, t.Access, g.resource)
	if refused := checkCaller(g, info, err); refused != nil {
		return none, refused
	}
	if refused := i.checkConsent(g, info); refused != nil {
		return none, refused
	}
	return i.accessAnswer(g, t, scopes, info)
}

// checkCaller checks who the provider's token stands for, and notes it in the grant.
func checkCaller(g *grant, info *oauth.AuthInfo, err error) *oauth.Error {
	switch {
	case errors.Is(err, oauth.ErrTemporarilyUnavailable):
		return refusal.RetryLater(oauth.ReasonUpstreamUnavailable, oauth.AsError(err).RetryAfter, err)
	case err != nil && oauth.AsError(err).Status < http.StatusInternalServerError:
		return refusal.InvalidGrant(oauth.ReasonUpstreamToken, err)
	case err != nil:
		return refusal.Misconfigured(oauth.ReasonUpstreamToken, err)
	case info == nil || info.Subject == "":
		return refusal.Misconfigured(oauth.ReasonUpstreamToken, errors.New("the provider's token was accepted without naming a user"))
	case g.subject != "" && (g.subject != info.Subject || g.issuer != info.Issuer):
		return refusal.InvalidGrant(oauth.ReasonSubjectChanged, errors.New("the provider's new token is for another user than before"))
	}
	g.subject, g.issuer, g.caller = info.Subject, info.Issuer, info
	return nil
}

// identityScopes are those of OpenID Connect Core sections 5.4 and 11, which say who the user is.
// Many providers put some of them into every token.
var identityScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}

// checkConsent refuses to hand out a token of the provider's that can do more than the user
// consented to here: whoever holds it has all that is in it.
func (i issuer) checkConsent(g *grant, info *oauth.AuthInfo) *oauth.Error {
	if i.options.Tokens != proxy.Passthrough {
		return nil
	}
	var beyond []string
	for _, s := range info.Scopes {
		if !slices.Contains(g.scopes, s) && !slices.Contains(i.always, s) && !slices.Contains(identityScopes, s) {
			beyond = append(beyond, s)
		}
	}
	if len(beyond) == 0 {
		return nil
	}
	return refusal.Misconfigured(oauth.ReasonUpstreamToken, fmt.Errorf(
		"the provider's token has the scopes %q, which the user did not consent to here, so it is not passed through: "+
			"let the provider grant what is asked for, or use sealed tokens, which have only what was consented to", beyond))
}

func (i issuer) accessAnswer(g *grant, t upstream.Tokens, scopes []string, info *oauth.AuthInfo) (oauth.TokenResponse, *oauth.Error) {
	granted := grantedScopes(scopes, t, info)
	answer := oauth.TokenResponse{TokenType: "Bearer", Scope: strings.Join(granted, " ")}
	expires := earliest(t.Expires, info.ExpiresAt)
	if !expires.IsZero() && !i.now().Before(expires) {
		return answer, refusal.InvalidGrant(oauth.ReasonUpstreamToken, errors.New("the provider's token is expired"))
	}
	if i.options.Tokens == proxy.Passthrough {
		answer.AccessToken = t.Access
		if !expires.IsZero() {
			answer.ExpiresIn = int64(expires.Sub(i.now()).Seconds())
		}
		return answer, nil
	}
	expires = earliest(expires, i.now().Add(i.options.AccessLifetime))
	answer.AccessToken = i.sealAccess(g, granted, t.Access, info, expires)
	answer.ExpiresIn = int64(expires.Sub(i.now()).Seconds())
	if n := len(answer.AccessToken); n > maxAccessToken {
		return answer, refusal.Misconfigured(oauth.ReasonAccessTokenTooLarge, fmt.Errorf("the access token would have %d bytes, more than the %d that "+
			"common servers take in a header: let the provider put less into its tokens (group and role claims above all), "+
			"or map fewer claims to the user", n, maxAccessToken))
	}
	return answer, nil
}

// event is the event of tokens that are about to be given: who gets them, for whom, and what is in
// them.
func (i issuer) event(kind observe.Kind, g grant, asked []string, answer oauth.TokenResponse) observe.Event {
	e := observe.Event{
		Kind: kind, Resource: g.resource, Client: g.label, Issuer: g.issuer, Subject: g.subject,
		ScopesAsked: asked, ScopesHad: oauth.ParseScope(answer.Scope), Details: []slog.Attr{slog.String("mode", string(i.options.Tokens))},
	}
	got := oauth.AuthInfo{Scopes: e.ScopesHad, Hierarchy: i.hierarchy}
	if g.caller != nil {
		e.Email, e.Name, got.Permissions = g.caller.User.Email, g.caller.User.Name, g.caller.Permissions
	}
	var missing []string
	for _, s := range i.needed {
		if slices.Contains(asked, s) && !got.HasAll(s) {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		e.Level, e.Reason = slog.LevelWarn, oauth.ReasonInsufficientScope
		e.Hint = "the provider did not grant " + strings.Join(missing, " ") + ", which every request needs: all will be refused with 403 " +
			"until the provider grants it to this application and this user, or the server no longer needs it"
	}
	return e
}

// grantedScopes are those that the provider granted and the user consented to here. The provider
// may grant more than was asked: GitHub's tokens carry everything that the user ever allowed our
// application.
func grantedScopes(consented []string, t upstream.Tokens, info *oauth.AuthInfo) []string {
	granted := info.Scopes
	if len(granted) == 0 {
		granted = t.Scopes
	}
	if len(granted) == 0 && t.Scopes == nil {
		granted = consented // RFC 6749 section 5.1: unnamed means as asked
	}
	var both []string
	for _, s := range consented {
		if slices.Contains(granted, s) {
			both = append(both, s)
		}
	}
	return both
}

// sealAccess makes a sealed access token. The client cannot look into it, so the provider's token
// inside stays with us.
func (i issuer) sealAccess(g *grant, scopes []string, upstreamToken string, caller *oauth.AuthInfo, expires time.Time) string {
	info := *caller
	info.ClientID, info.Resource, info.Scopes = g.label, g.resource, scopes
	return i.tickets.Access.Seal(tickets.Access{Family: g.family, Confidential: g.confidential, Info: &info, Upstream: upstreamToken}, expires)
}

// refreshToken returns the refresh token that goes with the provider's tokens, or none where
// nothing could be refreshed with it.
func (i issuer) refreshToken(g grant, t upstream.Tokens, place lineage) string {
	r := tickets.Refresh{
		Family: g.family, Lineage: tickets.Lineage(place), Client: g.client, Resource: g.resource, Scopes: g.scopes,
		Subject: g.subject, Issuer: g.issuer, Upstream: t.Refresh, UpstreamExpires: t.RefreshExpires,
	}
	if t.Refresh == "" {
		// In passthrough mode the client has the provider's token already; sealing the same again
		// would refresh nothing.
		if i.options.Tokens != proxy.Sealed || !t.Expires.IsZero() && !t.Expires.After(i.now().Add(i.options.AccessLifetime)) {
			return ""
		}
		r.KeepsAccess, r.Upstream, r.UpstreamExpires = true, t.Access, t.Expires
	}
	return i.tickets.Refresh.Seal(r, earliest(r.UpstreamExpires, i.now().Add(i.options.RefreshLifetime)))
}

// earliest returns the earliest time of those that are set.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// isJWT reports whether a token has the shape of a signed JWT. Whether it is one is for the
// verifier to say.
func isJWT(token string) bool {
	return strings.HasPrefix(token, "ey") && strings.Count(token, ".") == 2
}
