package clients

import (
	"strings"
	"testing"
)

// covers: T-PRX-07
func TestAClientNameIsMadeHarmless(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Plain":                         "Plain",
		"  two\n\tlines  ":              "two lines",
		"right-to-left \u202egpj.exe":   "right-to-left gpj.exe",
		"zero\u200bwidth\ufeff":         "zerowidth",
		"nul\x00 and bell\a":            "nul and bell",
		"\u2028line separator\u2029":    "line separator",
		strings.Repeat("ä", 100):        strings.Repeat("ä", 79) + "…",
		"<script>alert(1)</script>":     "<script>alert(1)</script>", // the page escapes
		"private use \ue000 and \ufffd": "private use and",
	} {
		if got := cleanName(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}

func TestAClientNameShowsWhatItIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, given, want string }{
		{"Hangul fillers", "Cur\u3164\u115f\u1160\uffa0sor", "Cursor"},
		{"Braille without dots", "\u2800Cursor\u2800", "Cursor"},
		{"a joiner of graphemes", "Cur\u034fsor", "Cursor"},
		{"Khmer vowels that show nothing", "a\u17b4\u17b5b", "ab"},
		{"Mongolian separators", "a\u180b\u180c\u180d\u180e\u180fb", "ab"},
		{"selectors of variants", "a\ufe0f\U000e0100b", "ab"},
		{"tags", "a\U000e0061\U000e007fb", "ab"},
		{"reserved characters that show nothing", "a\u2065\ufff0\U000e0fffb", "ab"},
		{"signs without a picture", "a\U0001d159\U00013441\ufffcb", "ab"},
		{"fillers alone", "\u3164\u2800\u200b\u00ad\u2060", ""},
		{"spaces alone", " \u00a0\u2003\u3000", ""},
		{"marks alone", "\u0301\u0302 \u0303", ""},
		{"marks without a character under them", "\u0301a \u0302b", "a b"},
		{"a stack of marks", "Z" + strings.Repeat("\u0301", 70) + "algo", "Z\u0301\u0301\u0301\u0301algo"},
		{"a stack of marks with fillers between", "Z" + strings.Repeat("\u0301\u034f\u200d", 40), "Z\u0301\u0301\u0301\u0301"},
		{"enclosing marks", "o" + strings.Repeat("\u20dd\u0489", 10), "o\u20dd\u0489\u20dd\u0489"},
		{"Vietnamese in parts", "Tiê\u0302\u0301ng Viê\u0323t", "Tiê\u0302\u0301ng Viê\u0323t"},
		{"Hebrew with points", "שׁ\u05bc\u05b8לוֹם", "שׁ\u05bc\u05b8לוֹם"},
		{"Hindi", "हिन्दी", "हिन्दी"},
		{"signs", "...", "..."},
	} {
		t.Run("A11: "+c.name, func(t *testing.T) {
			t.Parallel()
			if got := cleanName(c.given); got != c.want {
				t.Errorf("%+q became %+q, want %+q", c.given, got, c.want)
			}
		})
	}
}
