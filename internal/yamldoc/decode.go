package yamldoc

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/latchkey-auth/latchkey/internal/visible"
)

// decoder reads the nodes of a file.
type decoder struct{ *Document }

// decode fills the value from the root mapping and remembers where everything stands.
func (d decoder) decode(root *yaml.Node) {
	d.places[""] = Place{Key: at(root), Value: at(root)}
	d.structure(root, d.into, "")
}

// value reads one node into a variable of the language's types.
func (d decoder) value(node *yaml.Node, into reflect.Value, path string, tag reflect.StructTag) {
	defer func() { d.unclear = d.unclear || d.broken[path] && decides(into.Type(), tag) }()
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" && into.Kind() != reflect.Map {
		d.breakf(path, "empty-value", node, "there is no value here: write one, or leave %s out", d.Naming(path))
		return
	}
	switch into.Kind() {
	case reflect.String:
		d.text(node, into, path, tag)
	case reflect.Bool:
		d.scalar(node, path, "!!bool", "true or false", func() { into.SetBool(strings.EqualFold(node.Value, "true")) })
	case reflect.Int:
		d.scalar(node, path, "!!int", "a whole number", func() {
			n, err := strconv.Atoi(node.Value)
			if err != nil {
				d.breakf(path, "wrong-kind", node, "%s must be a whole number", d.Naming(path))
			}
			into.SetInt(int64(n))
		})
	case reflect.Struct:
		d.structure(node, into, path)
	case reflect.Map:
		d.object(node, into, path)
	default:
		d.list(node, into, path, tag)
	}
}

// decides reports whether a value of a type, with the tag of its field, decides what other parts
// mean: a word of a vocabulary, or a switch.
func decides(t reflect.Type, tag reflect.StructTag) bool {
	return t.Kind() == reflect.Bool || strings.Contains(tag.Get("validate"), "enum=")
}

func (d decoder) scalar(node *yaml.Node, path, tag, what string, set func()) {
	if node.Kind != yaml.ScalarNode || node.Tag != tag {
		d.breakf(path, "wrong-kind", node, "%s must be %s, not %s", d.Naming(path), what, kindName(node))
		return
	}
	set()
}

// text reads a string. Text that YAML takes for a number or a switch must be in quotes, so that
// 0123 or no stay what they are.
func (d decoder) text(node *yaml.Node, into reflect.Value, path string, tag reflect.StructTag) {
	switch {
	case node.Kind != yaml.ScalarNode:
		d.breakf(path, "wrong-kind", node, "%s must be text, not %s", d.Naming(path), kindName(node))
	case node.Tag != "!!str" && node.Tag != "!!timestamp":
		d.breakf(path, "unquoted", node, "%s must be text: write %q, in quotes", d.Naming(path), node.Value)
	case node.Value == "", tag.Get("prose") != "" && strings.TrimSpace(node.Value) == "":
		d.breakf(path, "empty", node, "%s must not be empty: write something, or leave it out", d.Naming(path))
	default:
		if d.visible(node, path, tag.Get("prose")) {
			into.SetString(node.Value)
		}
	}
}

// visible refuses text that does not show what it holds. prose is the tag of that name.
func (d decoder) visible(node *yaml.Node, path, prose string) bool {
	text, find := node.Value, visible.Hidden
	if prose != "" {
		find = visible.HiddenInProse
	}
	if prose == "lines" {
		text = strings.ReplaceAll(text, "\n", " ")
	}
	r, hidden := find(text)
	switch {
	case !hidden:
		return true
	case strings.Contains(text, "\n"):
		d.breakf(path, "one-line", node, "%s must be a single line", d.Naming(path))
	default:
		d.breakf(path, "invisible-character", node,
			"%s contains the invisible character %U, which could hide what the text says", d.Naming(path), r)
	}
	return false
}

