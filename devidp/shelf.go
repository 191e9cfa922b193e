package devidp

import (
	"time"

	"github.com/latchkey-auth/latchkey/internal/recent"
)

// shelf keeps values until they expire, at most limit of them: when it is full, the one that was
// put there or kept longest ago makes room. It is not safe for concurrent use; [state] locks it.
type shelf[V any] struct {
	items *recent.Table[string, shelved[V]]
}

type shelved[V any] struct {
	value   V
	expires time.Time
}

func newShelf[V any](limit int) *shelf[V] {
	return &shelf[V]{recent.New[string, shelved[V]](limit, nil)}
}

func (s *shelf[V]) put(key string, value V, expires time.Time) {
	s.items.Put(key, shelved[V]{value, expires})
}

// get returns the value unless it expired.
func (s *shelf[V]) get(key string, now time.Time) (V, bool) {
	item, ok := s.items.Peek(key)
	if ok && !now.Before(item.expires) {
		s.remove(key)
		item, ok = shelved[V]{}, false
	}
	return item.value, ok
}

// keep makes a value the youngest one.
func (s *shelf[V]) keep(key string) { s.items.Get(key) }

func (s *shelf[V]) remove(key string) { s.items.Drop(key) }
