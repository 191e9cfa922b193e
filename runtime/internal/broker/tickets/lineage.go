package tickets

// MaxAncestors is how many of those before it a refresh token names: more than there are replicas
// that take turns.
const MaxAncestors = 16

// Ancestor stands for the identifier of a refresh token.
type Ancestor [8]byte

// Lineage is the place of a refresh token among those of its login, each made of the one before.
type Lineage struct {
	ID ID
	// Turn is how many were before it.
	Turn uint64
	// Ancestors are those before it, the latest first, at most [MaxAncestors].
	Ancestors []Ancestor
}

func (w *writer) lineage(l Lineage) {
	w.id(l.ID)
	w.number(l.Turn)
	w.number(uint64(len(l.Ancestors)))
	for _, a := range l.Ancestors {
		w.b = append(w.b, a[:]...)
	}
}

func (r *reader) lineage() Lineage {
	l := Lineage{ID: r.id(), Turn: r.number()}
	n := r.number()
	if n > MaxAncestors {
		r.broken = true
		return l
	}
	for range n {
		var a Ancestor
		copy(a[:], r.take(uint64(len(a))))
		l.Ancestors = append(l.Ancestors, a)
	}
	return l
}

// currentFormat is what a store keeps of the current refresh token of a login: its place, without
// its ancestors.
func currentFormat() format[Lineage] {
	return format[Lineage]{
		purpose: "current", version: 1, least: 1,
		write: func(w writer, l Lineage) []byte {
			w.id(l.ID)
			w.number(l.Turn)
			return w.b
		},
		read: func(r reader) (Lineage, error) {
			l := Lineage{ID: r.id(), Turn: r.number()}
			return l, r.end()
		},
	}
}
