package yamldoc

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object with its members in order.
type object []entry

type entry struct {
	key   string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return nil, err
		}
		value, err := marshal(e.value)
		if err != nil {
			return nil, err
		}
		b.WriteString(string(key) + ":" + string(value))
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// marshal is json.Marshal without its escapes for HTML.
func marshal(value any) ([]byte, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}

// Schema returns the JSON Schema (2020-12) of the language, for editors. comment goes into its
// first lines. It says what the types say; rules between parts of a file are checked by its reader
// alone.
func (l *Language) Schema(comment string) ([]byte, error) {
	s := &schema{language: l, docs: l.docs(), definitions: map[string]bool{}}
	root := object{
		{"$comment", comment},
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", l.Title},
	}
	root = append(root, s.structure(l.Type)...)
	var definitions object
	for len(s.pending) > 0 {
		t := s.pending[0]
		s.pending = s.pending[1:]
		definitions = append(definitions, entry{t.Name(), s.structure(t)})
	}
	slices.SortFunc(definitions, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	root = append(root, entry{"$defs", definitions})
	text, err := marshal(root)
	if err != nil {
		return nil, err
	}
	return indent(text)
}

func indent(text []byte) ([]byte, error) {
	var value json.RawMessage = text
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return []byte(b.String()), err
}

// schema collects the definitions of types on its way.
type schema struct {
	language    *Language
	docs        map[string]string
	definitions map[string]bool
	pending     []reflect.Type
}

// structure is the schema of a mapping.
func (s *schema) structure(t reflect.Type) object {
	fields := fieldsOf(t)
	properties := make(object, 0, len(fields))
	var required []string
	for _, f := range fields {
		property := s.field(t, f.field)
		properties = append(properties, entry{f.key, property})
		if own, _ := dive(validations(f.field)); slices.Contains(own, "required") {
			required = append(required, f.key)
		}
	}
	o := object{{"type", "object"}}
	if doc := s.docs[t.Name()]; doc != "" {
		o = append(o, entry{"description", doc})
	}
	o = append(o, entry{"properties", properties}, entry{"additionalProperties", false})
	if len(required) > 0 {
		o = append(o, entry{"required", required})
	}
	return o
}

// field is the schema of a key's value, with the comment of the field.
func (s *schema) field(t reflect.Type, f reflect.StructField) object {
	o := s.value(f.Type, f.Tag, validations(f))
	if doc := s.docs[t.Name()+"."+f.Name]; doc != "" {
		o = append(object{{"description", doc}}, o...)
	}
	return o
}

// validations are the rules of a validate tag.
func validations(f reflect.StructField) []string {
	return strings.Split(f.Tag.Get("validate"), ",")
}

// dive splits rules into those of a list itself and those of its entries.
func dive(rules []string) (own, entries []string) {
	if at := slices.Index(rules, "dive"); at >= 0 {
		return rules[:at], rules[at+1:]
	}
	return rules, nil
}

// value is the schema of a type under rules. Those after dive are for the entries of a list.
func (s *schema) value(t reflect.Type, tag reflect.StructTag, rules []string) object {
	switch t.Kind() {
	case reflect.String:
		return s.text(tag, rules)
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int:
		return number(rules)
	case reflect.Map:
		return object{{"type", "object"}}
	case reflect.Struct:
		return s.reference(t)
	default:
		return s.list(t, tag, rules)
	}
}

func (s *schema) text(tag reflect.StructTag, rules []string) object {
	o := object{{"type", "string"}}
	for _, rule := range rules {
		name, parameter, _ := strings.Cut(rule, "=")
		switch {
		case name == "enum":
			return object{{"enum", s.language.Vocabularies[parameter].Words}}
		case s.language.Words[name].Pattern != nil:
			return append(o, entry{"pattern", s.language.Words[name].Pattern.String()})
		}
	}
	o = append(o, entry{"minLength", 1})
	if tag.Get("prose") != "lines" {
		o = append(o, entry{"pattern", `^[^\r\n]*$`})
	}
	return o
}

func number(rules []string) object {
	o := object{{"type", "integer"}}
	for _, rule := range rules {
		name, parameter, _ := strings.Cut(rule, "=")
		n, err := strconv.Atoi(parameter)
		switch {
		case err != nil:
		case name == "eq":
			return object{{"const", n}}
		case name == "min":
			o = append(o, entry{"minimum", n})
		}
	}
	return o
}

// reference points to a type's definition, with the bare value that may stand in its place.
func (s *schema) reference(t reflect.Type) object {
	short, _, ok := shorthandOf(t)
	if ok && len(fieldsOf(t)) == 0 { // nothing but the bare value can stand there
		return s.field(t, short.field)
	}
	if !s.definitions[t.Name()] {
		s.definitions[t.Name()] = true
		s.pending = append(s.pending, t)
	}
	target := object{{"$ref", "#/$defs/" + t.Name()}}
	if !ok {
		return target
	}
	return object{{"anyOf", []object{s.field(t, short.field), target}}}
}

func (s *schema) list(t reflect.Type, tag reflect.StructTag, rules []string) object {
	own, entries := dive(rules)
	items := s.value(t.Elem(), tag, entries)
	if key := tag.Get("keyed"); key != "" {
		return object{
			{"type", "object"},
			{"propertyNames", object{{"pattern", s.keyPattern(t.Elem(), key)}}},
			{"additionalProperties", items},
		}
	}
	o := object{{"type", "array"}, {"items", items}}
	for _, rule := range own {
		name, parameter, _ := strings.Cut(rule, "=")
		switch name {
		case "unique":
			o = append(o, entry{"uniqueItems", true})
		case "min":
			if n, err := strconv.Atoi(parameter); err == nil {
				o = append(o, entry{"minItems", n})
			}
		case "required":
			o = append(o, entry{"minItems", 1})
		}
	}
	if t == reflect.TypeFor[Many]() {
		return object{{"anyOf", []object{items, o}}}
	}
	return o
}

// keyPattern is what the keys of a mapping by name match.
func (s *schema) keyPattern(t reflect.Type, key string) string {
	field, _ := t.FieldByName(key)
	for _, rule := range validations(field) {
		if pattern := s.language.Words[rule].Pattern; pattern != nil {
			return pattern.String()
		}
	}
	return ""
}
