// Package visible knows which characters of a text do not show what they are. A reviewer must see
// what goes into code, documents and messages.
package visible

import "unicode"

// Hidden returns the first character of a name, a URL or a code that does not show what it is:
// what is not printed, what is printed as nothing, and every space but the ordinary one. The second
// result is false where there is none.
func Hidden(text string) (rune, bool) {
	for _, r := range text {
		if r != ' ' && (!unicode.IsPrint(r) || blank(r) || unicode.Is(unicode.Variation_Selector, r)) {
			return r, true
		}
	}
	return 0, false
}

// HiddenInProse is [Hidden] for text that people read, which has more in it: the spaces of
// typography and of Chinese and Japanese, the joiner and non-joiner of Persian, of Indian scripts
// and of emoji, and the selectors of variants. The latter stand behind what they join or select,
// alone, so that no message hides in a row of them. A character that changes the direction of text
// stays hidden.
func HiddenInProse(text string) (rune, bool) {
	before := ' '
	for _, r := range text {
		if hiddenAfter(before, r) {
			return r, true
		}
		before = r
	}
	return 0, false
}

// InProse replaces what [HiddenInProse] finds by spaces.
func InProse(text string) string {
	before := ' '
	shown := make([]rune, 0, len(text))
	for _, r := range text {
		if hiddenAfter(before, r) {
			r = ' '
		}
		shown = append(shown, r)
		before = r
	}
	return string(shown)
}

const (
	nonJoiner = '\u200c'
	joiner    = '\u200d'
)

func hiddenAfter(before, r rune) bool {
	switch {
	case unicode.Is(unicode.Zs, r):
		return false
	case r == joiner || r == nonJoiner: // which nothing in ASCII joins
		return before <= unicode.MaxASCII || joins(before) || unicode.IsSpace(before)
	case unicode.Is(unicode.Variation_Selector, r):
		return unicode.IsSpace(before) || joins(before) || unicode.Is(unicode.Variation_Selector, before)
	default:
		return !unicode.IsPrint(r) || blank(r)
	}
}

func joins(r rune) bool { return r == joiner || r == nonJoiner }

// blank reports whether a character counts as printed, and shows nothing: fillers, the pattern of
// Braille without dots, and signs whose picture is empty.
func blank(r rune) bool {
	switch r {
	case '\u2800', // Braille pattern blank
		'\ufffc',     // object replacement character
		'\U00013441', // Egyptian hieroglyph full blank
		'\U00013442', // Egyptian hieroglyph half blank
		'\U00016fe4', // Khitan small script filler
		'\U0001d159': // musical symbol null notehead
		return true
	}
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
