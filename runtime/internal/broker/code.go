package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"regexp"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// maxUpstreamCode bounds the provider's code; Entra ID's have up to about 2 KB.
const maxUpstreamCode = 4 << 10

func (b *Broker) sealCode(t transaction, upstreamCode string) string {
	return b.tickets.Code.Seal(tickets.Code{
		Family: tickets.NewID(), Client: t.client, Redirect: tickets.Digest("redirect", t.redirect), Challenge: t.challenge,
		Secret: t.secret, Resource: t.resource, Scopes: t.scopes, Upstream: upstreamCode,
	}, b.now().Add(codeLifetime))
}

// verifierPattern is a code verifier (RFC 7636 section 4.1).
var verifierPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// checkCode checks that the client that redeems a code is the one that asked for it. It is done before the provider sees the
// code inside, so that a failed try neither uses that up nor looks like a replay there.
func (b *Broker) checkCode(p params.Params, c tickets.Code) *oauth.Error {
	if c.Client != clientDigest(p.Get("client_id")) {
		return refusal.InvalidGrant(refusal.ReasonOtherClient, nil)
	}
	// OAuth 2.1 no longer sends redirect_uri, which PKCE made needless; RFC 6749 section 4.1.3 does, and then it counts.
	if redirect := p.Get("redirect_uri"); redirect != "" && c.Redirect != tickets.Digest("redirect", redirect) {
		return refusal.InvalidGrant(refusal.ReasonRedirectURI, errors.New("another redirect_uri than in the authorization request"))
	}
	given := p.Get("code_verifier")
	if !verifierPattern.MatchString(given) {
		return refusal.InvalidGrant(refusal.ReasonCodeVerifier, errors.New("the code_verifier is missing or malformed"))
	}
	if sum := sha256.Sum256([]byte(given)); subtle.ConstantTimeCompare(sum[:], c.Challenge[:]) != 1 {
		return refusal.InvalidGrant(refusal.ReasonCodeVerifier, errors.New("the code_verifier does not match the code_challenge"))
	}
	return checkSameResource(b, p, c.Resource)
}

// checkSameResource checks the resource of a token request against the one that was authorized (RFC 8707 section 2.2).
func checkSameResource(b *Broker, p params.Params, authorized string) *oauth.Error {
	if p.Get("resource") == "" {
		return nil
	}
	resource, refused := b.namesResource(p.Get("resource"))
	if refused != nil {
		return refused
	}
	if resource != authorized {
		return refusal.BadRequest(oauth.CodeInvalidTarget, refusal.ReasonResource, "The resource is not the one that was authorized")
	}
	return nil
}
