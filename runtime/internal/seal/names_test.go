package seal

import (
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

// covers: T-STO-01
func TestNamesDifferByKeyServerAndParts(t *testing.T) {
	t.Parallel()
	ring := newRing(t, Config{Keys: []oauth.Secret{testKey(1), testKey(2)}})
	names, other := ring.Names(exampleBinding), ring.Names(Binding{Resource: "https://other.example.com/mcp"})
	all := []string{
		names.Name(0, "family", "1"), names.Name(1, "family", "1"), other.Name(0, "family", "1"),
		names.Name(0, "family", "2"), names.Name(0, "famil", "y1"), names.Name(0, "family1"), names.Name(0, "family", "1", ""),
	}
	for _, name := range all {
		if len(name) != 22 || strings.Contains(name, "family") {
			t.Errorf("the name %q", name)
		}
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 7 {
		t.Errorf("%d names of 7 things", n)
	}
}

func TestANameStaysWhereItsKeyStays(t *testing.T) {
	t.Parallel()
	before := newRing(t, Config{Keys: []oauth.Secret{testKey(1)}}).Names(exampleBinding)
	after := newRing(t, Config{Keys: []oauth.Secret{testKey(3), testKey(2), testKey(1)}}).Names(exampleBinding)
	if before.Name(0, "family") != after.Name(2, "family") {
		t.Error("the same key gives another name")
	}
	if got := slices.Collect(after.Keys()); !slices.Equal(got, []Key{0, 1, 2}) {
		t.Errorf("keys %v", got)
	}
}

func TestOpenSaysWhichKeySealed(t *testing.T) {
	t.Parallel()
	old := newRing(t, Config{Keys: []oauth.Secret{testKey(1)}}).Box("code", exampleBinding)
	box := newRing(t, Config{Keys: []oauth.Secret{testKey(3), testKey(1)}}).Box("code", exampleBinding)
	for sealed, want := range map[string]Key{box.Seal([]byte("p"), later): 0, old.Seal([]byte("p"), later): 1} {
		if _, key, _, err := box.OpenUnder(sealed, now); err != nil || key != want {
			t.Errorf("key %d, %v, want %d", key, err, want)
		}
	}
}
