package redisstore

import (
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redistest"
)

// covers: T-STO-04
func TestAFailover(t *testing.T) {
	t.Parallel()
	url, primary, replica := redistest.Watched(t)
	s := mustOpen(t, url, Config{})
	if outcomes, err := s.Do(t.Context(), mark("kept")); err != nil || !outcomes[0].Swapped {
		t.Fatalf("%v, %v", outcomes, err)
	}
	redistest.Eventually(t, "the replica has the entry", 10*time.Second, func() bool {
		return replica.Do("GET", s.key("g", "kept")) == "\x01"
	})
	primary.Kill()
	redistest.Eventually(t, "the other is the primary", 30*time.Second, func() bool {
		outcomes, err := s.Do(t.Context(), mark("kept"))
		return err == nil && !outcomes[0].Swapped && outcomes[0].Values[0] != nil
	})
	if outcomes, err := s.Do(t.Context(), mark("more")); err != nil || !outcomes[0].Swapped {
		t.Errorf("%v, %v", outcomes, err)
	}
}
