package yamldoc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// menu is a small language.
type menu struct {
	Version int     `yaml:"menu" validate:"required,eq=1"`
	Name    string  `yaml:"name" validate:"required,word"`
	Style   string  `yaml:"style" validate:"omitempty,enum=style"`
	Doc     string  `yaml:"doc" prose:"lines"`
	Open    bool    `yaml:"open"`
	Seats   int     `yaml:"seats" validate:"min=0"`
	Tags    Many    `yaml:"tags" validate:"unique,dive,word"`
	Dishes  []dish  `yaml:"dishes" validate:"min=1,dive"`
	Drinks  []drink `yaml:"drinks" validate:"dive" keyed:"Name"`
	Extra   Object  `yaml:"extra"`
}

type dish struct {
	Name  string   `yaml:"name" validate:"required"`
	Price price    `yaml:"price"`
	With  []string `yaml:"with"`
}

type price struct {
	Amount   string `yaml:"amount" shorthand:"scalar" validate:"required"`
	Currency string `yaml:"currency"`
}

type drink struct {
	Name string `yaml:"-" validate:"word"`
	Is   string `yaml:"-" shorthand:"scalar" validate:"required"`
}

const menuSource = `package menu

// menu is one menu.
type menu struct {
	// Version of the language.
	Version int
	// Name of the house.
	Name string
}

// dish is something to eat.
type dish struct {
	// Price of the dish.
	Price price
}
`

func language() *Language {
	return &Language{
		Type: reflect.TypeFor[menu](), Sources: fstest.MapFS{"types.go": {Data: []byte(menuSource)}}, Title: "a menu",
		Noun: "a menu", Single: "one file is one menu", Inline: "write the dish out", VersionKey: "menu", Version: 1,
		Reader: "the kitchen", MaxSize: 1 << 10, NumberRule: "number",
		Words: map[string]Word{"word": {
			Rule: "word", Pattern: regexp.MustCompile(`^[a-z]+$`), Must: "one word",
			Check: func(s string) bool { return s != "bad" },
		}},
		Vocabularies: map[string]Vocabulary{"style": {
			Words: []string{"modern", "rustic"}, Refused: map[string]string{"fusion": "nobody asked for it"},
		}},
	}
}

// read returns what a file says and all of its problems, as people see them.
func read(t *testing.T, text string) (menu, string) {
	t.Helper()
	var m menu
	document := language().Parse("menu.yaml", []byte(text), &m)
	if m.Version == 1 {
		document.CheckTags()
	}
	problems := document.Take()
	var b bytes.Buffer
	if err := problems.Write(&b, Text); err != nil {
		t.Fatal(err)
	}
	return m, b.String()
}

