package prose_test

import (
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/prose"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"fills lines", "one two three four", []string{"one two", "three four"}},
		{"joins the lines and spaces of the text", "one\n\n two", []string{"one two"}},
		{"leaves a long word whole", "a incomprehensible b", []string{"a", "incomprehensible", "b"}},
		{"begins no line with what would be a list", "one two a - three", []string{"one two a -", "three"}},
		{"begins no line with what would be a heading", "one two a # three", []string{"one two a #", "three"}},
		{"begins no line with what would be the number of a list", "one two 33. three", []string{"one two 33.", "three"}},
		{"begins no line with what would be a build constraint", "one two +build x", []string{"one two +build", "x"}},
		{"begins a line with a number", "one two 9188-b three", []string{"one two", "9188-b", "three"}},
		{"makes no line of nothing", " \n", nil},
		{"makes no line of spaces of any script", "a \u00a0 \u3000 b", []string{"a b"}},
		{"D16: breaks no line at a no-break space", "one two 10\u00a0% x", []string{"one two", "10\u00a0% x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := prose.Wrap(c.text, 10); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestHarmless(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain é": "plain é", "می\u200cخواهم\u3000日本": "می\u200cخواهم\u3000日本", "a\nb": "a b", "a\u2028b": "a b", "a\u202eb": "a b", "a\x00b": "a b", "a\ufeffb": "a b", "a\xffb": "a b", //nolint:gosmopolitan // prose in any script
	} {
		if got := prose.Harmless(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"a": "a.", "a.": "a.", "a!": "a!", "日本。": "日本。", " a\n": "a.", "": ""} { //nolint:gosmopolitan // prose in any script
		if got := prose.Sentence(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
