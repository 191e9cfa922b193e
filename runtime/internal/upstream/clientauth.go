package upstream

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLifetime is short: an assertion is made for one request.
	assertionLifetime = time.Minute
)

// ClientAuth authenticates this server's requests at a provider, whatever they ask: tokens, a
// revocation, a question about a token. It is safe for concurrent use.
type ClientAuth struct { //nolint:recvcheck // Format has to cover copies too
	credentials facts.Credentials
	// audience is whom assertions are for; key signs them, and is nil for every other method.
	audience string
	key      *jose.SigningKey
	now      func() time.Time
}

// NewClientAuth returns the authentication with the given credentials. The audience is whom
// assertions of [facts.AuthPrivateKeyJWT] are for: the provider's token endpoint, which RFC 7523
// section 3 names and providers accept at their other endpoints too, or its issuer. An error names
// what is missing and holds no secret.
func NewClientAuth(c facts.Credentials, audience string, now func() time.Time) (*ClientAuth, error) {
	a := &ClientAuth{credentials: c, audience: audience, now: now}
	if c.ClientID == "" && c.AuthMethod != facts.AuthNone && c.AuthMethod != facts.AuthBearer {
		return nil, fmt.Errorf("ClientID is required for %s", c.AuthMethod)
	}
	switch c.AuthMethod {
	case facts.AuthNone:
	case facts.AuthBasic, facts.AuthPost, facts.AuthBearer:
		if c.ClientSecret == "" {
			return nil, fmt.Errorf("ClientSecret is required for %s", c.AuthMethod)
		}
	case facts.AuthPrivateKeyJWT:
		key, err := jose.ParseSigningKey(c.ClientKey.Reveal(), c.ClientKeyID)
		if err != nil {
			return nil, fmt.Errorf("ClientKey is %w: %s needs the private key whose public part is registered at the provider",
				err, c.AuthMethod)
		}
		if audience == "" {
			return nil, fmt.Errorf("%s needs an audience: the provider's token endpoint or its issuer", c.AuthMethod)
		}
		a.key = key
	default:
		return nil, fmt.Errorf("AuthMethod %q is not known: want client_secret_basic, client_secret_post, private_key_jwt, bearer or none",
			c.AuthMethod)
	}
	return a, nil
}

// NeedsBody reports whether the credentials travel among the members of a body, which a GET request
// does not have.
func (a *ClientAuth) NeedsBody() bool {
	return a.credentials.AuthMethod == facts.AuthPost || a.credentials.AuthMethod == facts.AuthPrivateKeyJWT
}

// NeedsHeader reports whether the credentials travel in the Authorization header, which then
// carries nothing else.
func (a *ClientAuth) NeedsHeader() bool {
	return a.credentials.AuthMethod == facts.AuthBasic || a.credentials.AuthMethod == facts.AuthBearer
}

// Method is how the requests are authenticated.
func (a *ClientAuth) Method() facts.AuthMethod { return a.credentials.AuthMethod }

// Add puts the credentials into the header of one request and the members of its body.
func (a *ClientAuth) Add(header http.Header, members url.Values) error {
	id, secret := a.credentials.ClientID, a.credentials.ClientSecret.Reveal()
	switch a.credentials.AuthMethod {
	case facts.AuthBasic: // each form-encoded first (RFC 6749 section 2.3.1)
		req := http.Request{Header: header}
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
		return nil
	case facts.AuthBearer:
		header.Set("Authorization", "Bearer "+secret)
		return nil
	case facts.AuthPost:
		members.Set("client_secret", secret)
	case facts.AuthPrivateKeyJWT:
		assertion, err := a.assertion()
		if err != nil {
			return errors.New("the client assertion cannot be signed")
		}
		members.Set("client_assertion_type", assertionType)
		members.Set("client_assertion", assertion)
	case facts.AuthNone:
	}
	if id != "" {
		members.Set("client_id", id)
	}
	return nil
}

// assertion is a fresh proof that we hold our key (RFC 7523 section 3).
func (a *ClientAuth) assertion() (string, error) {
	now := a.now()
	payload, err := json.Marshal(map[string]any{
		"iss": a.credentials.ClientID, "sub": a.credentials.ClientID, "aud": a.audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	return a.key.Sign(map[string]any{"typ": "JWT"}, payload)
}

// Format prints the method alone, whatever the verb: the inside holds secrets.
func (a ClientAuth) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[client authentication by %s]", a.credentials.AuthMethod)
}
