package verify_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
)

// publicForms are the byte strings under which a public key is known, each of which an attacker may
// try as an HMAC secret.
func publicForms(t testing.TB, k *jose.SigningKey) map[string][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := k.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.PublicSet(k)
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	forms := map[string][]byte{
		"DER": der, "PEM": block, "PEM without its last line feed": []byte(strings.TrimSpace(string(block))), "JWK": jwk, "JWK set": set, "nothing": {},
	}
	if public, ok := k.Public().(*rsa.PublicKey); ok {
		forms["PKCS #1"] = x509.MarshalPKCS1PublicKey(public)
		forms["the modulus"] = public.N.Bytes()
	}
	return forms
}

// TestOneTokenHasOneSpelling changes, removes and inserts a byte at every place of a valid token.
// covers: T-TOK-08
func TestOneTokenHasOneSpelling(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	for _, a := range []jose.Algorithm{jose.EdDSA, jose.ES256, jose.RS256} {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			valid := signed(t, a, nil, payload(t, nil))
			wantCaller(t, v, valid)
			accepted := func(text string) bool {
				_, err := v.Verify(context.Background(), presented(text, resource))
				if err != nil && !errors.Is(err, oauth.ErrInvalidToken) {
					t.Fatalf("got %v, want 401", err)
				}
				return err == nil
			}
			for i := range len(valid) + 1 {
				for _, c := range []byte("AQgw_-=+/. \r\n\x00\xff") {
					if accepted(valid[:i] + string([]byte{c}) + valid[i:]) {
						t.Fatalf("accepted with %q inserted at %d", c, i)
					}
					if i < len(valid) && valid[i] != c && accepted(valid[:i]+string([]byte{c})+valid[i+1:]) {
						t.Fatalf("accepted with %q at %d", c, i)
					}
				}
				if i < len(valid) && (accepted(valid[:i]) || accepted(valid[:i]+valid[i+1:])) {
					t.Fatalf("accepted without byte %d, or cut there", i)
				}
			}
		})
	}
}

// FuzzVerify holds the whole verification to its promise: what it accepts was signed by the
// provider, letter for letter but for the signature of ES256, which has a twin that is as good: see
// Parse of package jose.
func FuzzVerify(f *testing.F) {
	v := newVerifier(f)
	issued, withTwin := map[string]bool{}, map[string]bool{}
	signedPart := func(text string) string { return text[:max(0, strings.LastIndexByte(text, '.'))] }
	for _, a := range []jose.Algorithm{jose.RS256, jose.ES256, jose.EdDSA} {
		for _, header := range []map[string]any{nil, {"typ": "at+jwt"}, {"kid": nil}} {
			text := signed(f, a, header, payload(f, nil))
			issued[text] = true
			withTwin[signedPart(text)] = a == jose.ES256
			f.Add(text)
			f.Add(text + "\n")
			f.Add(strings.Replace(text, ".", "..", 1))
		}
		f.Add(signed(f, a, map[string]any{"alg": "none"}, payload(f, nil)))
		f.Add(signed(f, a, map[string]any{"alg": "HS256"}, payload(f, nil)))
		f.Add(signed(f, a, nil, payload(f, map[string]any{"exp": 1})))
		f.Add(signed(f, a, nil, payload(f, map[string]any{"aud": []any{1, resource}})))
	}
	f.Add("")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		info, err := v.Verify(context.Background(), presented(text, resource))
		switch {
		case err == nil && !issued[text] && !withTwin[signedPart(text)]:
			t.Fatalf("accepted %q for %s", text, info.Subject)
		case err != nil && !errors.Is(err, oauth.ErrInvalidToken):
			t.Fatalf("got %v, want 401", err)
		}
	})
}
