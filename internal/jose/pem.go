package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// ParseSigningKey reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1) for signing under the
// given kid, which may be empty. The kind of key decides the algorithm: RS256 for RSA, ES256, ES384
// or ES512 by the curve, EdDSA for Ed25519. Errors hold nothing of the key.
func ParseSigningKey(text, id string) (*SigningKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("not a private key in PEM")
	}
	k := &SigningKey{id: id}
	switch key := parsePrivateKey(block.Bytes).(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits, at least %d and at most %d are needed", bits, minRSABits, maxRSABits)
		}
		k.rsa, k.algorithm = key, RS256
	case *ecdsa.PrivateKey:
		algorithm, ok := map[string]Algorithm{"P-256": ES256, "P-384": ES384, "P-521": ES512}[key.Curve.Params().Name]
		if !ok {
			return nil, errors.New("a key of a curve that JWS does not know")
		}
		k.ecdsa, k.algorithm = key, algorithm
	case ed25519.PrivateKey:
		k.ed25519, k.algorithm = key, EdDSA
	default:
		return nil, errors.New("no private key of RSA, ECDSA or Ed25519 that is not encrypted")
	}
	return k, nil
}

// parsePrivateKey reads the encodings in turn; nil if it is none of them.
func parsePrivateKey(der []byte) any {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}