func TestParseReadsEveryForm(t *testing.T) {
	t.Parallel()
	got, problems := read(t, `menu: 1
name: here
style: rustic
doc: |
  two
  lines
open: true
seats: 12
tags: cheap
dishes:
  - {name: soup, price: "3", with: [bread]}
  - {name: stew, price: {amount: "7", currency: EUR}}
drinks:
  water: free
  wine: dear
extra: {a: [1, 2.5, null, true, {b: c}]}
`)
	if problems != "" {
		t.Fatal(problems)
	}
	want := menu{
		Version: 1, Name: "here", Style: "rustic", Doc: "two\nlines\n", Open: true, Seats: 12, Tags: Many{"cheap"},
		Dishes: []dish{
			{Name: "soup", Price: price{Amount: "3"}, With: []string{"bread"}},
			{Name: "stew", Price: price{Amount: "7", Currency: "EUR"}},
		},
		Drinks: []drink{{"water", "free"}, {"wine", "dear"}},
		Extra:  Object{"a": []any{int64(1), 2.5, nil, true, map[string]any{"b": "c"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

func TestParseReportsWhereAndWhy(t *testing.T) {
	t.Parallel()
	const start = "menu: 1\nname: here\ndishes: [{name: soup}]\n"
	for _, c := range []struct{ name, text, want string }{
		{"an unknown key with the nearest one", start + "opne: true\n", `:4:1: unknown key "opne": did you mean "open"?`},
		{"all problems at once", "menu: 1\nname: 5\nopen: yess\n", ":2:7: name must be text: write \"5\", in quotes\n\tname: 5\n\t      ^\nmenu.yaml:3:7: open must be true or false"},
		{"a value that must be a list", start + "tags: {a: b}\n", ":4:7: tags must be a list, not a mapping"},
		{"a key that comes twice", start + "seats: 1\nseats: 2\n", `:5:1: key "seats" stands in line 4 already`},
		{"nothing where a value should be", start + "doc:\n", ":4:5: there is no value here: write one, or leave doc out"},
		{"invisible characters", start + "doc: \"a\\u202eb\"\n", ":4:6: doc contains the invisible character U+202E"},
		{"lines where there must be one", start + "style: \"a\\nb\"\n", ":4:8: style must be a single line"},
		{"a number that JSON cannot hold", start + "extra: {a: .inf}\n", " .inf is not a number that JSON can hold"},
		{"an alias", start + "extra: &x {a: b}\ntags: [*x]\n", "alias *x: write the dish out"},
		{"a tag", start + "doc: !!str x\n", "tags are not part of the language"},
		{"what is no YAML", "menu: [\n", "this is not YAML: "},
		{"a file of nothing", "", "menu.yaml: the file is empty; a menu starts with `menu: 1`"},
		{"a file that is a list", "- a\n", "a menu is a mapping that starts with `menu: 1`"},
		{"a second document", start + "---\n" + start, ":4:1: a second document: one file is one menu, give this one its own file"},
		{"a file that is too large", strings.Repeat("#\n", 1<<10), "menu.yaml: the file is larger than 1 KB"},
		{"what is no UTF-8", start + "doc: \xff\n", ":4:1: the file is not UTF-8 text"},
		{"another version", "menu: 2\n", ":1:7: language version \"2\": this version of the kitchen reads 1"},
		{"no version", "name: here\n", ":1:1: the language version is missing: start the file with `menu: 1`"},
		{"nesting without end", start + "extra: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n", "nested more than 32 levels deep"},
		{"a missing key", "menu: 1\ndishes: [{}]\n", ":1:1: name is missing\n\tmenu: 1\n\t^\nmenu.yaml:2:10: name is missing in entry of dishes"},
		{"a word that breaks its pattern", strings.Replace(start, "here", "HERE", 1), `:2:7: name must be one word, not "HERE"`},
		{"a word that fails its check", strings.Replace(start, "here", "bad", 1), `:2:7: name must be one word, not "bad"`},
		{"a bad key of a mapping by name", start + "drinks:\n  Wine: dear\n", ":5:3: an entry of drinks must be one word, not \"Wine\""},
		{"an unknown word with the nearest one", start + "style: modren\n", `:4:8: unknown value "modren" for style: did you mean "modern"?`},
		{"an unknown word with all there are", start + "style: gothic\n", `unknown value "gothic" for style: there are modern, rustic`},
		{"a refused word with the reason", start + "style: fusion\n", `:4:8: style "fusion": nobody asked for it`},
		{"an entry that comes twice", start + "tags: [a, b, a]\n", `:4:14: "a" stands in tags twice`},
		{"too few entries", "menu: 1\nname: here\ndishes: []\n", ":3:9: dishes: at least 1 entry is needed"},
		{"a negative number", start + "seats: -1\n", ":4:8: seats must not be negative"},
	} {
		t.Run("reports "+c.name, func(t *testing.T) {
			t.Parallel()
			if _, problems := read(t, c.text); !strings.HasPrefix(problems, "menu.yaml") || !strings.Contains(problems, c.want) {
				t.Errorf("says\n%s\nwant %q in it", problems, c.want)
			}
		})
	}
}

func TestNothingIsSaidOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		lines      int
	}{
		{"an absent mapping lacks no keys", "menu: 1\nname: here\ndishes: [{name: soup}]\n", 0},
		{"a value that cannot be read breaks no further rule", "menu: 1\nname: [x]\ndishes: [{name: soup}]\n", 1},
		{"a misspelled key is not missing as well", "menu: 1\nnames: here\ndishes: [{name: soup}]\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, problems := read(t, c.text); strings.Count(problems, "menu.yaml") != c.lines {
				t.Errorf("says\n%s\nwant %d problems", problems, c.lines)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	var m menu
	document := language().Parse("menu.yaml", []byte("menu: 1\nname: [x]\ndishes:\n  - name: soup\n"), &m)
	if place := document.Place("dishes[0].name"); place.Key.Line != 4 || place.Key.Column != 5 || place.Value.Column != 11 {
		t.Errorf("the name stands at %v", place)
	}
	if place := document.Place("dishes[0].price.amount"); place.Value.Line != 4 || place.Value.Column != 5 {
		t.Errorf("what is missing in the dish is reported at %v, want the dish", place)
	}
	if !document.Has("dishes[0]") || document.Has("dishes[1]") {
		t.Error("the document does not know what is in the file")
	}
	if document.Known("name") || !document.Known("dishes[0].name") {
		t.Error("the document does not know what could be read")
	}
	if len(document.Take()) != 1 || len(document.Take()) != 0 {
		t.Error("problems are not taken once")
	}
}

func TestSchemaAndReference(t *testing.T) {
	t.Parallel()
	text, err := language().Schema("a comment")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Comment     string `json:"$comment"`
		Description string
		Required    []string
		Properties  map[string]map[string]any
		Defs        map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	if schema.Comment != "a comment" || schema.Description != "One menu." || !slices.Equal(schema.Required, []string{"menu", "name"}) {
		t.Errorf("the schema is\n%s", text)
	}
	if name := schema.Properties["name"]; name["pattern"] != "^[a-z]+$" || name["description"] != "Name of the house." {
		t.Errorf("name is %v", name)
	}
	if style := schema.Properties["style"]["enum"]; !reflect.DeepEqual(style, []any{"modern", "rustic"}) {
		t.Errorf("style is one of %v", style)
	}
	if schema.Defs["dish"] == nil || schema.Defs["price"] == nil {
		t.Errorf("the definitions are %v", schema.Defs)
	}
	sections := language().Reference()
	var paths []string
	for _, s := range sections {
		paths = append(paths, s.Path)
	}
	if want := []string{"", "dishes[]", "dishes[].price"}; !slices.Equal(paths, want) {
		t.Errorf("the sections are %q, want %q", paths, want)
	}
	if key := sections[0].Keys[1]; key.Name != "name" || !key.Required || key.Kind != "text" || key.Doc != "Name of the house." {
		t.Errorf("the key is %+v", key)
	}
}
