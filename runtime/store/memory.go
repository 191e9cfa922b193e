package store

import (
	"bytes"
	"container/heap"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// The limits of a [MemoryConfig] whose fields are zero.
const (
	DefaultMaxEntries = 100_000
	DefaultMaxBytes   = 64 << 20
)

const (
	// entryOverhead is about what an entry costs beside its key and value.
	entryOverhead = 160
	// warnEvery bounds the warnings about a full store.
	warnEvery = time.Minute
)

// MemoryConfig adjusts a [Memory]. The zero value is ready to use.
type MemoryConfig struct {
	// MaxEntries bounds the number of entries. Zero means [DefaultMaxEntries].
	MaxEntries int
	// MaxBytes bounds keys and values, with an allowance for what an entry costs besides. Zero
	// means [DefaultMaxBytes].
	MaxBytes int
	// Now replaces time.Now, for tests.
	Now func() time.Time
	// Observer is told, once a minute at most, when entries are dropped because the store is full.
	// The default is [observe.Slog] with [slog.Default].
	Observer observe.Observer
}

// Memory is a [Store] within one process. It is bounded: when it is full, the entry that would
// expire next is dropped, so that somebody who fills it takes guarantees away rather than the
// service. It has no goroutine and needs no closing.
type Memory struct {
	config MemoryConfig
	events *events.Sender

	mu       sync.Mutex
	entries  map[entryKey]*entry
	byExpiry expiryHeap
	bytes    int
	warned   time.Time
	dropped  int
}

var _ Store = (*Memory)(nil)

// entryKey names an entry.
type entryKey struct{ group, key string }

// entry is one key with its value.
type entry struct {
	key     entryKey
	value   []byte
	expires time.Time
	index   int // in the heap
}

func (e *entry) size() int { return entryOverhead + len(e.key.group) + len(e.key.key) + len(e.value) }

// NewMemory returns an empty store.
func NewMemory(config MemoryConfig) *Memory {
	if config.MaxEntries <= 0 {
		config.MaxEntries = DefaultMaxEntries
	}
	if config.MaxBytes <= 0 {
		config.MaxBytes = DefaultMaxBytes
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Memory{config: config, events: events.Or(config.Observer), entries: map[entryKey]*entry{}}
}

// Do implements [Store].
func (m *Memory) Do(ctx context.Context, steps ...Step) ([]Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := m.check(step); err != nil {
			return nil, err
		}
	}
	outcomes, trouble := m.do(steps)
	if trouble != nil {
		m.events.Observe(ctx, *trouble)
	}
	return outcomes, nil
}

func (m *Memory) check(step Step) error {
	for _, swap := range step.Swap {
		if entryOverhead+len(step.Group)+len(swap.Key)+len(swap.Next) > m.config.MaxBytes {
			return ErrTooLarge
		}
	}
	return step.Check()
}

func (m *Memory) do(steps []Step) (outcomes []Outcome, trouble *observe.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.config.Now()
	m.dropExpired(now)
	outcomes = make([]Outcome, len(steps))
	for i, step := range steps {
		outcome := &outcomes[i]
		for _, key := range step.Get {
			outcome.Values = append(outcome.Values, bytes.Clone(m.value(entryKey{step.Group, key})))
		}
		if outcome.Swapped = m.allAsExpected(step); !outcome.Swapped {
			continue
		}
		for _, swap := range step.Swap {
			if dropped := m.set(entryKey{step.Group, swap.Key}, swap, now); dropped != nil {
				trouble = dropped
			}
		}
	}
	return outcomes, trouble
}

// value returns the value of an entry; nil for one that is absent.
func (m *Memory) value(key entryKey) []byte {
	if e, ok := m.entries[key]; ok {
		return e.value
	}
	return nil
}

func (m *Memory) allAsExpected(step Step) bool {
	for _, swap := range step.Swap {
		if value := m.value(entryKey{step.Group, swap.Key}); (value == nil) != (swap.Previous == nil) || !bytes.Equal(value, swap.Previous) {
			return false
		}
	}
	return true
}

// set gives an entry its next value. It returns an event where others were dropped for it, and
// somebody should know.
func (m *Memory) set(key entryKey, swap Swap, now time.Time) (trouble *observe.Event) {
	if e, exists := m.entries[key]; exists {
		m.remove(e)
	}
	if swap.Next == nil {
		return nil
	}
	return m.add(&entry{key: key, value: bytes.Clone(swap.Next), expires: now.Add(swap.TTL)}, now)
}

// add adds an entry. It returns an event where others were dropped for it, and somebody should
// know.
func (m *Memory) add(e *entry, now time.Time) (trouble *observe.Event) {
	for len(m.entries) >= m.config.MaxEntries || m.bytes+e.size() > m.config.MaxBytes {
		m.remove(m.byExpiry[0])
		m.dropped++
	}
	if m.dropped > 0 && (m.warned.IsZero() || now.Sub(m.warned) >= warnEvery) {
		trouble = &observe.Event{
			Kind: observe.StoreTrouble, Level: slog.LevelWarn, Reason: oauth.ReasonStoreFull,
			Message: "the in-memory store is full: entries were dropped before they expired, so that revoked or used tokens may be " +
				"accepted again",
			Hint:    "raise its limits or use a shared store",
			Details: []slog.Attr{slog.Int("dropped", m.dropped), slog.Int("entries", len(m.entries)), slog.Int("bytes", m.bytes)},
		}
		m.warned, m.dropped = now, 0
	}
	m.entries[e.key] = e
	m.bytes += e.size()
	heap.Push(&m.byExpiry, e)
	return trouble
}

func (m *Memory) remove(e *entry) {
	heap.Remove(&m.byExpiry, e.index)
	delete(m.entries, e.key)
	m.bytes -= e.size()
}

func (m *Memory) dropExpired(now time.Time) {
	for len(m.byExpiry) > 0 && !now.Before(m.byExpiry[0].expires) {
		m.remove(m.byExpiry[0])
	}
}

// expiryHeap is a container/heap with the next entry to expire on top.
type expiryHeap []*entry

// Len implements sort.Interface.
func (h *expiryHeap) Len() int { return len(*h) }

// Less implements sort.Interface.
func (h *expiryHeap) Less(i, j int) bool { return (*h)[i].expires.Before((*h)[j].expires) }

// Swap implements sort.Interface.
func (h *expiryHeap) Swap(i, j int) {
	entries := *h
	entries[i], entries[j] = entries[j], entries[i]
	entries[i].index, entries[j].index = i, j
}

// Push implements heap.Interface.
func (h *expiryHeap) Push(x any) {
	e, _ := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
