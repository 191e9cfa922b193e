package jose_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

func TestSignWritesTheGivenHeader(t *testing.T) {
	t.Parallel()
	k := newKey(t, jose.EdDSA, "k")
	var jws jose.JWS
	if err := jws.Parse(sign(t, k, map[string]any{"typ": "at+jwt"}, `{}`)); err != nil {
		t.Fatal(err)
	}
	if jws.Algorithm != jose.EdDSA || jws.KeyID != "k" || jws.Type != "at+jwt" {
		t.Errorf("got %q, %q, %q", jws.Algorithm, jws.KeyID, jws.Type)
	}
	if err := jws.Parse(sign(t, k, map[string]any{"kid": nil, "alg": "none"}, `{}`)); err != nil {
		t.Fatal(err)
	}
	if jws.Algorithm != "none" || jws.KeyID != "" {
		t.Errorf("got %q, %q", jws.Algorithm, jws.KeyID)
	}
}

func TestPublicSetHoldsNothingPrivate(t *testing.T) {
	t.Parallel()
	text, err := jose.PublicSet(newKey(t, jose.RS256, "r"), newKey(t, jose.ES384, "e"), newKey(t, jose.EdDSA, ""))
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != 3 {
		t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	for _, key := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if _, has := key[private]; has {
				t.Errorf("key %v has %s", key["kid"], private)
			}
		}
		if key["use"] != "sig" || key["alg"] == "" {
			t.Errorf("key %v has use %v and alg %v", key["kid"], key["use"], key["alg"])
		}
	}
	if _, err := jose.PublicSet(newKey(t, jose.HS256, "s")); err == nil {
		t.Error("a shared secret is published")
	}
}

func TestGenerateKeyRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, a := range []jose.Algorithm{"", "none", "rs256", "ES256K"} {
		if _, err := jose.GenerateKey(a, "k"); err == nil {
			t.Errorf("%q gives a key", a)
		}
	}
	if _, err := jose.NewSecretSigningKey(jose.ES256, []byte("test")); err == nil {
		t.Error("ES256 takes a shared secret")
	}
}

// covers: T-OPS-03
func TestSigningKeysPrintTheirNameOnly(t *testing.T) {
	t.Parallel()
	k, err := jose.NewSecretSigningKey(jose.HS256, []byte("test-secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if s := fmt.Sprintf(verb, k); strings.Contains(s, "test-secret") || strings.Contains(s, "746573742d") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}
