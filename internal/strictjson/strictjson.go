// Package strictjson reads a JSON object the way security needs it: one pass that checks the whole
// text and yields the members as slices of it. It accepts less than encoding/json: see
// [ParseObject].
//
// It exists because decoding a token's claims with encoding/json costs a third of an RSA signature
// check and folds the case of member names; a differential fuzz test holds it to encoding/json's
// grammar.
package strictjson

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of what ParseObject accepts.
const (
	// MaxDepth is how deep objects and arrays may nest.
	MaxDepth = 32
	// MaxMembers is how many members one object may have.
	MaxMembers = 512
)

// The ways in which a text can be refused.
var (
	ErrSyntax    = errors.New("not a valid JSON object")
	ErrDuplicate = errors.New("JSON object with a duplicate member")
	ErrLimit     = errors.New("JSON object beyond the nesting or member limit")
	ErrUnicode   = errors.New("JSON string with invalid UTF-8, a lone surrogate or NUL")
)

// Member is one member of an object. Value is its raw JSON text, checked and without surrounding
// white space.
type Member struct {
	Name  string
	Value string
}

// WithoutBOM is a text without the byte order mark that some servers put in front of JSON, which a
// reader may ignore (RFC 8259 section 8.1). It is for documents that were fetched; in a token a
// mark is an error.
func WithoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\ufeff")) }

// ParseObject appends the members of the JSON object in text to dst. Beyond the JSON grammar
// (RFC 8259) it refuses, at every depth: duplicate member names, invalid UTF-8, lone surrogates,
// NUL, and more than MaxDepth or MaxMembers.
func ParseObject(text string, dst []Member) ([]Member, error) {
	s := scanner{text: text}
	s.space()
	if s.peek() != '{' {
		return dst, ErrSyntax
	}
	dst, err := s.object(1, dst, true)
	if err != nil {
		return dst, err
	}
	s.space()
	if s.pos != len(s.text) {
		return dst, ErrSyntax
	}
	return dst, nil
}

// ParseArray appends the raw JSON texts of an array's elements to dst, under the rules of
// [ParseObject].
func ParseArray(text string, dst []string) ([]string, error) {
	s := scanner{text: text}
	s.space()
	if s.peek() != '[' {
		return dst, ErrSyntax
	}
	err := s.array(1, func(element string) { dst = append(dst, element) })
	if err != nil {
		return dst, err
	}
	s.space()
	if s.pos != len(s.text) {
		return dst, ErrSyntax
	}
	return dst, nil
}

