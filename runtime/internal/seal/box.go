package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	version   = 1
	keyIDSize = 2
	headSize  = 1 + keyIDSize + chacha20poly1305.NonceSizeX
	// minSize is the least a value can have: head, tag, and one byte each for the purpose's length
	// and the expiry.
	minSize = headSize + chacha20poly1305.Overhead + 2
	// MaxLength is the longest text that [Box.Open] looks at.
	MaxLength = 64 << 10
)

// The ways in which a sealed value can be refused, for logs: to a client they are all the same.
var (
	ErrMalformed  = errors.New("not a sealed value")
	ErrUnknownKey = errors.New("sealed with a key that is not in the ring, or for another purpose, server or configuration")
	ErrForged     = errors.New("changed after it was sealed")
	ErrExpired    = errors.New("expired")
)

// Binding names the server that a value is sealed for. A value opens only under the binding that it
// was sealed under.
type Binding struct {
	// Issuer is who issues the tokens that are behind the value: the provider.
	Issuer string
	// Resource is the canonical URL of the protected resource, which is also our own issuer.
	Resource string
	// Provider is the provider's short name.
	Provider string
	// Client is our client id at the provider.
	Client string
}

// Box seals and opens values of one purpose for one server. It is safe for concurrent use.
type Box struct {
	purpose string
	context []byte
	keys    []boxKey
}

type boxKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// Box returns the box of a purpose, such as "refresh". It panics for an empty purpose and for one
// longer than 32 bytes.
func (r *Ring) Box(purpose string, binding Binding) *Box {
	if purpose == "" || len(purpose) > 32 {
		panic("seal: a purpose has 1 to 32 bytes")
	}
	b := &Box{purpose: purpose, context: contextOf(purpose, binding)}
	for _, k := range r.keys {
		// The key and its public id come from one expansion: the id tells nothing about the key.
		expanded, err := hkdf.Expand(sha256.New, k.extracted, string(b.context), chacha20poly1305.KeySize+keyIDSize)
		if err != nil {
			panic("seal: " + err.Error()) // only a length beyond 255 blocks can fail
		}
		aead, err := chacha20poly1305.NewX(expanded[:chacha20poly1305.KeySize])
		if err != nil {
			panic("seal: " + err.Error())
		}
		b.keys = append(b.keys, boxKey{id: [keyIDSize]byte(expanded[chacha20poly1305.KeySize:]), aead: aead})
	}
	return b
}

// contextOf is the HKDF info and part of the additional data. Lengths in front keep neighbouring
// fields apart.
func contextOf(purpose string, b Binding) []byte {
	context := []byte("latchkey/seal/v1")
	for _, field := range []string{purpose, b.Issuer, b.Resource, b.Provider, b.Client} {
		context = binary.AppendUvarint(context, uint64(len(field)))
		context = append(context, field...)
	}
	return context
}

// Seal returns the sealed payload as text that goes into URLs, cookies and headers as it is. It
// expires at the given time, rounded down to seconds; the zero time never does.
func (b *Box) Seal(payload []byte, expires time.Time) string {
	return encode(b.SealBytes("", payload, expires))
}

// SealBytes is [Box.Seal] for places that take any bytes, such as a store. The value opens at the
// place that it was sealed for alone: the name of its entry there. No place is a place too.
func (b *Box) SealBytes(place string, payload []byte, expires time.Time) []byte {
	var nonce [chacha20poly1305.NonceSizeX]byte
	_, _ = rand.Read(nonce[:]) // never fails: crypto/rand ends the program instead
	return b.sealWith(nonce, place, payload, expires)
}

func (b *Box) sealWith(nonce [chacha20poly1305.NonceSizeX]byte, place string, payload []byte, expires time.Time) []byte {
	key := b.keys[0]
	value := make([]byte, 0, minSize+len(b.purpose)+binary.MaxVarintLen64+len(payload))
	value = append(value, version)
	value = append(value, key.id[:]...)
	value = append(value, nonce[:]...)
	value = binary.AppendUvarint(value, uint64(len(b.purpose))) // one byte: a purpose is short
	value = append(value, b.purpose...)
	value = binary.AppendUvarint(value, seconds(expires))
	value = append(value, payload...)
	// In place: what was written behind the head becomes its ciphertext.
	return key.aead.Seal(value[:headSize], nonce[:], value[headSize:], b.additional(value[:1+keyIDSize], place))
}

