package jose

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
)

// The RSA modulus sizes that are used. RFC 7518 section 3.3 demands 2048 bits; beyond 8192 a check
// costs too much.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// Key is a public key, or a shared secret, with what it may be used for. It is immutable. Exactly
// one of its keys is set.
type Key struct {
	id     string
	only   Algorithm // empty: every algorithm of its kind
	issuer string    // empty: every issuer

	rsa     *rsa.PublicKey
	ecdsa   *ecdsa.PublicKey
	ed25519 ed25519.PublicKey
	secret  []byte
}

// NewSecretKey returns a shared secret for one HMAC algorithm. A secret below the size of the
// algorithm's hash is refused (RFC 7518 section 3.2): whoever holds one token could find it by
// trying.
func NewSecretKey(a Algorithm, secret string) (*Key, error) {
	if !a.Symmetric() {
		return nil, fmt.Errorf("%q takes no shared secret", a)
	}
	if len(secret) < a.MinSecret() {
		return nil, fmt.Errorf("a shared secret for %s needs at least %d bytes (RFC 7518 section 3.2)", a, a.MinSecret())
	}
	return &Key{only: a, secret: []byte(secret)}, nil
}

// ID returns the kid; empty if the key has none.
func (k *Key) ID() string { return k.id }

// Issuer returns the issuer whose tokens the key is for, where its set says so. The member has no
// RFC; Entra ID's keys, which many tenants share, have it.
func (k *Key) Issuer() string { return k.issuer }

// Fits reports whether the key may check signatures of an algorithm: its type and curve belong to
// the algorithm, and the key's own alg, where it has one, is the same.
func (k *Key) Fits(a Algorithm) bool {
	switch {
	case k == nil:
		return false
	case k.only != "":
		return k.only == a // no key is made with an alg that is not one for it
	default:
		return k.suits(a)
	}
}

// suits reports whether the key's type and curve belong to an algorithm.
func (k *Key) suits(a Algorithm) bool {
	switch s := a.scheme(); s.kind {
	case pkcs1v15, pss:
		return k.rsa != nil
	case ecdsaKind:
		return k.ecdsa != nil && k.ecdsa.Curve.Params().Name == s.curve
	case eddsaKind:
		return k.ed25519 != nil
	default:
		return false
	}
}

// Equal reports whether two keys are the same key under the same name for the same use.
func (k *Key) Equal(other *Key) bool {
	return k.id == other.id && k.only == other.only && k.issuer == other.issuer && k.sameMaterial(other)
}

// sameMaterial reports whether two keys are one, whatever their names and uses.
func (k *Key) sameMaterial(other *Key) bool {
	switch {
	case k.rsa != nil:
		return other.rsa != nil && k.rsa.Equal(other.rsa)
	case k.ecdsa != nil:
		return other.ecdsa != nil && k.ecdsa.Equal(other.ecdsa)
	case k.ed25519 != nil:
		return other.ed25519 != nil && k.ed25519.Equal(other.ed25519)
	default:
		return other.secret != nil && bytes.Equal(k.secret, other.secret)
	}
}

// Format prints the key's name only.
func (k *Key) Format(state fmt.State, _ rune) { _, _ = fmt.Fprintf(state, "key %q", k.id) }

// parseKey reads one JWK and tells why it is of no use, if it is.
func parseKey(text string) (*Key, error) {
	members, err := strictjson.ParseObject(text, nil)
	if err != nil {
		return nil, err
	}
	if use := textMember(members, "use"); use == string(jwk.ForEncryption) {
		return nil, ErrForEncryption // whatever else is in it, down to types that are not known here
	}
	parsed, err := jwk.ParseKey(withoutNulls(text, members))
	if err != nil {
		return nil, errors.New("not a JWK") // the library's message may quote key material
	}
	if use := parsed.KeyUsage(); use != "" && use != string(jwk.ForSignature) {
		return nil, fmt.Errorf("use is %q, not \"sig\"", use)
	}
	if parsed.KeyUsage() == "" && encrypts(parsed) {
		return nil, ErrForEncryption
	}
	if ops := parsed.KeyOps(); len(ops) > 0 && !slices.Contains(ops, jwk.KeyOpVerify) {
		return nil, errors.New("key_ops has no \"verify\"")
	}
	if !validKeyID(parsed.KeyID()) {
		return nil, errors.New("kid is too long or has unusual characters")
	}
	k := &Key{id: parsed.KeyID(), only: Algorithm(parsed.Algorithm().String())}
	if issuer, ok := parsed.Get("issuer"); ok {
		text, isText := issuer.(string)
		if !isText || text == "" {
			return nil, errors.New("issuer is no text")
		}
		k.issuer = text
	}
	if err := k.setPublic(parsed); err != nil {
		return nil, err
	}
	if k.only != "" && !k.suits(k.only) {
		return nil, fmt.Errorf("alg %q is not one for signatures with this type of key", k.only)
	}
	return k, nil
}

