package verify_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// asOf is a key set that was fetched at a time and may not be fetched again.
type asOf struct {
	*published

	fetched time.Time
	outage  bool
}

func (a *asOf) knows(arrived time.Time) error {
	if a.outage || a.fetched.Before(arrived) {
		return oauth.Unavailable(time.Second, errors.New("the set may not be fetched yet"))
	}
	return nil
}

func (a *asOf) Keys(ctx context.Context, id string, algorithm jose.Algorithm, arrived time.Time) (jose.Candidates, error) {
	found, err := a.published.Keys(ctx, id, algorithm, arrived)
	if err != nil && a.knows(arrived) != nil {
		return found, a.knows(arrived)
	}
	return found, err
}

func (a *asOf) Replaced(
	_ context.Context, _ string, _ jose.Algorithm, arrived time.Time, _ *jose.Candidates,
) (jose.Candidates, error) {
	return jose.Candidates{}, a.knows(arrived)
}

// A client that repeats a token which was refused hears the same again, while a token that comes
// for the first time waits for the next fetch.
// covers: A12
func TestARefusedTokenStaysRefusedWhileTheKeysMayNotBeFetched(t *testing.T) {
	t.Parallel()
	good := token(t, nil)
	wrong := func(at int) string {
		changed := []byte(good)
		at = len(changed) - at
		changed[at] = map[bool]byte{true: 'C', false: 'B'}[changed[at] == 'B']
		return string(changed)
	}
	stranger, err := jose.GenerateKey(jose.EdDSA, "nobody's")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ refused, other string }{
		"a key that is not in the set": {
			signedWith(t, stranger, nil, payload(t, nil)), signedWith(t, stranger, nil, payload(t, map[string]any{"sub": "user-2"})),
		},
		"a wrong signature": {wrong(20), wrong(30)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := now
			keys := &asOf{published: asymmetric(t), fetched: now}
			v := newVerifier(t, func(c *verify.Config) {
				c.Keys, c.Now = keys, func() time.Time { return at }
			})
			want := func(token string, status int) {
				t.Helper()
				if _, err := v.Verify(t.Context(), presented(token, resource)); oauth.AsError(err).Status != status {
					t.Errorf("got %v, want %d", err, status)
				}
			}
			want(c.refused, http.StatusUnauthorized)
			at = now.Add(time.Second)
			want(c.refused, http.StatusUnauthorized)
			want(c.other, http.StatusServiceUnavailable)
			want(c.other, http.StatusServiceUnavailable)
			keys.outage = true
			want(c.refused, http.StatusServiceUnavailable)
		})
	}
}

// A token that was accepted is refused as soon as a set that was fetched later lacks its key.
// covers: A12
func TestAnAcceptedTokenIsRefusedAtOnceWhenItsKeyHasGone(t *testing.T) {
	t.Parallel()
	at := now
	keys := &asOf{published: asymmetric(t), fetched: now}
	v := newVerifier(t, func(c *verify.Config) {
		c.Keys, c.Now = keys, func() time.Time { return at }
	})
	known, other := token(t, nil), token(t, map[string]any{"sub": "user-2"})
	if _, err := v.Verify(t.Context(), presented(known, resource)); err != nil {
		t.Fatal(err)
	}
	keys.published, keys.fetched = publish(t, signingKeys()[jose.RS256]), now.Add(time.Minute)
	at = now.Add(2 * time.Minute)
	for token, status := range map[string]int{known: http.StatusUnauthorized, other: http.StatusServiceUnavailable} {
		if _, err := v.Verify(t.Context(), presented(token, resource)); oauth.AsError(err).Status != status {
			t.Errorf("got %v, want %d", err, status)
		}
	}
}
