package broker

import (
	"slices"
)

// maxAncestors is how many of those before it a refresh token names: more than there are replicas that take turns.
const maxAncestors = 16

// ancestor stands for the identifier of a refresh token.
type ancestor [8]byte

func (id identifier) ancestor() ancestor { return ancestor(id[:8]) }

// lineage is the place of a refresh token among those of its login, each made of the one before. Replicas without a
// shared store see some of them only: by its ancestors one can tell a token that another replica made of what this one
// knows from a token that somebody made of an older one.
type lineage struct {
	id identifier
	// turn is how many were before it.
	turn uint64
	// ancestors are those before it, the latest first, at most maxAncestors.
	ancestors []ancestor
}

func newLineage() lineage { return lineage{id: newIdentifier()} }

// next is the place of the token that a refresh of this one gives.
func (l lineage) next() lineage {
	ancestors := slices.Concat([]ancestor{l.id.ancestor()}, l.ancestors)
	return lineage{id: newIdentifier(), turn: l.turn + 1, ancestors: ancestors[:min(len(ancestors), maxAncestors)]}
}

// continues reports whether a token is the known one, or was made of it. What is further away than ancestors are named gets
// the benefit of the doubt: only tokens older than what is known are certainly replays.
func (l lineage) continues(known lineage) bool {
	switch {
	case known.turn > l.turn:
		return false
	case known.turn == l.turn:
		return known.id == l.id
	case l.turn-known.turn <= uint64(len(l.ancestors)):
		return l.ancestors[l.turn-known.turn-1] == known.id.ancestor()
	}
	return true
}

func (w *recordWriter) lineage(l lineage) {
	w.id(l.id)
	w.number(l.turn)
	w.number(uint64(len(l.ancestors)))
	for _, a := range l.ancestors {
		w.b = append(w.b, a[:]...)
	}
}

func (r *recordReader) lineage() lineage {
	l := lineage{id: r.id(), turn: r.number()}
	n := r.number()
	if n > maxAncestors {
		r.broken = true
		return l
	}
	for range n {
		var a ancestor
		copy(a[:], r.take(uint64(len(a))))
		l.ancestors = append(l.ancestors, a)
	}
	return l
}

// record is what a store keeps of the current token of a login.
func (l lineage) record() []byte {
	var w recordWriter
	w.lineage(lineage{id: l.id, turn: l.turn})
	return w.b
}

// continuesRecord reports whether a token continues what a store keeps. What cannot be read is continued by nothing.
func (l lineage) continuesRecord(record []byte) bool {
	r := recordReader{rest: string(record)}
	known := r.lineage()
	return r.end() == nil && l.continues(known)
}
