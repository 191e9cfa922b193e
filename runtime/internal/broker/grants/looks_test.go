package grants

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lookedAt is a store that may fail, or know of a revocation, and counts.
type lookedAt struct {
	asked   atomic.Int32
	fails   atomic.Bool
	revoked atomic.Bool
}

func (s *lookedAt) look(context.Context) (bool, error) {
	s.asked.Add(1)
	if s.fails.Load() {
		return false, errDown
	}
	return s.revoked.Load(), nil
}

// covers: T-STO-03
func TestHowLongALookIsGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		memory, grace time.Duration
		after         time.Duration
		fails         bool
		revoked       bool
		wantRevoked   bool
		wantErr       bool
		wantAsked     int32
	}{
		"within the memory":                      {time.Second, 30 * time.Second, 999 * time.Millisecond, true, false, false, false, 0},
		"a revocation within the memory":         {time.Second, 30 * time.Second, 999 * time.Millisecond, false, true, false, false, 0},
		"a revocation after the memory":          {time.Second, 30 * time.Second, time.Second, false, true, true, false, 1},
		"the store fails within the grace":       {time.Second, 30 * time.Second, 29 * time.Second, true, false, false, false, 1},
		"the store fails after the grace":        {time.Second, 30 * time.Second, 30 * time.Second, true, false, false, true, 1},
		"the store fails without a grace":        {time.Second, -1, time.Second, true, false, false, true, 1},
		"the memory is off":                      {-1, 30 * time.Second, 0, false, true, true, false, 1},
		"everything is off, and the store fails": {-1, -1, 0, true, false, false, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, l := &lookedAt{}, newLooks(c.memory, c.grace, time.Now)
				if revoked, err := l.revoked(t.Context(), login{}, s.look); revoked || err != nil {
					t.Fatalf("the first look: %v, %v", revoked, err)
				}
				time.Sleep(c.after)
				s.asked.Store(0)
				s.fails.Store(c.fails)
				s.revoked.Store(c.revoked)
				revoked, err := l.revoked(t.Context(), login{}, s.look)
				if revoked != c.wantRevoked || (err != nil) != c.wantErr || s.asked.Load() != c.wantAsked {
					t.Errorf("revoked %v, %v, asked %d times", revoked, err, s.asked.Load())
				}
			})
		})
	}
}

func TestALoginThatWasNeverSeenIsAskedAboutWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	s, l := &lookedAt{}, newLooks(time.Second, time.Minute, time.Now)
	s.fails.Store(true)
	for range 2 {
		if _, err := l.revoked(t.Context(), login{}, s.look); !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
	}
}

// While the store fails, logins that may go on do not wait for it one by one.
func TestAStoreThatFailsIsAskedOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, l := &lookedAt{}, newLooks(time.Second, 30*time.Second, time.Now)
		logins := []login{{key: 0}, {key: 1}}
		for _, which := range logins {
			if _, err := l.revoked(t.Context(), which, s.look); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		s.asked.Store(0)
		s.fails.Store(true)
		for i := range 20 {
			if _, err := l.revoked(t.Context(), logins[i%2], s.look); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.asked.Load(); n != 2 {
			t.Errorf("asked %d times in two seconds", n)
		}
		s.fails.Store(false)
		time.Sleep(time.Second)
		s.revoked.Store(true)
		if revoked, err := l.revoked(t.Context(), logins[0], s.look); !revoked || err != nil {
			t.Errorf("after it recovered: %v, %v", revoked, err)
		}
	})
}

func TestManyRequestsShareALook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, l := &lookedAt{}, newLooks(time.Second, time.Minute, time.Now)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := l.revoked(t.Context(), login{}, func(ctx context.Context) (bool, error) {
					time.Sleep(time.Millisecond)
					return s.look(ctx)
				}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}
