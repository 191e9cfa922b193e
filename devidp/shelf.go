package devidp

import (
	"container/list"
	"time"
)

// shelf keeps values until they expire, at most limit of them: when it is full, the one put there longest ago makes room.
// It is not safe for concurrent use; [state] locks it.
type shelf[V any] struct {
	limit int
	items map[string]*list.Element
	order *list.List // oldest first
}

type shelved[V any] struct {
	key     string
	value   V
	expires time.Time
}

func newShelf[V any](limit int) *shelf[V] {
	return &shelf[V]{limit: limit, items: make(map[string]*list.Element), order: list.New()}
}

func (s *shelf[V]) put(key string, value V, expires time.Time) {
	s.remove(key)
	for len(s.items) >= s.limit {
		s.drop(s.order.Front())
	}
	s.items[key] = s.order.PushBack(shelved[V]{key, value, expires})
}

// get returns the value unless it expired.
func (s *shelf[V]) get(key string, now time.Time) (V, bool) {
	var none V
	element, ok := s.items[key]
	if !ok {
		return none, false
	}
	item, ok := element.Value.(shelved[V])
	if !ok || !now.Before(item.expires) {
		s.drop(element)
		return none, false
	}
	return item.value, true
}

// keep makes a value the youngest one.
func (s *shelf[V]) keep(key string) {
	if element, ok := s.items[key]; ok {
		s.order.MoveToBack(element)
	}
}

func (s *shelf[V]) remove(key string) {
	if element, ok := s.items[key]; ok {
		s.drop(element)
	}
}

func (s *shelf[V]) drop(element *list.Element) {
	if item, ok := s.order.Remove(element).(shelved[V]); ok {
		delete(s.items, item.key)
	}
}
