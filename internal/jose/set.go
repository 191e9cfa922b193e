package jose

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// MaxKeys is how many keys a set may hold.
const MaxKeys = 100

// The ways in which a set has no key for a token.
var (
	// ErrNoKey tells that no key of the set fits.
	ErrNoKey = errors.New("no key of the set fits")
	// ErrAmbiguousKey tells that several keys of the set fit, so that the token does not single one out.
	ErrAmbiguousKey = errors.New("several keys of the set fit")
)

// ErrForEncryption tells that a key of a set says of itself that it is for encryption (RFC 7517 sections 4.2 to 4.4), which is
// nothing wrong: many providers publish one beside their signature keys.
var ErrForEncryption = errors.New("the key is for encryption")

// Set is an immutable set of public keys.
type Set struct {
	keys []*Key
	// unusable says, for each key that was left out, why.
	unusable []error
}

// ParseSet reads a JWK set (RFC 7517 section 5). A key that cannot be used, be it malformed, of an unknown type, too small,
// or meant for something else than signatures, is left out and does not harm the others; private keys are reduced to their
// public part. The caller limits the length of the text. An error means that the text is no key set at all.
func ParseSet(text []byte) (*Set, error) {
	// Not strictjson: a duplicate member inside one key must cost that key alone. A map does not fold the case of names.
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
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

// Unusable says, for each key that was left out, why. The errors hold no key material; they wrap [ErrForEncryption] where
// there is nothing wrong with the key.
func (s *Set) Unusable() []error { return s.unusable }

// Find returns the one key for a token with the given kid and algorithm. A token without a kid finds a key only where a
// single one fits its algorithm. The error is [ErrNoKey] or [ErrAmbiguousKey].
func (s *Set) Find(id string, a Algorithm) (*Key, error) {
	var found *Key
	for _, k := range s.keys {
		if id != "" && k.id != id || !k.Fits(a) {
			continue
		}
		if found != nil {
			return nil, ErrAmbiguousKey
		}
		found = k
	}
	if found == nil {
		return nil, ErrNoKey
	}
	return found, nil
}

// Renew returns the set with each key that old holds too replaced by old's value, so that a key keeps its identity (its
// pointer) for as long as the provider publishes it. The second result reports whether the sets differ in their keys.
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
