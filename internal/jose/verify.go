package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha512"
	"errors"
	"math/big"
)

// The ways in which a signature fails.
var (
	// ErrKeyMismatch tells that the key is not one for the token's algorithm.
	ErrKeyMismatch = errors.New("the key does not fit the algorithm")
	// ErrSignature tells that the signature is not the key's for this token.
	ErrSignature = errors.New("signature does not match")
)

// Verify checks the signature with the given key. The algorithm is the token's; that it is acceptable at all is for the
// caller to say, before. The key must fit it: see [Key.Fits].
func (t *JWS) Verify(k *Key) error {
	if !k.Fits(t.Algorithm) {
		return ErrKeyMismatch
	}
	s := t.Algorithm.scheme()
	signature, signed := t.signature[:t.signatureLen], []byte(t.signed)
	var buf [sha512.Size]byte
	var ok bool
	switch s.kind {
	case pkcs1v15:
		ok = rsa.VerifyPKCS1v15(k.rsa, s.hash, s.sum(signed, &buf), signature) == nil
	case pss:
		ok = rsa.VerifyPSS(k.rsa, s.hash, s.sum(signed, &buf), signature, pssOptions) == nil
	case ecdsaKind:
		ok = verifyECDSA(k.ecdsa, s.sum(signed, &buf), signature, s.half)
	case eddsaKind:
		ok = len(signature) == ed25519.SignatureSize && ed25519.Verify(k.ed25519, signed, signature)
	case hmacKind:
		ok = hmac.Equal(mac(s, k.secret, signed), signature)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// pssOptions: the salt is as long as the hash (RFC 7518 section 3.5).
var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

// verifyECDSA checks r and s, each of exactly half bytes (RFC 7518 section 3.4). ecdsa.Verify refuses zero and whatever is
// not below the order of the curve.
func verifyECDSA(public *ecdsa.PublicKey, digest, signature []byte, half int) bool {
	if len(signature) != 2*half {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	return r.Sign() > 0 && s.Sign() > 0 && ecdsa.Verify(public, digest, r, s)
}

func mac(s scheme, secret, signed []byte) []byte {
	h := hmac.New(s.hash.New, secret)
	h.Write(signed)
	return h.Sum(nil)
}
