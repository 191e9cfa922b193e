package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

var algorithms = []jose.Algorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	jose.Ed25519, jose.HS256, jose.HS384, jose.HS512,
}

func check(token string, k *jose.Key) error {
	var jws jose.JWS
	if err := jws.Parse(token); err != nil {
		return err
	}
	return jws.Verify(k)
}

func TestEveryAlgorithmVerifiesItsOwnSignaturesOnly(t *testing.T) {
	t.Parallel()
	for _, a := range algorithms {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			k := newKey(t, a, "k")
			token := sign(t, k, nil, `{"sub":"somebody"}`)
			if err := check(token, public(t, k)); err != nil {
				t.Fatalf("its own token is refused: %v", err)
			}
			if err := check(token, public(t, newKey(t, a, "k"))); !errors.Is(err, jose.ErrSignature) {
				t.Errorf("another key of the same kind gives %v", err)
			}
			other := sign(t, k, nil, `{"sub":"somebody else"}`)
			cut := strings.LastIndexByte(token, '.')
			swapped := token[:cut] + other[strings.LastIndexByte(other, '.'):]
			if err := check(swapped, public(t, k)); !errors.Is(err, jose.ErrSignature) {
				t.Errorf("the signature of another token gives %v", err)
			}
			signature, _ := base64.RawURLEncoding.DecodeString(token[cut+1:])
			for name, wrong := range map[string][]byte{
				"truncated": signature[:len(signature)-1], "halved": signature[:len(signature)/2], "longer by zero": append(slices.Clone(signature), 0),
				"with a zero before": append([]byte{0}, signature...), "zero": make([]byte, len(signature)), "one byte": {1},
				"of ones": slices.Repeat([]byte{0xff}, len(signature)), "doubled": slices.Concat(signature, signature),
			} {
				forged := token[:cut+1] + base64.RawURLEncoding.EncodeToString(wrong)
				if err := check(forged, public(t, k)); err == nil {
					t.Errorf("a signature that is %s is accepted", name)
				}
			}
		})
	}
}

// TestAlgorithmsAndKeysAreBound tries every key with every algorithm: RSA keys serve all six RSA
// algorithms unless they name one, every other key serves exactly its own.
// covers: T-TOK-06
func TestAlgorithmsAndKeysAreBound(t *testing.T) {
	t.Parallel()
	for _, own := range algorithms {
		key := public(t, newKey(t, own, "k"))
		for _, asked := range append(slices.Clone(algorithms), "", "none", "None", "NONE", "rs256", "ES256K", "RSA-OAEP", "dir") {
			if got, want := key.Fits(asked), asked == own; got != want {
				t.Errorf("a key with alg %s fits %q: %v, want %v", own, asked, got, want)
			}
		}
	}
	rsaKey := withoutAlg(t, newKey(t, jose.RS256, "k"))
	p256 := withoutAlg(t, newKey(t, jose.ES256, "k"))
	for _, asked := range append(slices.Clone(algorithms), "none") {
		if got, want := rsaKey.Fits(asked), asked != "none" && strings.Contains("RP", string(asked[0])); got != want {
			t.Errorf("an RSA key fits %s: %v, want %v", asked, got, want)
		}
		if got, want := p256.Fits(asked), asked == jose.ES256; got != want {
			t.Errorf("a P-256 key fits %s: %v, want %v", asked, got, want)
		}
	}
	ed := withoutAlg(t, newKey(t, jose.EdDSA, "k"))
	for _, asked := range append(slices.Clone(algorithms), "none", "ed25519", "Ed448") {
		if got, want := ed.Fits(asked), asked == jose.EdDSA || asked == jose.Ed25519; got != want {
			t.Errorf("an Ed25519 key fits %s: %v, want %v", asked, got, want)
		}
	}
	if (*jose.Key)(nil).Fits(jose.RS256) {
		t.Error("no key fits")
	}
}

