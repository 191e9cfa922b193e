package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

const (
	// KeySize is the number of bytes of a sealing key.
	KeySize = 32
	// MinSecretLength is the least number of characters of a client secret that a key may be
	// derived from. Sealed values are public, so a weaker one could be guessed offline.
	MinSecretLength = 32
	// maxKeys bounds a ring: each open may try them all.
	maxKeys = 16
)

// MakeKeyHint tells an operator how to make a key.
const MakeKeyHint = "make one with: openssl rand -base64 32"

// The HKDF salts keep keys of the two origins apart even if somebody uses one text as both.
const (
	saltConfigured = "latchkey/seal/v1/key"
	saltDerived    = "latchkey/seal/v1/client-secret"
)

// Config names the keys of a [Ring].
type Config struct {
	// Keys are 32 random bytes each, in base64 (any of its alphabets, padded or not), newest first.
	// The first seals, all of them open. To rotate, put a new key in front; drop the old one when
	// everything that it sealed may be lost.
	Keys []oauth.Secret
	// Secret is the client secret to derive the key from when Keys is empty, so that replicas agree
	// without a setting. It needs [MinSecretLength] characters.
	Secret oauth.Secret
	// PreviousSecrets are client secrets of the past. Keys derived from them open, so that changing
	// the secret, or moving from it to Keys, logs nobody out.
	PreviousSecrets []oauth.Secret
}

// Ring is a list of keys: the newest seals, all of them open. It is immutable and prints without
// its keys.
type Ring struct{ keys []ringKey }

// ringKey is the extracted HKDF key of one configured key.
type ringKey struct{ extracted []byte }

// NewRing returns the ring of a configuration. Its errors tell the operator what to do and hold no
// secret.
func NewRing(config Config) (*Ring, error) {
	r := &Ring{}
	for i, text := range config.Keys {
		key, err := parseKey(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("sealing key %d %w", i+1, err)
		}
		if err := r.add(key, saltConfigured); err != nil {
			return nil, err
		}
	}
	if len(config.Keys) == 0 {
		if config.Secret == "" {
			return nil, errors.New("no sealing key is configured and there is no client secret to derive one from: " + MakeKeyHint)
		}
		if err := r.addSecret(config.Secret, "the client secret"); err != nil {
			return nil, err
		}
	}
	for i, secret := range config.PreviousSecrets {
		if err := r.addSecret(secret, fmt.Sprintf("previous client secret %d", i+1)); err != nil {
			return nil, err
		}
	}
	if len(r.keys) > maxKeys {
		return nil, fmt.Errorf("there are %d sealing keys, at most %d are allowed: remove the oldest", len(r.keys), maxKeys)
	}
	return r, nil
}

func (r *Ring) addSecret(secret oauth.Secret, name string) error {
	if n := len(secret.Reveal()); n < MinSecretLength {
		return fmt.Errorf("%s has %d characters; sealing keys are derived only from one with at least %d, since sealed "+
			"values are public and a short secret could be guessed from them. Configure a sealing key instead; %s",
			name, n, MinSecretLength, MakeKeyHint)
	}
	return r.add([]byte(secret.Reveal()), saltDerived)
}

func (r *Ring) add(input []byte, salt string) error {
	extracted, err := hkdf.Extract(sha256.New, input, []byte(salt))
	if err != nil {
		return fmt.Errorf("sealing key: %w", err)
	}
	r.keys = append(r.keys, ringKey{extracted})
	return nil
}

// parseKey reads 32 bytes of base64, the standard or the URL alphabet, padded or not.
func parseKey(text string) ([]byte, error) {
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimSpace(text)), "=")
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	switch {
	case err != nil:
		return nil, errors.New("is not base64; " + MakeKeyHint)
	case len(key) != KeySize:
		return nil, fmt.Errorf("has %d bytes, it needs %d; %s", len(key), KeySize, MakeKeyHint)
	case bytes.Count(key, key[:1]) == KeySize:
		return nil, errors.New("is one byte repeated, not random; " + MakeKeyHint)
	}
	return key, nil
}

// Format prints the number of keys, whatever the verb.
func (r *Ring) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[%d sealing keys]", len(r.keys))
}
