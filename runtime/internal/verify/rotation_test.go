package verify_test

import (
	"context"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// rotated is a key set whose cached keys are those of before the provider replaced them.
type rotated struct {
	*published // after

	before *published
}

func (r *rotated) Keys(_ context.Context, _ string, a jose.Algorithm, _ time.Time) (jose.Candidates, error) {
	return r.before.set.Find("", a), nil
}

func (r *rotated) Replaced(_ context.Context, _ string, a jose.Algorithm, _ time.Time, _ *jose.Candidates) (jose.Candidates, error) {
	return r.set.Find("", a), nil
}

// covers: R12
func TestATokenOfAKeyThatReplacedACachedOneIsTriedAgain(t *testing.T) {
	t.Parallel()
	old, err := jose.GenerateKey(jose.EdDSA, "k1")
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, func(c *verify.Config) { c.Keys = &rotated{published: asymmetric(t), before: publish(t, old)} })
	if _, err := v.Verify(t.Context(), presented(token(t, nil), resource)); err != nil {
		t.Errorf("R12: a token of the new key: %v", err)
	}
}
