package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"iter"
	"sync"
)

// Key says which key of a ring is meant: its place there, the newest at zero.
type Key int

// Names gives names to what a store keeps. A name says nothing to anybody without the key that it
// was made under, and each server has names of its own. It is safe for concurrent use.
//
// A thing that belongs to a sealed value is named under the key that sealed it: then it is found
// for as long as the value opens, however often keys are rotated.
type Names struct{ keys []*sync.Pool }

// namer makes names under one key. It is kept for the next, since each request needs some.
type namer struct {
	mac     hash.Hash
	message []byte
	sum     [sha256.Size]byte
}

// Names returns the names of a server.
func (r *Ring) Names(binding Binding) *Names {
	n := &Names{}
	for _, k := range r.keys {
		key, err := hkdf.Expand(sha256.New, k.extracted, string(contextOf("names", binding)), sha256.Size)
		if err != nil {
			panic("seal: " + err.Error()) // only a length beyond 255 blocks can fail
		}
		n.keys = append(n.keys, &sync.Pool{New: func() any { return &namer{mac: hmac.New(sha256.New, key)} }})
	}
	return n
}

// Keys goes through the keys of the ring.
func (n *Names) Keys() iter.Seq[Key] {
	return func(yield func(Key) bool) {
		for i := range n.keys {
			if !yield(Key(i)) {
				return
			}
		}
	}
}

// Name returns the name of a thing under a key: 22 characters of base64url, the first half of an
// HMAC-SHA256 of the parts. Lengths in front keep neighboring parts apart.
func (n *Names) Name(key Key, parts ...string) string {
	m, _ := n.keys[key].Get().(*namer)
	defer n.keys[key].Put(m)
	m.message = m.message[:0]
	for _, p := range parts {
		m.message = binary.BigEndian.AppendUint64(m.message, uint64(len(p)))
		m.message = append(m.message, p...)
	}
	m.mac.Reset()
	_, _ = m.mac.Write(m.message)
	return base64.RawURLEncoding.EncodeToString(m.mac.Sum(m.sum[:0])[:sha256.Size/2])
}

// Format prints the number of keys, whatever the verb.
func (n *Names) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[names under %d sealing keys]", len(n.keys))
}
