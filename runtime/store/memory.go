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
	locks  locks

	mu       sync.Mutex
	entries  map[string]*entry
	byExpiry expiryHeap
	bytes    int
	warned   time.Time
	dropped  int
}

var _ Store = (*Memory)(nil)

// entry is one key with its value.
type entry struct {
	key     string
	value   []byte
	expires time.Time
	index   int // in the heap
}

func (e *entry) size() int { return entryOverhead + len(e.key) + len(e.value) }

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
	m := &Memory{config: config, events: events.Or(config.Observer), entries: map[string]*entry{}}
	m.locks.held = map[string]*heldLock{}
	m.locks.now = config.Now
	return m
}

// Get implements [Store].
func (m *Memory) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok || !m.config.Now().Before(e.expires) {
		return nil, false, nil
	}
	return bytes.Clone(e.value), true, nil
}

// CompareAndSwap implements [Store].
func (m *Memory) CompareAndSwap(ctx context.Context, key string, previous, next []byte, ttl time.Duration) (bool, error) {
	if err := m.checkSwap(ctx, key, previous, next, ttl); err != nil {
		return false, err
	}
	swapped, trouble := m.swap(key, previous, next, ttl)
	if trouble != nil {
		m.events.Observe(ctx, *trouble)
	}
	return swapped, nil
}

func (m *Memory) swap(key string, previous, next []byte, ttl time.Duration) (swapped bool, trouble *observe.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.config.Now()
	m.dropExpired(now)
	e, exists := m.entries[key]
	if exists != (previous != nil) || exists && !bytes.Equal(e.value, previous) {
		return false, nil
	}
	if exists {
		m.remove(e)
	}
	if next != nil {
		trouble = m.add(&entry{key: key, value: bytes.Clone(next), expires: now.Add(ttl)}, now)
	}
	return true, trouble
}

func (m *Memory) checkSwap(ctx context.Context, key string, previous, next []byte, ttl time.Duration) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case previous != nil && len(previous) == 0 || next != nil && len(next) == 0:
		return ErrEmptyValue
	case next != nil && ttl <= 0:
		return ErrNoTTL
	case entryOverhead+len(key)+len(next) > m.config.MaxBytes:
		return ErrTooLarge
	}
	return nil
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
