package devidp

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

// maxKeys bounds how many keys stay in the JWKS through rotations.
const maxKeys = 8

// keyRing holds the signing keys, newest first. The newest one signs; all of them are in the JWKS.
type keyRing struct {
	algorithm Algorithm

	mu   sync.RWMutex
	keys []*jose.SigningKey
}

func newKeyRing(algorithm Algorithm) (*keyRing, error) {
	ring := &keyRing{algorithm: algorithm}
	return ring, ring.rotate(0)
}

// rotate puts a new key first and keeps at most so many of the old ones.
func (k *keyRing) rotate(keep int) error {
	key, err := jose.GenerateKey(jose.Algorithm(k.algorithm), "key-"+randomText()[:12])
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.keys[:min(len(k.keys), keep)]
	k.keys = append([]*jose.SigningKey{key}, old...)
	return nil
}

func (k *keyRing) published() []*jose.SigningKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys
}

// sign makes a JWT. Members of header replace the usual ones; a nil value leaves one out.
func (k *keyRing) sign(kind string, header, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	members := map[string]any{"typ": kind}
	maps.Copy(members, header)
	return k.published()[0].Sign(members, payload)
}

// set is the JWKS (RFC 7517 section 5) with the given faults.
func (k *keyRing) set(f *Faults) (any, error) {
	keys := []map[string]any{}
	if f.MalformedKey {
		keys = append(keys, map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "kid": "malformed", "use": "sig"})
	}
	for _, key := range k.published() {
		text, err := key.PublicJWK()
		if err != nil {
			return nil, err
		}
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			return nil, err
		}
		if f.OmitAlg {
			delete(members, "alg")
		}
		if f.OmitKeyID {
			delete(members, "kid")
		}
		keys = append(keys, members)
	}
	return map[string]any{"keys": keys}, nil
}

// Rotate makes a new key sign from now on. The old ones stay in the JWKS, so tokens signed with
// them are still good.
func (s *Server) Rotate() error { return s.rotate(maxKeys - 1) }

// RotateWithoutOverlap makes a new key sign from now on and takes all others out of the JWKS:
// tokens signed with them are no longer good for whoever reads it again, as after a key was stolen.
func (s *Server) RotateWithoutOverlap() error { return s.rotate(0) }

func (s *Server) rotate(keep int) error {
	if err := s.keys.rotate(keep); err != nil {
		return fmt.Errorf("devidp: rotate keys: %w", err)
	}
	return nil
}
