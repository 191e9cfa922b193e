package jose

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
)

// MaxKeys is how many keys a set may hold. Providers that keep a key for each application or tenant
// publish some hundred.
const MaxKeys = 1000

// MaxCandidates is how many keys are tried for one token: everybody can send tokens, and each try
// costs a signature check.
const MaxCandidates = 4

// ErrForEncryption tells that a key of a set says of itself that it is for encryption (RFC 7517
// sections 4.2 to 4.4), which is nothing wrong: many providers publish one beside their signature
// keys.
var ErrForEncryption = errors.New("the key is for encryption")

// Set is an immutable set of public keys.
type Set struct {
	keys []*Key
	// unusable says, for each key that was left out, why.
	unusable []error
}

// ParseSet reads a JWK set (RFC 7517 section 5). A key that cannot be used, be it malformed, of an
// unknown type, too small, or meant for something else than signatures, is left out and does not
// harm the others; private keys are reduced to their public part. The caller limits the length of
// the text. An error means that the text is no key set at all.
func ParseSet(text []byte) (*Set, error) {
	// Not strictjson: a duplicate member inside one key must cost that key alone. A map does not
	// fold the case of names.
	var object map[string]json.RawMessage
	if err := json.Unmarshal(strictjson.WithoutBOM(text), &object); err != nil {
		return nil, errors.New("not a JSON object")
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(object["keys"], &elements); err != nil || elements == nil {
		return nil, errors.New("JSON object without an array named \"keys\"")
	}
	if len(elements) > MaxKeys {
		return nil, fmt.Errorf("%d keys, more than the limit of %d", len(elements), MaxKeys)
	}
	s := &Set{keys: make([]*Key, 0, len(elements))}
	for i, element := range elements {
		k, err := parseKey(string(element))
		switch {
		case err != nil:
			s.unusable = append(s.unusable, fmt.Errorf("key %d of the set is not used: %w", i, err))
		case !slices.ContainsFunc(s.keys, k.Equal):
			s.keys = append(s.keys, k)
		}
	}
	return s, nil
}

// Len returns the number of usable keys.
func (s *Set) Len() int { return len(s.keys) }

// Unusable says, for each key that was left out, why. The errors hold no key material; they wrap
// [ErrForEncryption] where there is nothing wrong with the key.
func (s *Set) Unusable() []error { return s.unusable }

// Find returns the keys that may have made the signature of a token with the given kid and
// algorithm: those with this kid or, for a token without one, all that fit the algorithm. There is
// none for a kid that the set does not have.
func (s *Set) Find(id string, a Algorithm) Candidates {
	var found Candidates
	for _, k := range s.keys {
		if (id == "" || k.id == id) && k.Fits(a) {
			found.add(k)
		}
	}
	return found
}

// Has reports whether the set holds this very key for tokens with the given kid and algorithm.
func (s *Set) Has(id string, a Algorithm, k *Key) bool {
	return (id == "" || k.id == id) && k.Fits(a) && slices.Contains(s.keys, k)
}

// Candidates are the keys of a set that may have made a token's signature, [MaxCandidates] at most,
// in the set's order. Equal key material counts once, under whatever names and with or without an
// alg. The zero value holds none.
type Candidates struct {
	keys    [MaxCandidates]*Key
	len     int
	fitting int
}

func (c *Candidates) add(k *Key) {
	if slices.ContainsFunc(c.All(), func(other *Key) bool { return k.issuer == other.issuer && k.sameMaterial(other) }) {
		return
	}
	if c.fitting++; c.len < MaxCandidates {
		c.keys[c.len] = k
		c.len++
	}
}

// All returns the candidates. The caller must not change the list.
func (c *Candidates) All() []*Key { return c.keys[:c.len] }

// Len returns the number of candidates.
func (c *Candidates) Len() int { return c.len }

// Fitting returns how many keys of the set would have been candidates without the limit.
func (c *Candidates) Fitting() int { return c.fitting }

// Without returns the candidates that are not among others.
func (c *Candidates) Without(others *Candidates) Candidates {
	left := Candidates{fitting: c.fitting}
	for _, k := range c.All() {
		if !slices.Contains(others.All(), k) {
			left.keys[left.len] = k
			left.len++
		}
	}
	return left
}

// Only returns the candidates of which a test is true.
func (c *Candidates) Only(test func(*Key) bool) Candidates {
	left := Candidates{fitting: c.fitting}
	for _, k := range c.All() {
		if test(k) {
			left.keys[left.len] = k
			left.len++
		}
	}
	return left
}

// Renew returns the set with each key that old holds too replaced by old's value, so that a key
// keeps its identity (its pointer) for as long as the provider publishes it. The second result
// reports whether the sets differ in their keys.
func (s *Set) Renew(old *Set) (renewed *Set, changed bool) {
	renewed = &Set{keys: slices.Clone(s.keys), unusable: s.unusable}
	changed = len(s.keys) != len(old.keys)
	for i, k := range renewed.keys {
		if same := slices.IndexFunc(old.keys, k.Equal); same >= 0 {
			renewed.keys[i] = old.keys[same]
		} else {
			changed = true
		}
	}
	return renewed, changed
}
