package tickets

import (
	"reflect"
	"testing"
	"time"
)

func TestRecordsReturnWhatWasWritten(t *testing.T) {
	t.Parallel()
	id, now := NewID(), time.Unix(1_800_000_000, 0)
	var w writer
	w.id(id)
	w.text("")
	w.text("text")
	w.texts(nil)
	w.texts([]string{"a", "", "c"})
	for _, n := range []uint64{0, 127, 128, 1 << 40, 1<<64 - 1} {
		w.number(n)
	}
	w.flag(true)
	w.flag(false)
	w.time(now)
	w.time(time.Time{})
	w.time(time.Unix(-1, 0))
	r := reader{rest: string(w.b)}
	got := []any{
		r.id(), r.text(), r.text(), r.texts(), r.texts(), r.number(), r.number(), r.number(), r.number(), r.number(), r.flag(), r.flag(),
		r.time(), r.time(), r.time(),
	}
	want := []any{
		id, "", "text", []string(nil), []string{"a", "", "c"}, uint64(0), uint64(127), uint64(128), uint64(1 << 40), uint64(1<<64 - 1),
		true, false, now, time.Time{}, time.Unix(1, 0),
	}
	if !reflect.DeepEqual(got, want) || r.end() != nil {
		t.Errorf("got %v\nwant %v\n%v", got, want, r.end())
	}
	for i := range w.b {
		r := reader{rest: string(w.b[:i])}
		r.id()
		r.text()
		r.text()
		r.texts()
		r.texts()
		for range 10 {
			r.number()
		}
		if r.end() == nil {
			t.Errorf("cut to %d bytes it is still whole", i)
		}
	}
	if (&reader{rest: "x"}).end() == nil {
		t.Error("a rest is not noticed")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("\x02ab\x01\x01c\x05")
	f.Add("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	f.Add("")
	f.Fuzz(func(t *testing.T, record string) {
		r := reader{rest: record}
		text, list, at, id, flag := r.text(), r.texts(), r.time(), r.id(), r.flag()
		if r.end() != nil {
			return
		}
		var w writer
		w.text(text)
		w.texts(list)
		w.time(at)
		w.id(id)
		w.flag(flag)
		again := reader{rest: string(w.b)}
		if again.text() != text || !reflect.DeepEqual(again.texts(), list) || !again.time().Equal(at) || again.id() != id {
			t.Fatalf("%q reads differently when written again", record)
		}
	})
}
