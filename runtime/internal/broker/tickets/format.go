package tickets

import (
	"time"

	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
)

// format is one kind of sealed value.
type format[T any] struct {
	// purpose is what the value is sealed for: it opens as nothing else.
	purpose string
	// version is the version that is written, least the first one that may read it: see the
	// package's promise.
	version, least uint64
	// bound, where there is one, reports whether a value has a field that earlier versions must not
	// ignore: only such values are for this version alone.
	bound func(value T) bool
	// write appends the fields, and read returns them; a reader of a former version ends earlier.
	write func(w writer, value T) []byte
	read  func(r reader) (T, error)
}

// Box seals and opens the values of one format for one server. It is safe for concurrent use.
type Box[T any] struct {
	format format[T]
	box    *seal.Box
	now    func() time.Time
}

func newBox[T any](f format[T], ring *seal.Ring, binding seal.Binding, now func() time.Time) *Box[T] {
	return &Box[T]{format: f, box: ring.Box(f.purpose, binding), now: now}
}

// Seal returns the sealed value as text that goes into URLs, cookies and headers as it is. It
// expires at the given time; the zero time never does.
func (b *Box[T]) Seal(value T, expires time.Time) string {
	return b.box.Seal(b.format.record(value), expires)
}

// SealBytes is [Box.Seal] for an entry of a store, which takes any bytes. The value opens under the
// entry's key alone.
func (b *Box[T]) SealBytes(key string, value T, expires time.Time) []byte {
	return b.box.SealBytes(key, b.format.record(value), expires)
}

// Open returns what [Box.Seal] sealed, and when it expires. The errors for what was never sealed
// so, or is expired, are those of package seal.
func (b *Box[T]) Open(sealed string) (value T, expires time.Time, err error) {
	value, _, expires, err = b.OpenUnder(sealed)
	return value, expires, err
}

// OpenUnder is [Box.Open] that also returns which key sealed the value: what a store keeps of it is
// named under that key.
func (b *Box[T]) OpenUnder(sealed string) (value T, key seal.Key, expires time.Time, err error) {
	payload, key, expires, err := b.box.OpenUnder(sealed, b.now())
	if err != nil {
		return value, key, expires, err
	}
	value, err = b.format.parse(payload)
	return value, key, expires, err
}

// OpenBytes returns what [Box.SealBytes] sealed.
func (b *Box[T]) OpenBytes(key string, sealed []byte) (value T, err error) {
	payload, _, err := b.box.OpenBytes(key, sealed, b.now())
	if err != nil {
		return value, err
	}
	return b.format.parse(payload)
}

func (f *format[T]) record(value T) []byte {
	var w writer
	least := f.least
	if f.bound != nil && f.bound(value) {
		least = f.version
	}
	w.number(f.version)
	w.number(least)
	return f.write(w, value)
}

func (f *format[T]) parse(record []byte) (T, error) {
	r := reader{rest: string(record)}
	version, least := r.number(), r.number()
	if r.broken || least == 0 || least > f.version || least > version {
		var none T
		return none, errShape
	}
	r.version, r.newer = version, version > f.version
	return f.read(r)
}
