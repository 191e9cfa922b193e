package upstream

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// checkNonce checks the ID token that came with the tokens: issued by the provider, for us, now,
// and for the login that this code belongs to (OpenID Connect Core section 3.1.3.7). It arrived
// from the token endpoint over TLS, which stands in for the signature (rule 6 there).
func (c *Client) checkNonce(idToken, want string) error {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return errors.New("the provider sent no ID token to check the nonce in")
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return errors.New("the provider's ID token cannot be read")
	}
	claims, err := oauth.ParseClaims(string(payload))
	if err != nil {
		return errors.New("the provider's ID token cannot be read")
	}
	expires, ok := claims.Time("exp")
	switch {
	case subtle.ConstantTimeCompare([]byte(claims.String("nonce")), []byte(want)) != 1:
		return errors.New("the ID token's nonce is not this login's")
	case !slices.Contains(claims.Strings("aud"), c.provider.ClientID):
		return errors.New("the ID token is not for our client id")
	case claims.String("iss") != c.provider.Issuer && !c.provider.answersAs(claims.String("iss")):
		return errors.New("the ID token is from another issuer")
	case !ok || !c.now().Before(expires):
		return errors.New("the ID token is expired")
	}
	return nil
}
