package visible_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/internal/visible"
)

func TestHidden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text     string
		names, inProse bool
	}{
		{"plain text", "plain text", false, false},
		{"letters of other scripts", "żółć \u65e5\u672c \ud55c\uad6d", false, false},
		{"a no-break space (French)", "Attention\u00a0: 10\u202f%", true, false},
		{"an ideographic space (Japanese)", "\u65e5\u672c\u3000\u8a9e", true, false},
		{"a non-joiner (Persian)", "می\u200cخواهم", true, false},
		{"a joiner (Sinhala)", "ශ්\u200dරී", true, false},
		{"joined emoji", "👩\u200d👩\u200d👧 👩🏽\u200d🚀 ❤\ufe0f\u200d🔥 1\ufe0f\u20e3", true, false},
		{"a variant of a Han letter", "\u845b\U000e0100", true, false},
		{"a joiner between plain letters", "pass\u200dword", true, true},
		{"a non-joiner between plain letters", "pass\u200cword", true, true},
		{"a row of joiners", "می\u200c\u200c\u200dخ", true, true},
		{"a row of selectors", "😀\ufe01\ufe02\ufe03", true, true},
		{"a selector behind a space", "a \ufe0f", true, true},
		{"an override of direction", "a\u202eb", true, true},
		{"an isolate of direction", "a\u2066b", true, true},
		{"a mark of direction", "ی\u200fb", true, true},
		{"an Arabic mark of direction", "ی\u061cb", true, true},
		{"a space without width", "a\u200bb", true, true},
		{"a word joiner", "a\u2060b", true, true},
		{"a byte order mark", "a\ufeffb", true, true},
		{"a soft hyphen", "a\u00adb", true, true},
		{"tags", "🏴\U000e0067", true, true},
		{"a Hangul filler", "a\u3164b", true, true},
		{"a half-width Hangul filler", "a\uffa0b", true, true},
		{"a joiner of graphemes", "a\u034fb", true, true},
		{"Braille without dots", "a\u2800b", true, true},
		{"an object that is not there", "a\ufffcb", true, true},
		{"hieroglyphs without a picture", "a\U00013441\U00013442b", true, true},
		{"a Khitan filler", "a\U00016fe4b", true, true},
		{"a note without a head", "a\U0001d159b", true, true},
		{"a line separator", "a\u2028b", true, true},
		{"a control character", "a\x07b", true, true},
		{"a line's end", "a\nb", true, true},
	} {
		t.Run("D16: "+c.name, func(t *testing.T) {
			t.Parallel()
			if r, hidden := visible.Hidden(c.text); hidden != c.names {
				t.Errorf("in a name: %U, %v, want %v", r, hidden, c.names)
			}
			if r, hidden := visible.HiddenInProse(c.text); hidden != c.inProse {
				t.Errorf("in prose: %U, %v, want %v", r, hidden, c.inProse)
			}
			shown := visible.InProse(c.text)
			if r, hidden := visible.HiddenInProse(shown); hidden || !c.inProse && shown != c.text {
				t.Errorf("%q becomes %q, with %U", c.text, shown, r)
			}
		})
	}
}
