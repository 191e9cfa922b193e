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
