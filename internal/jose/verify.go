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

// Verify checks the signature with the given key. The algorithm is the token's; that it is
// acceptable at all is for the caller to say, before. The key must fit it: see [Key.Fits].
func (t *JWS) Verify(k *Key) error {
	if !k.Fits(t.Algorithm) {
		return ErrKeyMismatch
	}
	s := t.Algorithm.scheme()
	var ok bool
	switch s.kind {
	case pkcs1v15:
		ok = t.verifyPKCS1v15(s, k.rsa)
	case pss:
		ok = t.verifyPSS(s, k.rsa)
	case ecdsaKind:
		ok = t.verifyECDSA(s, k.ecdsa)
	case eddsaKind:
		ok = t.verifyEd25519(k.ed25519)
	case hmacKind:
		ok = hmac.Equal(mac(s, k.secret, t.signed), t.signature[:t.signatureLen])
	case unknownKind: // not reached, since no key fits it; were it, nothing would be verified
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// VerifyAny checks the signature with one candidate after the other and returns the key that it
// matches, nil if there is none.
func (t *JWS) VerifyAny(candidates *Candidates) *Key {
	for _, k := range candidates.All() {
		if t.Verify(k) == nil {
			return k
		}
	}
	return nil
}

func (t *JWS) verifyPKCS1v15(s scheme, public *rsa.PublicKey) bool {
	var buf [sha512.Size]byte
	return rsa.VerifyPKCS1v15(public, s.hash, s.sum(buf[:0], t.signed), t.signature[:t.signatureLen]) == nil
}

// pssOptions: the salt is as long as the hash (RFC 7518 section 3.5).
var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

func (t *JWS) verifyPSS(s scheme, public *rsa.PublicKey) bool {
	return rsa.VerifyPSS(public, s.hash, s.sum(nil, t.signed), t.signature[:t.signatureLen], pssOptions) == nil
}

// verifyECDSA checks r and s, each of exactly half bytes (RFC 7518 section 3.4). ecdsa.Verify
// refuses zero and whatever is not below the order of the curve. Of s and the order less s it takes
// either, as it must: see [JWS.Parse].
func (t *JWS) verifyECDSA(s scheme, public *ecdsa.PublicKey) bool {
	if t.signatureLen != 2*s.half {
		return false
	}
	first, second := new(big.Int).SetBytes(t.signature[:s.half]), new(big.Int).SetBytes(t.signature[s.half:t.signatureLen])
	var buf [sha512.Size]byte
	return ecdsa.Verify(public, s.sum(buf[:0], t.signed), first, second)
}

func (t *JWS) verifyEd25519(public ed25519.PublicKey) bool {
	var few [usualToken]byte
	return t.signatureLen == ed25519.SignatureSize &&
		ed25519.Verify(public, append(few[:0], t.signed...), t.signature[:t.signatureLen])
}

func mac(s scheme, secret []byte, signed string) []byte {
	h := hmac.New(s.hash.New, secret)
	h.Write([]byte(signed))
	return h.Sum(nil)
}
