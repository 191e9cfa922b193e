package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// identifier is 128 bits: random, or a digest that stands for something longer.
type identifier [16]byte

func newIdentifier() (id identifier) {
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

// String returns the identifier in base64url, 22 characters.
func (id identifier) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// parseIdentifier reads what [identifier.String] wrote, in that spelling alone.
func parseIdentifier(s string) (id identifier, ok bool) {
	if len(s) != base64.RawURLEncoding.EncodedLen(len(id)) {
		return id, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != len(id) {
		return id, false
	}
	return identifier(raw), true
}

// digest returns the first half of the SHA-256 of the parts. Lengths in front keep neighbouring parts apart.
func digest(parts ...string) identifier {
	h := sha256.New()
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return identifier(h.Sum(nil)[:16])
}
