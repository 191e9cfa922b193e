package oauth

import (
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
)

// Claims are the claims of a verified token: a JSON object that was checked once and is read on
// demand. Names match exactly, by case too. The zero value has no claims. Claims are immutable and
// safe for concurrent use.
//
// The reading methods take a path: Strings("realm_access", "roles") reads the roles member of the
// realm_access object. They give the zero value for a claim that is absent or of another type.
type Claims struct {
	raw     string
	members []strictjson.Member
}

// ParseClaims reads a JSON object. It refuses what encoding/json lets pass: duplicate names,
// invalid UTF-8, deep nesting.
func ParseClaims(object string) (Claims, error) {
	var few [24]strictjson.Member // a usual token has 10 to 20 claims
	members, err := strictjson.ParseObject(object, few[:0])
	if err != nil {
		return Claims{}, fmt.Errorf("claims: %w", err)
	}
	return Claims{raw: object, members: slices.Clone(members)}, nil // claims are kept: no more memory than they need
}

// NewClaims builds claims from Go values, for hand-written verifiers and tests.
func NewClaims(values map[string]any) (Claims, error) {
	object, err := json.Marshal(values)
	if err != nil {
		return Claims{}, fmt.Errorf("claims: %w", err)
	}
	if values == nil {
		return Claims{}, nil
	}
	return ParseClaims(string(object))
}

// Len returns the number of claims.
func (c Claims) Len() int { return len(c.members) }

// All walks the claims in the token's order.
func (c Claims) All() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for _, m := range c.members {
			if !yield(m.Name, json.RawMessage(m.Value)) {
				return
			}
		}
	}
}

// Has reports whether the claim exists and is not null.
func (c Claims) Has(path ...string) bool {
	raw, ok := c.lookup(path)
	return ok && raw != "null"
}

// Raw returns the claim's JSON text, nil where it is absent.
func (c Claims) Raw(path ...string) json.RawMessage {
	if raw, ok := c.lookup(path); ok {
		return json.RawMessage(raw)
	}
	return nil
}

// String returns a string claim.
func (c Claims) String(path ...string) string {
	raw, _ := c.lookup(path)
	s, _ := strictjson.Unquote(raw)
	return s
}

// Strings returns a claim that is an array of strings. A single string counts as an array of one
// (RFC 7519 section 4.1.3 allows both for aud). An array with anything else inside gives nil: half
// a list of roles or audiences is none.
func (c Claims) Strings(path ...string) []string {
	raw, _ := c.lookup(path)
	if s, ok := strictjson.Unquote(raw); ok {
		return []string{s}
	}
	var few [16]string
	elements, err := strictjson.ParseArray(raw, few[:0])
	if err != nil || len(elements) == 0 {
		return nil
	}
	values := make([]string, len(elements))
	for i, element := range elements {
		s, ok := strictjson.Unquote(element)
		if !ok {
			return nil
		}
		values[i] = s
	}
	return values
}

// Bool returns a boolean claim; the second result is false where there is none.
func (c Claims) Bool(path ...string) (value, ok bool) {
	raw, _ := c.lookup(path)
	return raw == "true", raw == "true" || raw == "false"
}

// Number returns a numeric claim; the second result is false where there is none.
func (c Claims) Number(path ...string) (float64, bool) {
	raw, _ := c.lookup(path)
	return number(raw)
}

func number(raw string) (float64, bool) {
	if raw == "" || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(raw, 64)
	return f, err == nil
}

// maxSeconds is the largest number of seconds that a NumericDate may hold: beyond it a float64
// loses whole seconds.
const maxSeconds = 1 << 53

// Time returns a NumericDate claim (RFC 7519 section 2); fractions are allowed. The second result
// is false where there is none, and for negative or absurdly large numbers.
func (c Claims) Time(path ...string) (time.Time, bool) {
	raw, ok := c.lookup(path)
	if !ok {
		return time.Time{}, false
	}
	if whole, err := strconv.ParseUint(raw, 10, 64); err == nil && whole <= maxSeconds { // as nearly all are
		return time.Unix(int64(whole), 0), true
	}
	seconds, ok := number(raw)
	if !ok || seconds < 0 || seconds > maxSeconds {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// Object returns a claim that is an object. It is empty where there is none.
func (c Claims) Object(path ...string) Claims {
	raw, ok := c.lookup(path)
	if !ok || raw == "" || raw[0] != '{' {
		return Claims{}
	}
	members, err := strictjson.ParseObject(raw, nil)
	if err != nil {
		return Claims{}
	}
	return Claims{raw: raw, members: members}
}

// Select returns a view of some claims under new names; absent and null ones are left out. names
// maps, pair by pair, the new name to the top-level claim.
func (c Claims) Select(names ...[2]string) Claims {
	selected := make([]strictjson.Member, 0, len(names))
	for _, name := range names {
		if raw, ok := c.member(name[1]); ok && raw != "null" {
			selected = append(selected, strictjson.Member{Name: name[0], Value: raw})
		}
	}
	return Claims{members: selected}
}

// Decode unmarshals all claims into v with encoding/json. Mind that encoding/json folds the case of
// names into struct fields: read what decides about access with the other methods.
func (c Claims) Decode(v any) error {
	object, _ := c.MarshalJSON()
	return json.Unmarshal(object, v)
}

// MarshalJSON returns the claims as a JSON object.
func (c Claims) MarshalJSON() ([]byte, error) {
	if c.raw != "" {
		return []byte(c.raw), nil
	}
	out := []byte{'{'}
	for i, m := range c.members {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), m.Value...)
	}
	return append(out, '}'), nil
}

// UnmarshalJSON reads a JSON object like [ParseClaims].
func (c *Claims) UnmarshalJSON(object []byte) error {
	parsed, err := ParseClaims(string(object))
	if err == nil {
		*c = parsed
	}
	return err
}

// Format prints the number of claims, not the claims: they are personal data that does not belong
// in logs by accident.
func (c Claims) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[%d claims]", len(c.members))
}

// LogValue logs what Format prints, in handlers that write JSON too.
func (c Claims) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

func (c Claims) member(name string) (string, bool) {
	for i := range c.members {
		if c.members[i].Name == name {
			return c.members[i].Value, true
		}
	}
	return "", false
}

func (c Claims) lookup(path []string) (string, bool) {
	if len(path) == 0 {
		return "", false
	}
	raw, ok := c.member(path[0])
	for _, name := range path[1:] {
		if !ok || raw == "" || raw[0] != '{' {
			return "", false
		}
		var few [16]strictjson.Member
		members, err := strictjson.ParseObject(raw, few[:0])
		if err != nil {
			return "", false
		}
		raw, ok = Claims{members: members}.member(name)
	}
	return raw, ok
}
