package runtime

import (
	"strings"
	"testing"
)

// isToken68 works on several characters at a time: every byte at every place is looked at.
// covers: T-TOK-15
func TestEveryCharacterOfATokenIsLookedAt(t *testing.T) {
	t.Parallel()
	for length := range 20 {
		good := strings.Repeat("a", length)
		if isToken68(good) != (length > 0) || isToken68(good+"==") != (length > 0) {
			t.Errorf("%q", good)
		}
		for place := range length {
			for c := range 256 {
				s := good[:place] + string([]byte{byte(c)}) + good[place+1:]
				letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
				padding := c == '=' && place == length-1 && length > 1
				if want := letter || padding || strings.ContainsRune("-._~+/", rune(c)) && c < 128; isToken68(s) != want {
					t.Errorf("%q: want %t", s, want)
				}
			}
		}
	}
}
