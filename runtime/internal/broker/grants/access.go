package grants

import (
	"context"
	"errors"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// ErrNoUpstreamToken is returned by [Grants.UpstreamToken] where there is no provider token to
// give.
var ErrNoUpstreamToken = errors.New("broker: this request has no provider access token of its own: in passthrough mode the " +
	"caller's token is the provider's and was made for this server, not for the provider's API")

// openAccess opens an access token, and returns which key sealed it.
func (g *Grants) openAccess(token string) (tickets.Access, seal.Key, error) {
	t, key, expires, err := g.tickets.Access.OpenUnder(token)
	if err != nil {
		return t, key, err
	}
	info, u := t.Info, &t.Info.User
	info.ExpiresAt, info.AccessToken = expires, oauth.Secret(token)
	info.Audience = []string{info.Resource}
	u.Permissions, u.Scopes = info.Permissions, info.Scopes
	info.Claims = u.Extra
	return t, key, nil
}

// VerifyAccessToken verifies a sealed access token for a resource; it is what
// [oauth.Provider.Verify] does in sealed mode. It costs a decryption and a look into the store for
// a revocation: no signature, no network except for a shared store's. A look into that is good for
// a moment: see [proxy.Options].
//
// The caller's ClientID is the URL of the client's metadata document, or a short form of the
// client_id that it registered. Claims and the user's Extra are those that the provider's mapping
// selects; the provider's other claims stay behind.
func (g *Grants) VerifyAccessToken(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
	t, key, err := g.openAccess(token)
	switch {
	case errors.Is(err, seal.ErrExpired):
		return nil, oauth.InvalidToken(oauth.ReasonExpired, err)
	case errors.Is(err, seal.ErrMalformed):
		return nil, oauth.InvalidToken(oauth.ReasonMalformedToken, err)
	case errors.Is(err, seal.ErrUnknownKey):
		return nil, oauth.InvalidToken(oauth.ReasonUnknownKey, err)
	case err != nil:
		return nil, oauth.InvalidToken(oauth.ReasonBadSignature, err)
	case t.Info.Resource != resource:
		return nil, oauth.InvalidToken(oauth.ReasonAudience, errors.New("the token is for another resource of this server"))
	}
	revoked, err := g.families.revoked(ctx, t.Family, key)
	if err != nil {
		return nil, refusal.StoreFailed(err)
	}
	if revoked {
		return nil, oauth.InvalidToken(oauth.ReasonInactive, errors.New("the token was revoked"))
	}
	return t.Info, nil
}

// UpstreamToken returns the provider's access token of the caller that ctx carries, for tools that
// call the provider's API in the user's name. It is never shown to clients: do not put it into an
// answer. In [proxy.Passthrough] mode it fails with [ErrNoUpstreamToken]: a client's token must not
// be passed on (MCP authorization, "Access Token Privilege Restriction").
func (g *Grants) UpstreamToken(ctx context.Context) (oauth.Secret, error) {
	info, ok := oauth.FromContext(ctx)
	if !ok || g.options.Tokens != proxy.Sealed {
		return "", ErrNoUpstreamToken
	}
	t, _, err := g.openAccess(info.AccessToken.Reveal())
	if err != nil {
		return "", errors.Join(ErrNoUpstreamToken, err)
	}
	return oauth.Secret(t.Upstream), nil
}
