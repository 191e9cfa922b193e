package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"regexp"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Authorization is what a user allowed a client, with the provider's code for it.
type Authorization struct {
	// Client is the digest of the client_id.
	Client   tickets.ID
	Redirect string
	// Challenge is the client's S256 code challenge, Secret our own verifier towards the provider.
	Challenge, Secret [32]byte
	Resource          string
	Scopes            []string
	ProviderCode      string
}

// sealCode returns the authorization code for a client.
func sealCode(box *tickets.Box[tickets.Code], a Authorization, expires time.Time) string {
	return box.Seal(tickets.Code{
		Family: tickets.NewID(), Client: a.Client, Redirect: redirectDigest(a.Redirect), Challenge: a.Challenge,
		Secret: a.Secret, Resource: a.Resource, Scopes: a.Scopes, Upstream: a.ProviderCode,
	}, expires)
}

func redirectDigest(redirect string) tickets.ID { return tickets.Digest("redirect", redirect) }

// codeGrant redeems codes (RFC 6749 section 4.1.3).
type codeGrant struct {
	box       *tickets.Box[tickets.Code]
	codes     codes
	kept      keptTokens
	leg       leg
	issuer    issuer
	resources Resources
	scopes    []string // of the server
	events    *events.Sender
}

// Name implements [Type].
func (*codeGrant) Name() string { return "authorization_code" }

// Give turns a code into tokens.
func (g *codeGrant) Give(ctx context.Context, r Request) (oauth.TokenResponse, *oauth.Error) {
	var none oauth.TokenResponse
	if r.Get("code") == "" {
		return none, refusal.BadRequest(oauth.CodeInvalidRequest, oauth.ReasonMissingParameter, "The code is missing")
	}
	c, key, _, err := g.box.OpenUnder(r.Get("code"))
	if err != nil {
		return none, refusal.InvalidGrant(oauth.ReasonCode, err)
	}
	refused := g.check(r, c)
	if refused != nil {
		return none, refused
	}
	if c.Scopes, refused = stillKnown(c.Scopes, g.scopes); refused != nil {
		return none, refused
	}
	permit, refused := g.leg.admit(c.Family, r)
	if refused != nil {
		return none, refused
	}
	// The provider's answer must not get lost with the client's connection: its code works once.
	ctx = context.WithoutCancel(ctx)
	use, refused := g.codes.use(ctx, c, key)
	if refused != nil {
		return none, refused
	}
	tokens, refused := g.tokens(ctx, permit, use)
	if refused != nil {
		g.codes.giveBack(ctx, use, refused)
		return none, refused
	}
	given := grant{
		family: c.Family, client: c.Client, label: r.Label, confidential: c.Client == r.Confidential, resource: c.Resource, scopes: c.Scopes,
	}
	answer, refused := g.issuer.issue(ctx, &given, tokens, given.scopes)
	if refused != nil {
		g.kept.keep(ctx, use.kept, tokens, refused)
		g.codes.giveBack(ctx, use, refused)
		if refused.Code == oauth.CodeInvalidGrant {
			g.leg.abandon(ctx, tokens)
		}
		return none, refused
	}
	// The scopes are those that the provider granted, which may be fewer than the user consented
	// to: a refresh must not give more, even where its answer names no scopes (RFC 6749 section 6).
	given.scopes = oauth.ParseScope(answer.Scope)
	event := g.issuer.event(observe.TokensIssued, given, c.Scopes, answer)
	if refused := g.events.Decide(ctx, &event); refused != nil {
		g.kept.keep(ctx, use.kept, tokens, refused)
		g.codes.giveBack(ctx, use, refused)
		return none, refused
	}
	answer.RefreshToken = g.issuer.refreshToken(given, tokens, newLineage())
	if refused := g.codes.gaveTokens(ctx, use); refused != nil {
		g.leg.abandon(ctx, tokens)
		return none, refused
	}
	g.events.Observe(ctx, event)
	return answer, nil
}

// tokens returns the provider's tokens: those that were kept when they could not be verified a
// moment ago, or new ones.
func (g *codeGrant) tokens(ctx context.Context, permit upstream.Permit, use *redemption) (upstream.Tokens, *oauth.Error) {
	if tokens, ok := g.kept.tokens(use.kept); ok {
		return tokens, nil
	}
	c := use.code
	tokens, err := g.leg.ExchangeCode(ctx, permit, upstream.Code{
		Code: c.Upstream, Secret: c.Secret, Scopes: c.Scopes, Resource: c.Resource,
	})
	if err != nil {
		return tokens, providerRefused(err)
	}
	return tokens, nil
}

// verifierPattern is a code verifier (RFC 7636 section 4.1).
var verifierPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// check checks that the client that redeems a code is the one that asked for it. It is done before
// the provider sees the code inside, so that a failed try neither uses that up nor looks like a
// replay there.
func (g *codeGrant) check(r Request, c tickets.Code) *oauth.Error {
	if refused := r.owns(c.Client); refused != nil {
		return refused
	}
	// OAuth 2.1 no longer sends redirect_uri, which PKCE made needless; RFC 6749 section 4.1.3
	// does, and then it counts.
	if redirect := r.Get("redirect_uri"); redirect != "" && c.Redirect != redirectDigest(redirect) {
		return refusal.InvalidGrant(oauth.ReasonRedirectURI, errors.New("another redirect_uri than in the authorization request"))
	}
	given := r.Get("code_verifier")
	if !verifierPattern.MatchString(given) {
		return refusal.InvalidGrant(oauth.ReasonCodeVerifier, errors.New("the code_verifier is missing or malformed"))
	}
	if sum := sha256.Sum256([]byte(given)); subtle.ConstantTimeCompare(sum[:], c.Challenge[:]) != 1 {
		return refusal.InvalidGrant(oauth.ReasonCodeVerifier, errors.New("the code_verifier does not match the code_challenge"))
	}
	return g.resources.checkSame(r.Params, c.Resource)
}