// list reads a list, a mapping that stands for a list, or the bare text that stands for a list of
// one.
func (d decoder) list(node *yaml.Node, into reflect.Value, path string, tag reflect.StructTag) {
	if key := tag.Get("keyed"); key != "" {
		d.keyed(node, into, path, key)
		return
	}
	if into.Type() == reflect.TypeFor[Many]() && node.Kind == yaml.ScalarNode {
		entry := reflect.New(into.Type().Elem()).Elem()
		d.places[path+"[0]"] = Place{Key: at(node), Value: at(node)}
		d.text(node, entry, path, tag)
		into.Set(reflect.Append(into, entry))
		return
	}
	if node.Kind != yaml.SequenceNode {
		d.breakf(path, "wrong-kind", node, "%s must be a list, not %s", d.Naming(path), kindName(node))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
	for i, entry := range node.Content {
		entryPath := fmt.Sprintf("%s[%d]", path, i)
		d.places[entryPath] = Place{Key: at(entry), Value: at(entry)}
		d.value(entry, into.Index(i), entryPath, tag)
	}
}

// keyed reads a mapping into a list of structs, in the file's order. The keys go into the named
// field.
func (d decoder) keyed(node *yaml.Node, into reflect.Value, path, field string) {
	d.mapping(node, path, func(key, value *yaml.Node) {
		entry := reflect.New(into.Type().Elem()).Elem()
		entryPath := fmt.Sprintf("%s[%d]", path, into.Len())
		d.places[entryPath] = Place{Key: at(key), Value: at(value)}
		entry.FieldByName(field).SetString(key.Value)
		d.structure(value, entry, entryPath)
		into.Set(reflect.Append(into, entry))
	})
}

// structure reads a mapping, or the bare value that stands for one.
func (d decoder) structure(node *yaml.Node, into reflect.Value, path string) {
	fields := keys(into.Type())
	if short, ok := shorthand(into.Type(), node); ok {
		fieldPath := join(path, short.key)
		if fieldPath != path {
			d.places[fieldPath] = Place{Key: at(node), Value: at(node)}
		}
		d.value(node, into.FieldByIndex(short.field.Index), fieldPath, short.field.Tag)
		return
	}
	if len(fields) == 0 { // nothing but a bare value can stand here
		d.breakf(path, "wrong-kind", node, "%s must be text, not %s", d.Naming(path), kindName(node))
		return
	}
	d.mapping(node, path, func(key, value *yaml.Node) {
		field, ok := fields[key.Value]
		if !ok {
			d.unknownKey(key, path, into.Type())
			return
		}
		fieldPath := join(path, key.Value)
		d.places[fieldPath] = Place{Key: at(key), Value: at(value)}
		d.value(value, into.FieldByIndex(field.Index), fieldPath, field.Tag)
	})
}

func (d decoder) unknownKey(key *yaml.Node, path string, in reflect.Type) {
	names := keyNames(in)
	suggestion := Nearest(key.Value, names)
	message := fmt.Sprintf("unknown key %q%s", key.Value, d.inside(path))
	if suggestion != "" {
		message += fmt.Sprintf(": did you mean %q?", suggestion)
		d.broken[join(path, suggestion)] = true // it is not missing as well
		meant := keys(in)[suggestion]
		d.unclear = d.unclear || decides(meant.Type, meant.Tag)
	} else {
		message += ": there are " + strings.Join(names, ", ")
	}
	d.Add(Error, "unknown-key", at(key), message, suggestion)
}

// mapping calls visit for each pair, and refuses what is no mapping, keys that are no text and keys
// that come twice.
func (d decoder) mapping(node *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		d.breakf(path, "wrong-kind", node, "%s must be a mapping, not %s", d.Naming(path), kindName(node))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.Add(Error, "key-kind", at(key), fmt.Sprintf("a key%s must be text, not %s", d.inside(path), kindName(key)), "")
			continue
		}
		if line, twice := seen[key.Value]; twice {
			d.Add(Error, "duplicate-key", at(key),
				fmt.Sprintf("key %q%s stands in line %d already: keep one of them", key.Value, d.inside(path), line), "")
			continue
		}
		seen[key.Value] = key.Line
		visit(key, value)
	}
}

// object reads a JSON object.
func (d decoder) object(node *yaml.Node, into reflect.Value, path string) {
	object := Object{}
	d.mapping(node, path, func(key, value *yaml.Node) {
		entryPath := join(path, key.Value)
		d.places[entryPath] = Place{Key: at(key), Value: at(value)}
		if d.visible(key, path, "") {
			object[key.Value] = d.json(value, entryPath)
		}
	})
	into.Set(reflect.ValueOf(object))
}

// json returns a node as the JSON value that it stands for.
func (d decoder) json(node *yaml.Node, path string) any {
	if node.Kind == yaml.MappingNode {
		object := map[string]any{}
		d.mapping(node, path, func(key, value *yaml.Node) { object[key.Value] = d.json(value, path) })
		return object
	}
	if node.Kind == yaml.SequenceNode {
		list := make([]any, len(node.Content))
		for i, entry := range node.Content {
			list[i] = d.json(entry, path)
		}
		return list
	}
	switch node.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(node.Value, "true")
	case "!!int":
		if n, err := strconv.ParseInt(node.Value, 10, 64); err == nil {
			return n
		}
		d.Reportf(d.language.NumberRule, path, "%s is not a number that JSON can hold: write it in decimal digits, or as text in quotes", node.Value)
		return nil
	case "!!float":
		if f, err := strconv.ParseFloat(node.Value, 64); err == nil && f-f == 0 {
			return f
		}
		d.Reportf(d.language.NumberRule, path, "%s is not a number that JSON can hold: write it in decimal digits, or as text in quotes", node.Value)
		return nil
	default:
		return node.Value
	}
}

// breakf adds an error about a value that cannot be read: nothing more is said about it.
func (d decoder) breakf(path, rule string, node *yaml.Node, format string, args ...any) {
	d.broken[path] = true
	d.Add(Error, rule, at(node), fmt.Sprintf(format, args...), "")
}

// join extends a path. The key "-" is that of a bare value with no key of its own.
func join(path, key string) string {
	switch {
	case key == "-":
		return path
	case path == "":
		return key
	}
	return path + "." + key
}

func kindName(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!bool":
		return "true or false"
	case node.Tag == "!!int" || node.Tag == "!!float":
		return "a number"
	case node.Tag == "!!null":
		return "nothing"
	default:
		return "text"
	}
}
