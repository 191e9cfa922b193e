package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// SigningKey signs tokens, for the embedded identity provider and for tests. It is immutable.
type SigningKey struct {
	id        string
	algorithm Algorithm

	rsa     *rsa.PrivateKey
	ecdsa   *ecdsa.PrivateKey
	ed25519 ed25519.PrivateKey
	secret  []byte
}

// GenerateKey makes a new key pair, RSA with 2048 bits, for an algorithm. For an HMAC algorithm it
// makes a random secret.
func GenerateKey(a Algorithm, id string) (*SigningKey, error) {
	k := &SigningKey{id: id, algorithm: a}
	var err error
	switch s := a.scheme(); s.kind {
	case pkcs1v15, pss:
		k.rsa, err = rsa.GenerateKey(rand.Reader, minRSABits)
	case ecdsaKind:
		k.ecdsa, err = ecdsa.GenerateKey(curveOf(s.curve), rand.Reader)
	case eddsaKind:
		_, k.ed25519, err = ed25519.GenerateKey(rand.Reader)
	case hmacKind:
		k.secret = make([]byte, s.hash.Size())
		_, err = rand.Read(k.secret)
	default:
		err = fmt.Errorf("unknown algorithm %q", a)
	}
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return k, nil
}

// NewSecretSigningKey signs with a shared secret, of any length.
func NewSecretSigningKey(a Algorithm, secret []byte) (*SigningKey, error) {
	if !a.Symmetric() {
		return nil, fmt.Errorf("%q takes no shared secret", a)
	}
	return &SigningKey{algorithm: a, secret: secret}, nil
}

func curveOf(name string) elliptic.Curve {
	switch name {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	default:
		return elliptic.P521()
	}
}

// ID returns the kid.
func (k *SigningKey) ID() string { return k.id }

// Algorithm returns the algorithm that the key signs with.
func (k *SigningKey) Algorithm() Algorithm { return k.algorithm }

// Secret returns the shared secret of an HMAC key, nil for any other.
func (k *SigningKey) Secret() []byte { return k.secret }

// Format prints the key's name only.
func (k *SigningKey) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "signing key %q", k.id)
}

// Sign returns the compact JWS of a payload. The header has alg and, where the key has a name, kid;
// header adds members and replaces these. A nil value leaves a member out.
func (k *SigningKey) Sign(header map[string]any, payload []byte) (string, error) {
	members := map[string]any{"alg": k.algorithm}
	if k.id != "" {
		members["kid"] = k.id
	}
	maps.Copy(members, header)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
	head, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("sign: header: %w", err)
	}
	signed := base64url.EncodeToString(head) + "." + base64url.EncodeToString(payload)
	signature, err := k.signature(signed)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed + "." + base64url.EncodeToString(signature), nil
}

func (k *SigningKey) signature(signed string) ([]byte, error) {
	s := k.algorithm.scheme()
	switch s.kind {
	case pkcs1v15:
		return rsa.SignPKCS1v15(rand.Reader, k.rsa, s.hash, s.sum(nil, signed))
	case pss:
		return rsa.SignPSS(rand.Reader, k.rsa, s.hash, s.sum(nil, signed), pssOptions)
	case ecdsaKind:
		r, ss, err := ecdsa.Sign(rand.Reader, k.ecdsa, s.sum(nil, signed))
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 2*s.half)
		r.FillBytes(signature[:s.half])
		ss.FillBytes(signature[s.half:])
		return signature, nil
	case eddsaKind:
		return ed25519.Sign(k.ed25519, []byte(signed)), nil
	case hmacKind:
		return mac(s, k.secret, signed), nil
	default:
		return nil, errors.New("unknown algorithm")
	}
}

// Public returns the key's public part as a Go key, nil for a shared secret.
func (k *SigningKey) Public() any {
	switch {
	case k.rsa != nil:
		return k.rsa.Public()
	case k.ecdsa != nil:
		return k.ecdsa.Public()
	case k.ed25519 != nil:
		return k.ed25519.Public()
	default:
		return nil
	}
}

// PublicJWK returns the key's public part as a JWK with kid, alg and use.
func (k *SigningKey) PublicJWK() (json.RawMessage, error) {
	public := k.Public()
	if public == nil {
		return nil, errors.New("a shared secret has no public part")
	}
	key, err := jwk.FromRaw(public)
	if err != nil {
		return nil, fmt.Errorf("public JWK: %w", err)
	}
	for name, value := range map[string]any{
		jwk.KeyIDKey: k.id, jwk.AlgorithmKey: jwa.SignatureAlgorithm(k.algorithm), jwk.KeyUsageKey: jwk.ForSignature,
	} {
		if value == "" {
			continue
		}
		if err := key.Set(name, value); err != nil {
			return nil, fmt.Errorf("public JWK: %w", err)
		}
	}
	return json.Marshal(key)
}

// PublicSet returns the JWK set of the keys' public parts.
func PublicSet(keys ...*SigningKey) ([]byte, error) {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, k := range keys {
		key, err := k.PublicJWK()
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, key)
	}
	return json.Marshal(set)
}
