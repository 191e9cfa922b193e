package clients

import "container/list"

// recent is a table of bounded size that forgets what was not used for longest. Its user locks it.
type recent[K comparable, V any] struct {
	limit int
	order *list.List // of pair, the last used in front
	items map[K]*list.Element
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](limit int) *recent[K, V] {
	return &recent[K, V]{limit: limit, order: list.New(), items: map[K]*list.Element{}}
}

func (t *recent[K, V]) get(key K) (value V, ok bool) {
	element, ok := t.items[key]
	if !ok {
		return value, false
	}
	t.order.MoveToFront(element)
	found, _ := element.Value.(pair[K, V])
	return found.value, true
}

func (t *recent[K, V]) put(key K, value V) {
	t.drop(key)
	t.items[key] = t.order.PushFront(pair[K, V]{key, value})
	if len(t.items) > t.limit {
		oldest, _ := t.order.Back().Value.(pair[K, V])
		t.drop(oldest.key)
	}
}

func (t *recent[K, V]) drop(key K) {
	if element, ok := t.items[key]; ok {
		t.order.Remove(element)
		delete(t.items, key)
	}
}
