package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"regexp"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// maxUpstreamCode bounds the provider's code; Entra ID's have up to about 2 KB.
const maxUpstreamCode = 4 << 10

// code is what an authorization code of ours holds. Everything in it is checked before the provider sees the code inside,
// so that a failed try neither uses that up nor looks like a replay there.
type code struct {
	family    identifier // of the tokens that it gives; also what makes it usable once
	client    identifier
	redirect  identifier // digest
	challenge [32]byte
	resource  string
	scopes    []string
	secret    [32]byte
	upstream  string
}

func (b *Broker) sealCode(t transaction, upstreamCode string) string {
	var w recordWriter
	w.id(newIdentifier())
	w.id(t.client)
	w.id(digest("redirect", t.redirect))
	w.b = append(w.b, t.challenge[:]...)
	w.b = append(w.b, t.secret[:]...)
	w.text(t.resource)
	w.texts(t.scopes)
	w.text(upstreamCode)
	return b.boxes.code.Seal(w.b, b.now().Add(codeLifetime))
}

func (b *Broker) openCode(sealed string) (code, time.Time, error) {
	payload, expires, err := b.boxes.code.Open(sealed, b.now())
	if err != nil {
		return code{}, expires, err
	}
	r := recordReader{rest: string(payload)}
	c := code{family: r.id(), client: r.id(), redirect: r.id()}
	copy(c.challenge[:], r.take(uint64(len(c.challenge))))
	copy(c.secret[:], r.take(uint64(len(c.secret))))
	c.resource, c.scopes, c.upstream = r.text(), r.texts(), r.text()
	return c, expires, r.end()
}

// verifierPattern is a code verifier (RFC 7636 section 4.1).
var verifierPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// checkCode checks that the client that redeems a code is the one that asked for it.
func (b *Broker) checkCode(p params, c code) *oauth.Error {
	if c.client != clientDigest(p.get("client_id")) {
		return invalidGrant(reasonOtherClient, nil)
	}
	// OAuth 2.1 no longer sends redirect_uri, which PKCE made needless; RFC 6749 section 4.1.3 does, and then it counts.
	if redirect := p.get("redirect_uri"); redirect != "" && c.redirect != digest("redirect", redirect) {
		return invalidGrant(reasonRedirectURI, errors.New("another redirect_uri than in the authorization request"))
	}
	given := p.get("code_verifier")
	if !verifierPattern.MatchString(given) {
		return invalidGrant(reasonVerifier, errors.New("the code_verifier is missing or malformed"))
	}
	if sum := sha256.Sum256([]byte(given)); subtle.ConstantTimeCompare(sum[:], c.challenge[:]) != 1 {
		return invalidGrant(reasonVerifier, errors.New("the code_verifier does not match the code_challenge"))
	}
	return checkSameResource(b, p, c.resource)
}

// checkSameResource checks the resource of a token request against the one that was authorized (RFC 8707 section 2.2).
func checkSameResource(b *Broker, p params, authorized string) *oauth.Error {
	if p.get("resource") == "" {
		return nil
	}
	resource, refused := b.namesResource(p.get("resource"))
	if refused != nil {
		return refused
	}
	if resource != authorized {
		return badRequest(oauth.CodeInvalidTarget, reasonResource, "The resource is not the one that was authorized")
	}
	return nil
}
