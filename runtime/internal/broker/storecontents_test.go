package broker

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// watchfulStore remembers what was ever put into it. Where it swaps, it answers with what was
// sealed for another key.
type watchfulStore struct {
	store.Store

	mu    sync.Mutex
	put   map[string][][]byte
	swaps bool
	// swapped counts the answers that were another key's.
	swapped int
}

func newWatchfulStore() *watchfulStore {
	return &watchfulStore{Store: store.NewMemory(store.MemoryConfig{}), put: map[string][][]byte{}}
}

// sealed is longer than any value that is not.
const sealed = 80

func (s *watchfulStore) Do(ctx context.Context, steps ...store.Step) ([]store.Outcome, error) {
	outcomes, err := s.Store.Do(ctx, steps...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, step := range steps {
		for _, swap := range step.Swap {
			if swap.Next != nil {
				s.put[step.Group+" "+swap.Key] = append(s.put[step.Group+" "+swap.Key], swap.Next)
			}
		}
	}
	if !s.swaps {
		return outcomes, err
	}
	for i, outcome := range outcomes {
		for j, value := range outcome.Values {
			if len(value) >= sealed {
				outcome.Values[j] = s.other(steps[i].Group+" "+steps[i].Get[j], len(value))
			}
		}
	}
	return outcomes, err
}

// other is what was put under another key, of about the same size.
func (s *watchfulStore) other(key string, size int) []byte {
	for other, values := range s.put {
		if last := values[len(values)-1]; other != key && len(last) > size*9/10 && len(last) < size*11/10 {
			s.swapped++
			return last
		}
	}
	return nil
}

// covers: T-STO-01, T-STO-02
// A store may be shared, and its values may be moved by somebody who can write there.
func TestAValueOfTheStoreOpensUnderItsKeyAlone(t *testing.T) {
	t.Parallel()
	t.Run("A6: the answer that is kept for another login's retry", func(t *testing.T) {
		t.Parallel()
		kept := newWatchfulStore()
		w := newWorld(t, 1, func(c *Config) { c.Store = kept })
		mine, theirs := w.newClient(webRedirect), w.newClient(webRedirect)
		before := w.login(mine)
		w.refreshed(mine, before.RefreshToken)
		victim := w.login(theirs)
		w.refreshed(theirs, victim.RefreshToken)
		kept.swaps = true
		rec := w.post("/token", refreshForm(mine, before.RefreshToken))
		if kept.swapped == 0 {
			t.Fatal("no value was swapped")
		}
		if rec.Code == http.StatusOK || strings.Contains(rec.Body.String(), "access_token") {
			t.Errorf("the answer is of another login: %d", rec.Code)
		}
	})
	t.Run("A6: nothing in a store can be read", func(t *testing.T) {
		t.Parallel()
		kept := newWatchfulStore()
		w := newWorld(t, 1, func(c *Config) { c.Store = kept })
		clientID := w.newClient(webRedirect)
		code := w.newBrowser().code(clientID, webRedirect)
		first := decode[oauth.TokenResponse](t, w.post("/token", redeemForm(clientID, webRedirect, code)))
		second := w.refreshed(clientID, first.RefreshToken)
		w.post("/revoke", change(redeemForm(clientID, "", ""), []string{"token", second.RefreshToken}))
		if len(kept.put) < 6 {
			t.Fatalf("%d keys", len(kept.put))
		}
		for key, values := range kept.put {
			for _, value := range append(values, []byte(key)) {
				for _, secret := range []string{
					code, first.AccessToken, first.RefreshToken, second.AccessToken, second.RefreshToken, clientID, testSecret, "upstream-",
					"user-1", "example.com", "revoked", "current", "answer",
				} {
					if strings.Contains(string(value), secret) {
						t.Errorf("the store has %d bytes with %q in them under %q", len(value), secret[:min(len(secret), 12)], key)
					}
				}
			}
		}
	})
}
