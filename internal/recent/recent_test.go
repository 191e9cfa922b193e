package recent_test

import (
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/recent"
)

func TestWhatWasNotUsedForLongestMakesRoom(t *testing.T) {
	t.Parallel()
	var dropped []string
	table := recent.New(2, func(key string, _ int) { dropped = append(dropped, key) })
	table.Put("a", 1)
	table.Put("b", 2)
	table.Get("a")
	table.Peek("b") // no use
	table.Put("c", 3)
	if _, ok := table.Get("b"); ok || table.Len() != 2 {
		t.Errorf("b is still there, of %d entries", table.Len())
	}
	table.Put("a", 4) // the old value leaves
	if v, ok := table.Peek("a"); v != 4 || !ok {
		t.Errorf("a is %d", v)
	}
	table.DropOldest()
	table.Drop("a")
	table.Drop("never there")
	if want := []string{"b", "a", "c", "a"}; !slices.Equal(dropped, want) || table.Len() != 0 {
		t.Errorf("dropped %q, want %q; %d left", dropped, want, table.Len())
	}
}

func TestATableHasRoomForOne(t *testing.T) {
	t.Parallel()
	table := recent.New[string, int](-1, nil)
	table.Put("a", 1)
	if v, ok := table.Get("a"); v != 1 || !ok {
		t.Error("a is not there")
	}
}
