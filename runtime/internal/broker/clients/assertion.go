package clients

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

const (
	// assertionType is the client_assertion_type of a JWT (RFC 7523 section 2.2).
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// maxAssertion bounds an assertion; one with a 4096 bit signature has about 1.2 KB.
	maxAssertion = 8 << 10
	// maxAssertionLife is how long an assertion may be good for: its jti is kept for that long.
	maxAssertionLife = 10 * time.Minute
	// assertionLeeway is how far a client's clock may be off.
	assertionLeeway = 30 * time.Second
)

// Algorithms returns the algorithms of assertions that count, all of them asymmetric.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
}

// assertions authenticates clients by what they signed (RFC 7523): those that are described by a
// client metadata document with keys. A client that registered has none.
type assertions struct {
	// audiences are what an assertion may be for: the server's issuer and its token endpoint.
	audiences []string
	documents *documents
	keySets   *keySets
	once      func(ctx context.Context, assertion tickets.ID, lifetime time.Duration) (first bool, err error)
	now       func() time.Time
}

// authenticate checks an assertion and returns the client_id of the client that signed it. Nothing
// is fetched for one that would be refused anyway, and what is fetched counts against the client's
// address.
func (a *assertions) authenticate(ctx context.Context, p Presented, id, address string) (string, *oauth.Error) {
	arrived := a.now()
	if p.AssertionType != assertionType || len(p.Assertion) > maxAssertion {
		return "", assertionRefused(errors.New("it is of another type, or too long"))
	}
	var jws jose.JWS
	if err := jws.Parse(p.Assertion); err != nil {
		return "", assertionRefused(err)
	}
	said, err := a.read(&jws, id)
	if err != nil {
		return "", assertionRefused(err)
	}
	client, refused := a.documents.lookUp(ctx, said.client, address)
	if refused != nil {
		if refused.Reason == oauth.ReasonClientDocument { // the client is known from its login: nobody can say that it is wrong
			refused = refusal.RetryLater(oauth.ReasonClientDocument, documentFailure, refused.Cause)
		}
		return "", refused
	}
	if refused := a.signature(ctx, &jws, client, address, arrived); refused != nil {
		return "", refused
	}
	first, err := a.once(ctx, tickets.Digest("assertion", said.client, said.id), said.expires.Sub(arrived)+assertionLeeway)
	switch {
	case err != nil:
		return "", refusal.RetryLater(oauth.ReasonStoreUnavailable, 0, err)
	case !first:
		return "", assertionRefused(errors.New("its jti was used before"))
	}
	return said.client, nil
}

// said is what an assertion says.
type said struct {
	client, id string
	expires    time.Time
}

// read checks everything about an assertion but its signature (RFC 7523 section 3). id is the
// client_id of the request, empty where it names none.
func (a *assertions) read(jws *jose.JWS, id string) (said, error) {
	if !slices.Contains(Algorithms(), string(jws.Algorithm)) {
		return said{}, errors.New("its algorithm is none that counts")
	}
	if !slices.Contains([]string{"", "JWT", "jwt", "client-authentication+jwt"}, jws.Type) {
		return said{}, errors.New("its type is another than of an assertion")
	}
	claims, err := oauth.ParseClaims(jws.Payload)
	if err != nil {
		return said{}, err
	}
	s := said{client: claims.String("sub"), id: claims.String("jti")}
	audiences := claims.Strings("aud")
	switch {
	case s.client == "" || claims.String("iss") != s.client || id != "" && id != s.client:
		return s, errors.New("its iss and sub are not the client_id")
	case !isDocumentURL(s.client):
		return s, errors.New("the client registered, and such clients have no keys here")
	case len(audiences) == 0 || slices.ContainsFunc(audiences, func(aud string) bool { return !slices.Contains(a.audiences, aud) }):
		return s, fmt.Errorf("its aud must be one of %q", a.audiences)
	case s.id == "" || len(s.id) > maxAssertion:
		return s, errors.New("it has no jti, by which it would be good for one use")
	}
	s.expires, err = a.times(claims)
	return s, err
}

// times checks when an assertion is good.
func (a *assertions) times(claims oauth.Claims) (expires time.Time, err error) {
	now := a.now()
	expires, ok := claims.Time("exp")
	switch {
	case !ok:
		return expires, errors.New("it has no exp")
	case !now.Before(expires.Add(assertionLeeway)):
		return expires, errors.New("it is expired")
	case expires.After(now.Add(maxAssertionLife + assertionLeeway)):
		return expires, fmt.Errorf("it is good for longer than %s", maxAssertionLife)
	}
	for _, name := range []string{"nbf", "iat"} {
		if !claims.Has(name) {
			continue
		}
		if at, ok := claims.Time(name); !ok || at.After(now.Add(assertionLeeway)) {
			return expires, fmt.Errorf("its %s is in the future", name)
		}
	}
	return expires, nil
}

// signature checks an assertion's signature with the keys of the client's document.
func (a *assertions) signature(ctx context.Context, jws *jose.JWS, c Client, address string, arrived time.Time) *oauth.Error {
	if c.keys.algorithm != "" && jws.Algorithm != c.keys.algorithm {
		return assertionRefused(errors.New("its algorithm is another than the document's token_endpoint_auth_signing_alg"))
	}
	switch {
	case c.keys.set != nil:
		found := c.keys.set.Find(jws.KeyID, jws.Algorithm)
		if jws.VerifyAny(&found) == nil {
			return assertionRefused(jose.ErrSignature)
		}
		return nil
	case c.keys.uri == "":
		return assertionRefused(errors.New("the client's document has no keys"))
	}
	err := a.keySets.verify(ctx, jws, c.keys.uri, address, arrived)
	switch e := oauth.AsError(err); {
	case err == nil:
		return nil
	case errors.Is(err, oauth.ErrInvalidToken) || errors.Is(err, jose.ErrSignature):
		return assertionRefused(err)
	case e.Status == http.StatusTooManyRequests:
		return e
	default:
		return refusal.RetryLater(oauth.ReasonClientDocument, e.RetryAfter, err)
	}
}

// assertionRefused is the refusal of an assertion (RFC 6749 section 5.2). All causes look the same
// to the client.
func assertionRefused(cause error) *oauth.Error {
	return refusal.Unauthenticated("The client's assertion was not accepted", fmt.Errorf("client assertion: %w", cause))
}
