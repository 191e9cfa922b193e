package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

func pemOf(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParseSigningKeySignsWithTheAlgorithmOfTheKey(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecKey := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	pkcs8 := func(k crypto.PrivateKey) string {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		return pemOf(t, "PRIVATE KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey(elliptic.P256()))
	for name, c := range map[string]struct {
		text string
		want jose.Algorithm // empty: refused
	}{
		"RSA in PKCS 8":     {pkcs8(rsaKey), jose.RS256},
		"RSA in PKCS 1":     {pemOf(t, "RSA "+"PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), jose.RS256},
		"P-256 in SEC 1":    {pemOf(t, "EC "+"PRIVATE KEY", sec1, err), jose.ES256},
		"P-384":             {pkcs8(ecKey(elliptic.P384())), jose.ES384},
		"P-521":             {pkcs8(ecKey(elliptic.P521())), jose.ES512},
		"Ed25519":           {pkcs8(edKey), jose.EdDSA},
		"a curve too small": {pkcs8(ecKey(elliptic.P224())), ""},
		"RSA of 1024 bits":  {pkcs8(weak), ""},
		"no PEM":            {"secret", ""},
		"no key":            {pemOf(t, "PRIVATE KEY", []byte("x"), nil), ""},
	} {
		k, err := jose.ParseSigningKey(c.text, "k1")
		if (err == nil) != (c.want != "") {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		if k.Algorithm() != c.want || k.ID() != "k1" {
			t.Errorf("%s: got %s %s", name, k.Algorithm(), k.ID())
		}
		if text, err := k.Sign(nil, []byte(`{}`)); err != nil || strings.Count(text, ".") != 2 {
			t.Errorf("%s: it does not sign: %v", name, err)
		}
	}
}