// RFC 9864 section 2.2: EdDSA with Ed25519 has a name of its own, and one who takes the one takes
// the other.
func TestEd25519IsWithinEdDSA(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked   jose.Algorithm
		allowed []jose.Algorithm
		want    bool
	}{
		{jose.Ed25519, []jose.Algorithm{jose.RS256, jose.EdDSA}, true},
		{jose.Ed25519, []jose.Algorithm{jose.Ed25519}, true},
		{jose.EdDSA, []jose.Algorithm{jose.EdDSA}, true},
		{jose.EdDSA, []jose.Algorithm{jose.Ed25519}, false},
		{jose.Ed25519, []jose.Algorithm{jose.RS256, jose.ES256}, false},
		{"Ed448", []jose.Algorithm{jose.EdDSA, jose.Ed25519}, false},
		{"ed25519", []jose.Algorithm{jose.EdDSA, jose.Ed25519}, false},
		{"none", []jose.Algorithm{jose.EdDSA}, false},
	} {
		if got := c.asked.Within(c.allowed); got != c.want {
			t.Errorf("%s within %v: %v, want %v", c.asked, c.allowed, got, c.want)
		}
	}
}

func withoutAlg(t *testing.T, k *jose.SigningKey) *jose.Key {
	t.Helper()
	members := jwkMembers(t, k)
	delete(members, "alg")
	return onlyKey(t, members)
}

// covers: T-TOK-02
func TestHMACNeverTakesAPublicKey(t *testing.T) {
	t.Parallel()
	for _, a := range []jose.Algorithm{jose.RS256, jose.ES256, jose.EdDSA} {
		k := newKey(t, a, "k")
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := k.PublicJWK()
		if err != nil {
			t.Fatal(err)
		}
		secrets := [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), jwk}
		if r, ok := k.Public().(*rsa.PublicKey); ok {
			pkcs1 := x509.MarshalPKCS1PublicKey(r)
			secrets = append(secrets, r.N.Bytes(), pkcs1, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}))
		}
		for i, secret := range secrets {
			for _, h := range []jose.Algorithm{jose.HS256, jose.HS384, jose.HS512} {
				forger, err := jose.NewSecretSigningKey(h, secret)
				if err != nil {
					t.Fatal(err)
				}
				if err := check(sign(t, forger, map[string]any{"kid": "k"}, `{}`), withoutAlg(t, k)); !errors.Is(err, jose.ErrKeyMismatch) {
					t.Errorf("%s as secret form %d for %s gives %v", a, i, h, err)
				}
			}
		}
	}
}

