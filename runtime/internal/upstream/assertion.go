package upstream

import (
	"crypto/rand"
	"encoding/json"
	"time"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLifetime is short: an assertion is made for one request.
	assertionLifetime = time.Minute
)

// clientAssertion is a fresh proof that we hold our key (RFC 7523 section 3). Its audience is the token endpoint, which the
// section names and providers accept at their other endpoints too.
func (c *Client) clientAssertion() (string, error) {
	now := c.now()
	payload, err := json.Marshal(map[string]any{
		"iss": c.provider.ClientID, "sub": c.provider.ClientID, "aud": c.provider.Token, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	return c.assertionKey.Sign(map[string]any{"typ": "JWT"}, payload)
}
