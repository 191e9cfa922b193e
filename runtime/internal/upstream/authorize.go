package upstream

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Login is a login at the provider.
type Login struct {
	// State is what the provider returns with its answer.
	State string
	// Secret is our PKCE verifier towards the provider, or what its nonce is made of.
	Secret [32]byte
	// Scopes are asked for, under our names.
	Scopes []string
	// Resource is the URL of the protected resource.
	Resource string
}

// AuthorizationURL is the authorization request of a login (RFC 6749 section 4.1.1).
func (c *Client) AuthorizationURL(l Login) string {
	p := c.provider
	pairs := [][2]string{
		{"response_type", "code"}, {"client_id", p.ClientID}, {"redirect_uri", c.redirectURI}, {"state", l.State},
	}
	if scopes := p.theirScopes(l.Scopes, l.Resource); len(scopes) > 0 {
		pairs = append(pairs, [2]string{"scope", strings.Join(scopes, p.ScopeSeparator)})
	}
	switch p.CodeProtection {
	case facts.ProtectPKCE:
		pairs = append(pairs, [2]string{"code_challenge", publicPart(l.Secret)}, [2]string{"code_challenge_method", "S256"})
	case facts.ProtectNonce:
		pairs = append(pairs, [2]string{"nonce", publicPart(l.Secret)})
	case facts.ProtectNothing:
	}
	if p.Resource == facts.ResourceForward {
		pairs = append(pairs, [2]string{"resource", l.Resource})
	}
	for _, name := range slices.Sorted(maps.Keys(p.AuthorizeParams)) {
		pairs = append(pairs, [2]string{name, p.AuthorizeParams[name]})
	}
	return withQuery(c.endpoints().Authorization, pairs)
}

// withQuery adds parameters to the endpoint's own query, in their order.
func withQuery(endpoint string, pairs [][2]string) string {
	encoded := make([]string, len(pairs))
	for i, p := range pairs {
		encoded[i] = url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1])
	}
	separator := "?"
	if strings.HasSuffix(endpoint, "?") || strings.HasSuffix(endpoint, "&") {
		separator = ""
	} else if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	return endpoint + separator + strings.Join(encoded, "&")
}

// verifier is the PKCE verifier of a secret (RFC 7636 section 4.1).
func verifier(secret [32]byte) string { return base64.RawURLEncoding.EncodeToString(secret[:]) }

// publicPart is what the provider sees at first: the S256 challenge of the verifier, or the nonce.
func publicPart(secret [32]byte) string {
	sum := sha256.Sum256([]byte(verifier(secret)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// AcceptsIssuer reports whether an authorization response with this iss, empty where it has none,
// comes from the provider (RFC 9207 section 2.4: the mix-up defence). Without a list nothing is
// known of the provider's issuers.
func (c *Client) AcceptsIssuer(iss string) bool {
	if iss == "" {
		return !c.provider.RequireResponseIssuer
	}
	return c.provider.answersAs(iss)
}
