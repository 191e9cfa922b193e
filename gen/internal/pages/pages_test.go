package pages

import "testing"

func TestMarkdownMeansNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":            "plain",
		"<script>&":        "&lt;script&gt;&amp;",
		"[a](b) *c* `d` ~": `\[a\](b) \*c\* \` + "`d\\`" + ` \~`,
		"a|b":              `a\|b`,
		"snake_case _it_":  `snake_case \_it\_`,
		"# heading":        `\# heading`,
		"- entry":          `\- entry`,
		"a - b # c":        "a - b # c",
		"a\n\n# b":         "a # b",
		`back\slash`:       `back\\slash`,
	} {
		if got := markdown(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestCodeIsClosedByNothingInIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain": "`plain`", "a`b": "``a`b``", "`": "`` ` ``", "a|b": "`a\\|b`", "a\nb": "`a b`", "": "",
	} {
		if got := code(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestShellQuoted(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"https://a.example.com:8443/x_y": "https://a.example.com:8443/x_y",
		"two words":                      "'two words'",
		"$(id)":                          "'$(id)'",
		"it's":                           `'it'\''s'`,
		"a\nB=c":                         "'a B=c'",
		"":                               "",
	} {
		if got := shellQuoted(value); got != want {
			t.Errorf("%q becomes %q, want %q", value, got, want)
		}
	}
}
