package store

import (
	"bytes"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func newClock() *clock               { return &clock{time.Unix(1_800_000_000, 0)} }
func (c *clock) Now() time.Time      { return c.now }
func (c *clock) add(d time.Duration) { c.now = c.now.Add(d) }

func mustMark(t *testing.T, m *Memory, key string, ttl time.Duration) {
	t.Helper()
	outcomes, err := m.Do(t.Context(), set(key, []byte{1}, ttl))
	if err != nil || !outcomes[0].Swapped {
		t.Fatalf("mark %s: %v, %v", key, outcomes, err)
	}
}

// set is the step that sets an absent entry.
func set(key string, value []byte, ttl time.Duration) Step {
	return Step{Group: "g", Swap: []Swap{{Key: key, Next: value, TTL: ttl}}}
}

func TestAFullStoreDropsWhatExpiresNext(t *testing.T) {
	t.Parallel()
	c := newClock()
	var log bytes.Buffer
	m := NewMemory(MemoryConfig{MaxEntries: 3, Now: c.Now, Observer: observe.Slog(slog.New(slog.NewTextHandler(&log, nil)))})
	mustMark(t, m, "long", time.Hour)
	mustMark(t, m, "short", time.Minute)
	mustMark(t, m, "middle", 30*time.Minute)
	if log.Len() > 0 {
		t.Errorf("warned too early: %s", log.String())
	}
	mustMark(t, m, "new", 2*time.Hour)
	for key, want := range map[string]bool{"long": true, "short": false, "middle": true, "new": true} {
		outcomes, err := m.Do(t.Context(), Step{Group: "g", Get: []string{key}})
		if got := outcomes[0].Values[0] != nil; got != want || err != nil {
			t.Errorf("%s: kept %v, want %v, %v", key, got, want, err)
		}
	}
	for i := range 100 {
		mustMark(t, m, "flood"+strconv.Itoa(i), 3*time.Hour)
	}
	if warnings := strings.Count(log.String(), "WARN"); warnings != 1 {
		t.Errorf("%d warnings within a minute", warnings)
	}
	c.add(time.Minute)
	mustMark(t, m, "one more", 3*time.Hour)
	if warnings := strings.Count(log.String(), "WARN"); warnings != 2 || !strings.Contains(log.String(), "dropped=101") {
		t.Errorf("%d warnings after a minute: %s", warnings, log.String())
	}
	if len(m.entries) != 3 || len(m.byExpiry) != 3 {
		t.Errorf("%d entries, %d in the heap", len(m.entries), len(m.byExpiry))
	}
}

func TestAStoreIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	m := NewMemory(MemoryConfig{MaxBytes: 10_000, Now: newClock().Now, Observer: observe.Slog(slog.New(slog.DiscardHandler))})
	for i := range 1000 {
		if _, err := m.Do(t.Context(), set(strconv.Itoa(i), make([]byte, 700), time.Minute)); err != nil {
			t.Fatal(err)
		}
		if m.bytes > 10_000 {
			t.Fatalf("%d bytes kept", m.bytes)
		}
	}
	if len(m.entries) != 11 {
		t.Errorf("%d entries of about 870 bytes fit, want 11", len(m.entries))
	}
	if _, err := m.Do(t.Context(), set("k", make([]byte, 10_000), time.Minute)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a value beyond the limit: %v", err)
	}
	if len(m.entries) != 11 {
		t.Error("a refused value pushed others out")
	}
}

func TestExpiredEntriesFreeTheirMemory(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := NewMemory(MemoryConfig{Now: c.Now})
	for i := range 1000 {
		mustMark(t, m, strconv.Itoa(i), time.Duration(i+1)*time.Second)
	}
	c.add(500 * time.Second)
	mustMark(t, m, "another", time.Hour)
	if len(m.entries) != 501 {
		t.Errorf("%d entries kept, want 501", len(m.entries))
	}
	c.add(2 * time.Hour)
	mustMark(t, m, "last", time.Hour)
	if len(m.entries) != 1 || m.bytes != entryOverhead+len("g")+len("last")+1 {
		t.Errorf("%d entries, %d bytes", len(m.entries), m.bytes)
	}
}
