package broker

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// With private_key_jwt the provider gets a fresh, short-lived, signed assertion for every request,
// and no secret.
func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sealing := base64.StdEncoding.EncodeToString(private.Seed()) // any 32 random bytes
	w := newWorld(t, 1, func(c *Config) {
		c.Upstream.AuthMethod, c.Upstream.ClientSecret = facts.AuthPrivateKeyJWT, ""
		c.Upstream.ClientKey = oauth.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		c.Upstream.ClientKeyID = "key-1"
		c.SealingKeys = []oauth.Secret{oauth.Secret(sealing)}
	})
	var mu sync.Mutex
	seen := map[string]bool{}
	w.provider.authenticates = func(form url.Values) bool {
		mu.Lock()
		defer mu.Unlock()
		return form.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" &&
			goodAssertion(t, w, public, form.Get("client_assertion"), seen)
	}
	clientID := w.newClient(webRedirect)
	tokens := w.login(clientID)
	w.refreshed(clientID, tokens.RefreshToken)
	if len(seen) != 2 {
		t.Errorf("%d different assertions for two requests", len(seen))
	}
}

func goodAssertion(t *testing.T, w *world, public ed25519.PublicKey, assertion string, seen map[string]bool) bool {
	t.Helper()
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature) {
		return false
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Sub, Aud, Jti string
		Iat, Exp           int64
	}
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return false
		}
	}
	seen[claims.Jti] = true
	now := w.now().Unix()
	return header.Alg == "EdDSA" && header.Kid == "key-1" && claims.Iss == testClientID && claims.Sub == testClientID &&
		claims.Aud == w.config.Upstream.Token && claims.Iat == now && claims.Exp > now && claims.Exp <= now+60
}
