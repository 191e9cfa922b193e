package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
)

func TestParseObjectYieldsMembersInOrder(t *testing.T) {
	t.Parallel()
	members, err := strictjson.ParseObject(` { "a" : 1.5e3 , "\u0062\n":[1, {"x":"y"}],"c":"\ud83d\ude00" , "d":{} } `, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []strictjson.Member{
		{Name: "a", Value: "1.5e3"}, {Name: "b\n", Value: `[1, {"x":"y"}]`}, {Name: "c", Value: `"\ud83d\ude00"`}, {Name: "d", Value: "{}"},
	}
	if !reflect.DeepEqual(members, want) {
		t.Errorf("got %q, want %q", members, want)
	}
	if smile, ok := strictjson.Unquote(members[2].Value); !ok || smile != "😀" {
		t.Errorf("Unquote gave %q, %v", smile, ok)
	}
}

func TestAnObjectHoldsUpToTheLimitOfMembers(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range strictjson.MaxMembers {
		fmt.Fprintf(&text, `,"k%d":0`, i)
	}
	members, err := strictjson.ParseObject("{"+text.String()[1:]+"}", nil)
	if err != nil || len(members) != strictjson.MaxMembers {
		t.Errorf("got %d members, %v", len(members), err)
	}
}

func TestParseObjectRefuses(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"k` + strings.Repeat("x", i) + `":0`)
		}
		return "{" + b.String() + "}"
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"empty text":                    {"", strictjson.ErrSyntax},
		"an array":                      {"[]", strictjson.ErrSyntax},
		"a trailing comma":              {`{"a":1,}`, strictjson.ErrSyntax},
		"text behind the object":        {`{} {}`, strictjson.ErrSyntax},
		"an unquoted name":              {`{a:1}`, strictjson.ErrSyntax},
		"a leading zero":                {`{"a":01}`, strictjson.ErrSyntax},
		"a number with a plus":          {`{"a":+1}`, strictjson.ErrSyntax},
		"a number without fraction":     {`{"a":1.}`, strictjson.ErrSyntax},
		"a raw control character":       {"{\"a\":\"\n\"}", strictjson.ErrSyntax},
		"a raw NUL":                     {"{\"a\":\"\x00\"}", strictjson.ErrSyntax},
		"an escaped NUL":                {`{"a":"\u0000"}`, strictjson.ErrUnicode},
		"invalid UTF-8":                 {"{\"a\":\"\xff\"}", strictjson.ErrUnicode},
		"a lone surrogate":              {`{"a":"\ud800"}`, strictjson.ErrUnicode},
		"two high surrogates":           {`{"a":"\ud800\ud800"}`, strictjson.ErrUnicode},
		"an unknown escape":             {`{"a":"\x"}`, strictjson.ErrSyntax},
		"a cut escape":                  {`{"a":"\u12`, strictjson.ErrSyntax},
		"an unclosed object":            {`{"a":1`, strictjson.ErrSyntax},
		"a duplicate member":            {`{"a":1,"a":2}`, strictjson.ErrDuplicate},
		"an escaped duplicate":          {`{"a":1,"\u0061":2}`, strictjson.ErrDuplicate},
		"a nested duplicate":            {`{"a":{"b":[{"c":1,"c":1}]}}`, strictjson.ErrDuplicate},
		"a duplicate among many":        {strings.TrimSuffix(many(40), "}") + `,"kx":1}`, strictjson.ErrDuplicate},
		"nesting one beyond the limit":  {`{"a":` + strings.Repeat("[", strictjson.MaxDepth) + strings.Repeat("]", strictjson.MaxDepth) + "}", strictjson.ErrLimit},
		"nesting beyond the limit":      {`{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", strictjson.ErrLimit},
		"open nesting beyond the limit": {`{"a":` + strings.Repeat(`{"a":`, 100_000), strictjson.ErrLimit},
		"more members than the limit":   {many(strictjson.MaxMembers + 1), strictjson.ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := strictjson.ParseObject(c.text, nil); !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
		})
	}
}

// covers: T-TOK-09
func TestNamesKeepTheirCase(t *testing.T) {
	t.Parallel()
	members, err := strictjson.ParseObject(`{"sub":"a","SUB":"b"}`, nil)
	if err != nil || len(members) != 2 || members[0].Name != "sub" || members[1].Name != "SUB" {
		t.Errorf("got %q, %v", members, err)
	}
}

func TestParseArray(t *testing.T) {
	t.Parallel()
	got, err := strictjson.ParseArray(`[ "a", 1 ,[2]]`, nil)
	if want := []string{`"a"`, "1", "[2]"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, text := range []string{"", "{}", "[1,]", "[1] 2", "[1 2]"} {
		if _, err := strictjson.ParseArray(text, nil); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

// FuzzParseObjectAgainstEncodingJSON holds the scanner to the grammar of encoding/json: it never
// accepts what that refuses, and where both accept, the values are equal.
func FuzzParseObjectAgainstEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":"b","c":[1,2,{"d":null}],"e":-1.5E+10}`, `{"\u0061":"\ud83d\ude00\n"}`, `{"a":"ü"}`,
		`{"a":true,"A":false}`, "{\"a\":\"\x7f\"}", `{"a":1,"a":2}`, `{"a":1e999}`, ` {"a" : [ ] } `, `{"a":"\ud800"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		members, err := strictjson.ParseObject(text, nil)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("accepted %q, encoding/json says %v", text, err)
		}
		if len(want) != len(members) {
			t.Fatalf("%q: %d members, encoding/json has %d", text, len(members), len(want))
		}
		for _, m := range members {
			if !bytes.Equal(want[m.Name], []byte(m.Value)) {
				t.Fatalf("%q: member %q is %q, encoding/json has %q", text, m.Name, m.Value, want[m.Name])
			}
			if value, ok := strictjson.Unquote(m.Value); ok {
				var s string
				if err := json.Unmarshal([]byte(m.Value), &s); err != nil || s != value {
					t.Fatalf("string %q is %q, encoding/json has %q (%v)", m.Value, value, s, err)
				}
			}
		}
	})
}