// encode is base64url without padding.
func encode(value []byte) string {
	const part = 768 // a multiple of three, so that parts join
	var text strings.Builder
	text.Grow(base64.RawURLEncoding.EncodedLen(len(value)))
	var buffer [part / 3 * 4]byte
	for len(value) > 0 {
		n := min(part, len(value))
		base64.RawURLEncoding.Encode(buffer[:], value[:n])
		text.Write(buffer[:base64.RawURLEncoding.EncodedLen(n)])
		value = value[n:]
	}
	return text.String()
}

func seconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(1, t.Unix())) // a time before 1970 is expired, not eternal
}

// additional is what a value is authenticated with. The context has an end that can be seen, so
// that the place behind it cannot be taken for a part of it.
func (b *Box) additional(head []byte, place string) []byte {
	additional := make([]byte, 0, len(head)+len(b.context)+len(place))
	return append(append(append(additional, head...), b.context...), place...)
}

// Open returns the payload of a sealed value, and when it expires: the zero time for never. Errors
// are [ErrMalformed], [ErrUnknownKey], [ErrForged] and [ErrExpired].
func (b *Box) Open(sealed string, now time.Time) (payload []byte, expires time.Time, err error) {
	payload, _, expires, err = b.OpenUnder(sealed, now)
	return payload, expires, err
}

// OpenUnder is [Box.Open] that also says which key sealed the value.
func (b *Box) OpenUnder(sealed string, now time.Time) (payload []byte, key Key, expires time.Time, err error) {
	value, err := decode(sealed)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	return b.open("", value, now)
}

// OpenBytes is [Box.Open] for what [Box.SealBytes] made.
func (b *Box) OpenBytes(place string, value []byte, now time.Time) (payload []byte, expires time.Time, err error) {
	payload, _, expires, err = b.open(place, value, now)
	return payload, expires, err
}

func (b *Box) open(place string, value []byte, now time.Time) (payload []byte, key Key, expires time.Time, err error) {
	if len(value) < minSize || value[0] != version {
		return nil, 0, time.Time{}, ErrMalformed
	}
	content, key, err := b.decrypt(place, value)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	payload, expires, err = b.unpack(content)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	if !expires.IsZero() && !now.Before(expires) {
		return nil, 0, expires, ErrExpired
	}
	return payload, key, expires, nil
}

// decode undoes base64 strictly: no padding, no spare bits, and none of the line breaks that Go's
// decoder skips.
func decode(sealed string) ([]byte, error) {
	if len(sealed) > MaxLength || strings.IndexByte(sealed, '\n') >= 0 || strings.IndexByte(sealed, '\r') >= 0 {
		return nil, ErrMalformed
	}
	value, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, ErrMalformed
	}
	return value, nil
}

func (b *Box) decrypt(place string, value []byte) ([]byte, Key, error) {
	id, nonce, ciphertext := [keyIDSize]byte(value[1:]), value[1+keyIDSize:headSize], value[headSize:]
	additional := b.additional(value[:1+keyIDSize], place)
	err := ErrUnknownKey
	for i, key := range b.keys {
		if key.id != id {
			continue
		}
		// Not in place: two keys of the ring may share an id, and a failed try destroys its output.
		content, failed := key.aead.Open(nil, nonce, ciphertext, additional)
		if failed == nil {
			return content, Key(i), nil
		}
		err = ErrForged
	}
	return nil, 0, err
}

// unpack reads purpose and expiry. The key already stands for the purpose: that it is named inside
// too is a second lock.
func (b *Box) unpack(content []byte) ([]byte, time.Time, error) {
	n := int(content[0])
	if len(content) < 1+n || string(content[1:1+n]) != b.purpose {
		return nil, time.Time{}, ErrForged
	}
	content = content[1+n:]
	expiry, size := binary.Uvarint(content)
	if size <= 0 || expiry > 1<<40 {
		return nil, time.Time{}, ErrForged
	}
	payload := content[size:]
	if expiry == 0 {
		return payload, time.Time{}, nil
	}
	return payload, time.Unix(int64(expiry), 0), nil
}

// Format prints the purpose alone, whatever the verb.
func (b *Box) Format(state fmt.State, _ rune) { _, _ = fmt.Fprintf(state, "[box for %s]", b.purpose) }