// covers: T-TOK-08
func TestECDSASignaturesHaveOneForm(t *testing.T) {
	t.Parallel()
	k := newKey(t, jose.ES256, "k")
	key := public(t, k)
	order := elliptic.P256().Params().N
	token := sign(t, k, nil, `{"sub":"a"}`)
	cut := strings.LastIndexByte(token, '.') + 1
	signature, _ := base64.RawURLEncoding.DecodeString(token[cut:])
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	raw := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 33))[1:], s.FillBytes(make([]byte, 33))[1:]...)
	}
	zero, one := new(big.Int), big.NewInt(1)
	for name, forged := range map[string][]byte{
		"r is zero":              raw(zero, s),
		"s is zero":              raw(r, zero),
		"both are zero":          raw(zero, zero),
		"both are one":           raw(one, one),
		"r is the order":         raw(order, s),
		"s is the order":         raw(r, order),
		"halves of 33 bytes":     append(append([]byte{0}, signature[:32]...), append([]byte{0}, signature[32:]...)...),
		"a zero before s":        slices.Concat(signature[:32], []byte{0}, signature[32:]),
		"a zero behind s":        append(slices.Clone(signature), 0),
		"shorter halves":         signature[1:63],
		"r and s changed places": append(slices.Clone(signature[32:]), signature[:32]...),
	} {
		if err := check(token[:cut]+base64.RawURLEncoding.EncodeToString(forged), key); !errors.Is(err, jose.ErrSignature) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// The ASN.1 form of other protocols is no JWS signature, though it holds the same numbers.
	private, err := ecdsa.GenerateKey(elliptic.P256(), nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := private.Sign(nil, make([]byte, 32), crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(token[:cut]+base64.RawURLEncoding.EncodeToString(der), key); !errors.Is(err, jose.ErrSignature) {
		t.Errorf("an ASN.1 signature gives %v", err)
	}
}

// RFC 7518 section 3.5: the salt is as long as the hash. With any length a signature would have
// more than one form.
func TestPSSSaltsAreAsLongAsTheHash(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := onlyKey(t, map[string]any{
		"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(private.N.Bytes()),
	})
	signed := encode(`{"alg":"PS256"}`) + "." + encode(`{"sub":"a"}`)
	digest := sha256.Sum256([]byte(signed))
	for salt, want := range map[int]error{
		sha256.Size: nil, 20: jose.ErrSignature, 1: jose.ErrSignature, sha256.Size + 1: jose.ErrSignature, 222: jose.ErrSignature,
	} {
		signature, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		if err := check(signed+"."+base64.RawURLEncoding.EncodeToString(signature), key); !errors.Is(err, want) {
			t.Errorf("a salt of %d bytes gives %v, want %v", salt, err, want)
		}
	}
}

// Providers give out either of the two signatures, so that none can be refused: whoever compares
// tokens has to know.
func TestAnECDSASignatureHasATwin(t *testing.T) {
	t.Parallel()
	k := newKey(t, jose.ES256, "k")
	token := sign(t, k, nil, `{"sub":"a"}`)
	cut := strings.LastIndexByte(token, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[cut:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	twin := token[:cut] + base64.RawURLEncoding.EncodeToString(signature)
	if err := check(twin, public(t, k)); err != nil || twin == token {
		t.Errorf("got %v", err)
	}
}

// TestOneTokenHasOneSpelling changes, removes and inserts every single byte of a valid token. Of
// several bytes at once it says nothing: see [TestAnECDSASignatureHasATwin].
// covers: T-TOK-08
func TestOneTokenHasOneSpelling(t *testing.T) {
	t.Parallel()
	for _, a := range []jose.Algorithm{jose.HS256, jose.EdDSA, jose.ES256, jose.RS256, jose.PS256} {
		t.Run(string(a), func(t *testing.T) {
			t.Parallel()
			k := newKey(t, a, "k")
			key := public(t, k)
			token := sign(t, k, nil, `{"sub":"somebody"}`)
			replacements := []byte("A_-Qw=+/. \t\r\n\x00\x80")
			if a == jose.HS256 { // cheap enough for all of them
				replacements = make([]byte, 256)
				for i := range replacements {
					replacements[i] = byte(i)
				}
			}
			for i := range len(token) + 1 {
				for _, c := range replacements {
					if inserted := token[:i] + string([]byte{c}) + token[i:]; check(inserted, key) == nil {
						t.Fatalf("accepted with byte %#x inserted at %d", c, i)
					}
					if i == len(token) || token[i] == c {
						continue
					}
					if changed := token[:i] + string([]byte{c}) + token[i+1:]; check(changed, key) == nil {
						t.Fatalf("accepted with byte %#x at %d", c, i)
					}
				}
				if i < len(token) && check(token[:i]+token[i+1:], key) == nil {
					t.Fatalf("accepted without byte %d", i)
				}
				if i < len(token) && check(token[:i], key) == nil {
					t.Fatalf("accepted when cut at %d", i)
				}
			}
		})
	}
}

func TestSecretKeyNeedsTheLengthOfItsHash(t *testing.T) {
	t.Parallel()
	for a, length := range map[jose.Algorithm]int{jose.HS256: 32, jose.HS384: 48, jose.HS512: 64} {
		if _, err := jose.NewSecretKey(a, strings.Repeat("t", length-1)); err == nil {
			t.Errorf("%s takes a secret of %d bytes", a, length-1)
		}
		if _, err := jose.NewSecretKey(a, strings.Repeat("t", length)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		if a.MinSecret() != length {
			t.Errorf("%s: MinSecret is %d, want %d", a, a.MinSecret(), length)
		}
	}
	if _, err := jose.NewSecretKey(jose.RS256, strings.Repeat("t", 64)); err == nil {
		t.Error("RS256 takes a shared secret")
	}
}
