package tickets

import (
	"encoding/binary"
	"errors"
	"time"
)

// Sealed payloads are records: fields in a fixed order, each text behind its length, each number a
// varint. That is a third of the size of JSON, which counts in URLs and cookies, and is read
// without allocating.

// writer builds a record.
type writer struct{ b []byte }

func (w *writer) text(s string) {
	w.number(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) texts(list []string) {
	w.number(uint64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

func (w *writer) id(id ID) { w.b = append(w.b, id[:]...) }

func (w *writer) block(b [32]byte) { w.b = append(w.b, b[:]...) }

func (w *writer) number(n uint64) { w.b = binary.AppendUvarint(w.b, n) }

func (w *writer) flag(on bool) {
	if on {
		w.number(1)
	} else {
		w.number(0)
	}
}

// time writes a time in seconds; the zero time is 0.
func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.number(0)
		return
	}
	w.number(uint64(max(1, t.Unix())))
}

// reader reads a record. Reading beyond its end gives zero values; [reader.end] tells.
type reader struct {
	rest   string
	broken bool
	// version is the one that wrote the record.
	version uint64
	// newer says that a later version wrote the record: it may have further fields at its end.
	newer bool
}

var errShape = errors.New("the record inside has another shape: sealed by another version")

func (r *reader) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.broken, r.rest = true, ""
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) text() string { return r.take(r.number()) }

func (r *reader) texts() []string {
	n := r.number()
	if n > uint64(len(r.rest)) { // each has a length of a byte at least
		r.broken = true
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
	}
	return list
}

func (r *reader) id() (id ID) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}

func (r *reader) block() (b [32]byte) {
	copy(b[:], r.take(uint64(len(b))))
	return b
}

func (r *reader) number() uint64 {
	var n uint64
	for i := range len(r.rest) {
		c := r.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return n
		}
	}
	r.broken, r.rest = true, ""
	return 0
}

func (r *reader) flag() bool { return r.number() == 1 }

// maxTime is beyond any time that makes sense.
const maxTime = 1 << 40

func (r *reader) time() time.Time {
	n := r.number()
	if n > maxTime {
		r.broken = true
	}
	if n == 0 || r.broken {
		return time.Time{}
	}
	return time.Unix(int64(min(n, maxTime)), 0)
}

// end returns an error unless exactly the whole record was read, or what a later version added is
// left.
func (r *reader) end() error {
	if r.broken || r.rest != "" && !r.newer {
		return errShape
	}
	return nil
}
