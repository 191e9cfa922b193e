// Package recent keeps what was used of late.
package recent

import "github.com/hashicorp/golang-lru/v2/simplelru"

// Table is a map of bounded size: the entry that was not used for longest makes room. It is not
// safe for concurrent use.
type Table[K comparable, V any] struct{ lru *simplelru.LRU[K, V] }

// New returns an empty table for at most limit entries; a limit below one is one. dropped, if it is
// not nil, is told each entry that leaves the table.
func New[K comparable, V any](limit int, dropped func(K, V)) *Table[K, V] {
	lru, _ := simplelru.NewLRU(max(limit, 1), dropped) // a limit below one is its only error
	return &Table[K, V]{lru}
}

// Get returns the value of a key, which becomes the one used last.
func (t *Table[K, V]) Get(key K) (V, bool) { return t.lru.Get(key) }

// Peek returns the value of a key, which is not used by that.
func (t *Table[K, V]) Peek(key K) (V, bool) { return t.lru.Peek(key) }

// Put sets the value of a key, which becomes the one used last. A value that was there leaves the
// table.
func (t *Table[K, V]) Put(key K, value V) {
	t.lru.Remove(key)
	t.lru.Add(key, value)
}

// Drop takes a key out, if it is there.
func (t *Table[K, V]) Drop(key K) { t.lru.Remove(key) }

// DropOldest takes out the key that was not used for longest.
func (t *Table[K, V]) DropOldest() { t.lru.RemoveOldest() }

// Len is the number of entries.
func (t *Table[K, V]) Len() int { return t.lru.Len() }
