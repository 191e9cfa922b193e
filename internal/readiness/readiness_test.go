package readiness_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/readiness"
)

// answer is what /readyz says.
type answer struct {
	Ready bool
	Parts map[string]struct {
		Ready bool
		Since time.Time
	}
}

func ask(t *testing.T, p *readiness.Parts) (int, answer) {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return w.Code, a
}

func TestReadyIsWhatAllPartsAre(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 1, time.UTC)
	p := readiness.New(func() time.Time { return now }, "keys", "store")
	if code, a := ask(t, p); code != http.StatusServiceUnavailable || a.Ready || len(a.Parts) != 2 {
		t.Errorf("before: %d %+v", code, a)
	}
	p.Set("keys", true)
	if code, a := ask(t, p); code != http.StatusServiceUnavailable || a.Ready || !a.Parts["keys"].Ready || a.Parts["store"].Ready {
		t.Errorf("one part: %d %+v", code, a)
	}
	p.Set("store", true)
	ready := now.Truncate(time.Second)
	now = now.Add(time.Minute)
	p.Set("store", true) // is no change
	if code, a := ask(t, p); code != http.StatusOK || !a.Ready || !p.Ready() || !a.Parts["store"].Since.Equal(ready) {
		t.Errorf("both: %d %+v", code, a)
	}
	p.Set("store", false)
	if code, a := ask(t, p); code != http.StatusServiceUnavailable || p.Ready() || !a.Parts["store"].Since.Equal(ready.Add(time.Minute)) {
		t.Errorf("lost again: %d %+v", code, a)
	}
}

func TestAPartIsAwaitedWithLongerAndLongerPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := readiness.New(nil, "keys")
		var pauses []time.Duration
		p.Await(t.Context(), "keys", func(context.Context) error {
			if len(pauses) == 9 {
				return nil
			}
			return errors.New("not yet")
		}, func(_ error, pause time.Duration) { pauses = append(pauses, pause) })
		if !p.Ready() || pauses[0] != 250*time.Millisecond || pauses[8] != 15*time.Second {
			t.Errorf("ready %t after pauses of %v", p.Ready(), pauses)
		}
	})
}

func TestWaitingForAPartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := readiness.New(nil, "keys")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.Await(ctx, "keys", func(context.Context) error { return errors.New("never") }, func(error, time.Duration) {})
		if p.Ready() {
			t.Error("it is ready")
		}
	})
}
