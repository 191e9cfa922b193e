package jose

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"slices"
)

// Algorithm is the name of a JWS signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1,
// RFC 9864 section 2.2).
type Algorithm string

// The algorithms that this package knows. "none" is not among them.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA" // with Ed25519 only
	// Ed25519 is what RFC 9864 calls EdDSA with Ed25519, so that the name says all: the signatures
	// are the same.
	Ed25519 Algorithm = "Ed25519"
	HS256   Algorithm = "HS256"
	HS384   Algorithm = "HS384"
	HS512   Algorithm = "HS512"
)

// kind is what an algorithm does with a key.
type kind uint8

const (
	unknownKind kind = iota
	pkcs1v15
	pss
	ecdsaKind
	eddsaKind
	hmacKind
)

// scheme is an algorithm taken apart.
type scheme struct {
	kind kind
	hash crypto.Hash // zero for EdDSA
	// curve is the name of the one curve that an ECDSA algorithm goes with (RFC 7518 section 3.4).
	curve string
	// half is the length of r, and of s, in an ECDSA signature.
	half int
}

func (a Algorithm) scheme() scheme {
	switch a {
	case RS256:
		return scheme{kind: pkcs1v15, hash: crypto.SHA256}
	case RS384:
		return scheme{kind: pkcs1v15, hash: crypto.SHA384}
	case RS512:
		return scheme{kind: pkcs1v15, hash: crypto.SHA512}
	case PS256:
		return scheme{kind: pss, hash: crypto.SHA256}
	case PS384:
		return scheme{kind: pss, hash: crypto.SHA384}
	case PS512:
		return scheme{kind: pss, hash: crypto.SHA512}
	case ES256:
		return scheme{kind: ecdsaKind, hash: crypto.SHA256, curve: "P-256", half: 32}
	case ES384:
		return scheme{kind: ecdsaKind, hash: crypto.SHA384, curve: "P-384", half: 48}
	case ES512:
		return scheme{kind: ecdsaKind, hash: crypto.SHA512, curve: "P-521", half: 66}
	case EdDSA, Ed25519:
		return scheme{kind: eddsaKind}
	case HS256:
		return scheme{kind: hmacKind, hash: crypto.SHA256}
	case HS384:
		return scheme{kind: hmacKind, hash: crypto.SHA384}
	case HS512:
		return scheme{kind: hmacKind, hash: crypto.SHA512}
	default:
		return scheme{}
	}
}

// Known reports whether a is one of this package's algorithms. Names match by case too.
func (a Algorithm) Known() bool { return a.scheme().kind != unknownKind }

// Within reports whether a is one of the allowed algorithms. EdDSA stands for Ed25519 too, which is
// the one curve that it is accepted with. A key with an alg of its own still fits tokens of exactly
// that name: see [Key.Fits].
func (a Algorithm) Within(allowed []Algorithm) bool {
	return slices.Contains(allowed, a) || a == Ed25519 && slices.Contains(allowed, EdDSA)
}

// Symmetric reports whether a needs a shared secret instead of a key pair.
func (a Algorithm) Symmetric() bool { return a.scheme().kind == hmacKind }

// MinSecret is the least number of bytes of a shared secret for a: the size of its hash (RFC 7518
// section 3.2). It is zero for an algorithm that takes none.
func (a Algorithm) MinSecret() int {
	if s := a.scheme(); s.kind == hmacKind {
		return s.hash.Size()
	}
	return 0
}

// usualToken is the size up to which what is signed is hashed from a copy on the stack: a token is
// a string, a hash wants bytes.
const usualToken = 1536

// sum appends the digest of input to dst.
func (s scheme) sum(dst []byte, input string) []byte {
	var few [usualToken]byte
	text := append(few[:0], input...)
	switch s.hash {
	case crypto.SHA256:
		digest := sha256.Sum256(text)
		return append(dst, digest[:]...)
	case crypto.SHA384:
		digest := sha512.Sum384(text)
		return append(dst, digest[:]...)
	default:
		digest := sha512.Sum512(text)
		return append(dst, digest[:]...)
	}
}