// withoutNulls is a JWK without its members that are null: some providers write so what a key does
// not have.
func withoutNulls(text string, members []strictjson.Member) []byte {
	if !slices.ContainsFunc(members, func(m strictjson.Member) bool { return m.Value == "null" }) {
		return []byte(text)
	}
	left := make(map[string]json.RawMessage, len(members))
	for _, m := range members {
		if m.Value != "null" {
			left[m.Name] = json.RawMessage(m.Value)
		}
	}
	without, err := json.Marshal(left)
	if err != nil {
		return []byte(text) // values that were read once marshal
	}
	return without
}

// encrypts reports whether a key without use says by its key_ops or its alg that it is for
// encryption.
func encrypts(parsed jwk.Key) bool {
	if ops := parsed.KeyOps(); len(ops) > 0 {
		return !slices.ContainsFunc(ops, func(op jwk.KeyOperation) bool {
			return op == jwk.KeyOpSign || op == jwk.KeyOpVerify
		})
	}
	_, encryption := parsed.Algorithm().(jwa.KeyEncryptionAlgorithm)
	return encryption
}

// textMember returns a member that is a text; empty if there is none.
func textMember(members []strictjson.Member, name string) string {
	for i := range members {
		if members[i].Name == name {
			text, _ := strictjson.Unquote(members[i].Value)
			return text
		}
	}
	return ""
}

// setPublic takes the public part of a JWK. Shared secrets are refused: what everybody can fetch is
// none.
func (k *Key) setPublic(parsed jwk.Key) error {
	public, err := parsed.PublicKey()
	if err != nil {
		return errors.New("not a JWK with a public part")
	}
	switch public := public.(type) {
	case jwk.RSAPublicKey:
		k.rsa, err = rsaKey(public.N(), public.E())
	case jwk.ECDSAPublicKey:
		k.ecdsa, err = ecdsaKey(public.Crv(), public.X(), public.Y())
	case jwk.OKPPublicKey:
		k.ed25519, err = ed25519Key(public.Crv(), public.X())
	case jwk.SymmetricKey:
		err = errors.New("a shared secret in a public key set")
	default:
		err = errors.New("unknown type of key")
	}
	return err
}

func rsaKey(n, e []byte) (*rsa.PublicKey, error) {
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	switch bits := modulus.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return nil, fmt.Errorf("RSA key of %d bits, used are %d to %d", bits, minRSABits, maxRSABits)
	case modulus.Bit(0) == 0:
		return nil, errors.New("RSA modulus is even")
	case exponent.BitLen() < 2 || exponent.BitLen() > 31 || exponent.Bit(0) == 0:
		return nil, errors.New("RSA exponent is not an odd number between 3 and 2^31")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

func ecdsaKey(name jwa.EllipticCurveAlgorithm, x, y []byte) (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	switch name {
	case jwa.P256:
		curve = elliptic.P256()
	case jwa.P384:
		curve = elliptic.P384()
	case jwa.P521:
		curve = elliptic.P521()
	default:
		return nil, errors.New("unknown elliptic curve")
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) > size || len(y) > size {
		return nil, errors.New("coordinate is too long for its curve")
	}
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed (SEC 1 section 2.3.3); some providers strip the coordinates' leading zeros
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("point is not on its curve")
	}
	return public, nil
}

func ed25519Key(name jwa.EllipticCurveAlgorithm, x []byte) (ed25519.PublicKey, error) {
	if name != jwa.Ed25519 || len(x) != ed25519.PublicKeySize {
		return nil, errors.New("not an Ed25519 key")
	}
	return ed25519.PublicKey(slices.Clone(x)), nil
}