// Unquote returns the value of a JSON string literal as ParseObject yields it. The second result is
// false for any other JSON value.
func Unquote(literal string) (string, bool) {
	if len(literal) < 2 || literal[0] != '"' || literal[len(literal)-1] != '"' {
		return "", false
	}
	inner := literal[1 : len(literal)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	return unescape(inner), true
}

type scanner struct {
	text string
	pos  int
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// object reads an object whose brace is next. It appends to dst; a caller that only checks passes
// keep as false and the members are dropped once their names were compared.
func (s *scanner) object(depth int, dst []Member, keep bool) ([]Member, error) {
	s.pos++
	s.space()
	if s.peek() == '}' {
		s.pos++
		return dst, nil
	}
	first := len(dst)
	for {
		member, err := s.member(depth)
		if err != nil {
			return dst, err
		}
		dst = append(dst, member)
		if len(dst)-first > MaxMembers {
			return dst, ErrLimit
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case '}':
			s.pos++
			if hasDuplicate(dst[first:]) {
				return dst, ErrDuplicate
			}
			if !keep {
				dst = dst[:first]
			}
			return dst, nil
		default:
			return dst, ErrSyntax
		}
	}
}

func (s *scanner) member(depth int) (Member, error) {
	if s.peek() != '"' {
		return Member{}, ErrSyntax
	}
	start := s.pos
	if err := s.string(); err != nil {
		return Member{}, err
	}
	name, _ := Unquote(s.text[start:s.pos])
	s.space()
	if s.peek() != ':' {
		return Member{}, ErrSyntax
	}
	s.pos++
	s.space()
	start = s.pos
	if err := s.value(depth); err != nil {
		return Member{}, err
	}
	return Member{Name: name, Value: s.text[start:s.pos]}, nil
}

func (s *scanner) array(depth int, each func(element string)) error {
	s.pos++
	s.space()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		start := s.pos
		if err := s.value(depth); err != nil {
			return err
		}
		if each != nil {
			each(s.text[start:s.pos])
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case ']':
			s.pos++
			return nil
		default:
			return ErrSyntax
		}
	}
}

func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		return s.string()
	case c == '{' || c == '[':
		if depth >= MaxDepth {
			return ErrLimit
		}
		if c == '[' {
			return s.array(depth+1, nil)
		}
		var few [8]Member // most nested objects are small: no allocation for them
		_, err := s.object(depth+1, few[:0], false)
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	default:
		return s.literal()
	}
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s.text[s.pos:], word) {
			s.pos += len(word)
			return nil
		}
	}
	return ErrSyntax
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case c >= '1' && c <= '9':
		s.digits()
	default:
		return ErrSyntax
	}
	if s.peek() == '.' {
		s.pos++
		if s.digits() == 0 {
			return ErrSyntax
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if s.digits() == 0 {
			return ErrSyntax
		}
	}
	return nil
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// string checks the string literal whose quote is next and moves behind it.
func (s *scanner) string() error {
	s.pos++
	for {
		s.plain()
		if s.pos == len(s.text) {
			return ErrSyntax
		}
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return ErrSyntax
		default:
			r, size := utf8.DecodeRuneInString(s.text[s.pos:])
			if r == utf8.RuneError && size == 1 {
				return ErrUnicode
			}
			s.pos += size
		}
	}
}

// plain moves past the characters of a string that stand for themselves and take one byte, which is
// most of every token.
func (s *scanner) plain() {
	for i := s.pos; ; i++ {
		if i == len(s.text) || s.text[i] < ' ' || s.text[i] >= utf8.RuneSelf || s.text[i] == '"' || s.text[i] == '\\' {
			s.pos = i
			return
		}
	}
}

func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
	default:
		return ErrSyntax
	}
	r, ok := hex4(s.text[s.pos+1:])
	if !ok {
		return ErrSyntax
	}
	s.pos += 5
	switch {
	case r == 0:
		return ErrUnicode
	case !utf16.IsSurrogate(r):
		return nil
	}
	if !strings.HasPrefix(s.text[s.pos:], `\u`) {
		return ErrUnicode
	}
	low, ok := hex4(s.text[s.pos+2:])
	if !ok {
		return ErrSyntax
	}
	if utf16.DecodeRune(r, low) == utf8.RuneError {
		return ErrUnicode
	}
	s.pos += 6
	return nil
}

// hex4 reads four hexadecimal digits.
func hex4(text string) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(text[:4], 16, 16) // takes neither a sign nor, with a base given, an underscore
	return rune(v), err == nil
}

// unescape resolves the escapes of a checked string.
func unescape(inner string) string {
	var b strings.Builder
	b.Grow(len(inner))
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			b.WriteByte(inner[i])
			continue
		}
		i++
		switch c := inner[i]; c {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r, _ := hex4(inner[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(inner[i+3:])
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			b.WriteRune(r)
		default: // quote, backslash, slash
			b.WriteByte(c)
		}
	}
	return b.String()
}

// fewMembers is up to where comparing every pair is cheaper than a map.
const fewMembers = 24

func hasDuplicate(members []Member) bool {
	if len(members) > fewMembers {
		names := make([]string, len(members))
		for i, m := range members {
			names[i] = m.Name
		}
		slices.Sort(names)
		return len(slices.Compact(names)) < len(members)
	}
	for i := 1; i < len(members); i++ {
		for j := range i {
			if members[i].Name == members[j].Name {
				return true
			}
		}
	}
	return false
}
