package yamldoc

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-playground/validator/v10"
)

// newValidator returns validator with the language's own rules, naming everything as the language
// does.
func (l *Language) newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("yaml") })
	for tag, w := range l.Words {
		register(v, tag, func(field validator.FieldLevel) bool { return w.Valid(field.Field().String()) })
	}
	register(v, "enum", func(field validator.FieldLevel) bool {
		for _, known := range l.Vocabularies[field.Param()].Words {
			if field.Field().String() == known {
				return true
			}
		}
		return false
	})
	return v
}

func register(v *validator.Validate, tag string, valid validator.Func) {
	if err := v.RegisterValidation(tag, valid); err != nil {
		panic(err) // a mistake in the language
	}
}

// CheckTags checks what was read against the validate tags of its types.
func (d *Document) CheckTags() {
	var failures validator.ValidationErrors
	if err := d.language.newValidator().Struct(d.into.Addr().Interface()); err == nil {
		return
	} else if !asFailures(err, &failures) {
		panic(err) // the types themselves are wrong
	}
	for _, failure := range failures {
		_, path, _ := strings.Cut(failure.Namespace(), ".")
		path = strings.ReplaceAll(path, ".-", "")
		if d.Known(path) && d.present(path) {
			d.tagFailure(path, failure)
		}
	}
}

// present reports whether the mapping that holds a path is in the file. The keys that an absent
// mapping lacks are no mistake.
func (d *Document) present(path string) bool {
	cut := strings.LastIndexByte(path, '.')
	return cut < 0 || d.Has(path[:cut])
}

func asFailures(err error, into *validator.ValidationErrors) bool {
	failures, ok := err.(validator.ValidationErrors) //nolint:errorlint // validator never wraps it
	*into = failures
	return ok
}

func (d *Document) tagFailure(path string, failure validator.FieldError) {
	name := d.Naming(path)
	switch tag := failure.Tag(); tag {
	case "required":
		_, field := d.part(failure.StructNamespace())
		d.unclear = d.unclear || decides(field.Type, field.Tag)
		if d.Has(path) {
			d.Reportf("empty", path, "%s must not be empty: write something, or leave it out", name)
		} else {
			d.Reportf("missing-key", path, "%s is missing%s", name, d.within(path))
		}
	case "enum":
		word, _ := d.part(failure.StructNamespace())
		d.wrongWord(path, word, d.language.Vocabularies[failure.Param()])
	case "unique":
		d.repeated(path, reflect.ValueOf(failure.Value()))
	case "min":
		d.tooFew(path, failure)
	default:
		report, w := d.Reportf, d.language.Words[tag]
		if failure.StructField() == "Name" && failure.Field() == "-" {
			report = d.ReportKeyf // the name is the key
		}
		report(w.Rule, path, "%s must be %s, not %q", name, w.Must, failure.Value())
	}
}

// within says which part of the file lacks something.
func (d *Document) within(path string) string {
	cut := strings.LastIndexByte(path, '.')
	if cut < 0 {
		return ""
	}
	return d.inside(path[:cut])
}

// part returns the value and the field that validator means by a namespace: Spec.Config[0].Type.
func (d *Document) part(namespace string) (value reflect.Value, field reflect.StructField) {
	value = d.into
	_, way, _ := strings.Cut(namespace, ".")
	for step := range strings.SplitSeq(way, ".") {
		name, index, entry := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		field, _ = value.Type().FieldByName(name)
		value = value.FieldByIndex(field.Index)
		if i, err := strconv.Atoi(index); entry && err == nil {
			value = value.Index(i)
		}
	}
	return value, field
}

// wrongWord reports a word that a vocabulary lacks. Where another one was meant, that is taken, so
// that what depends on it is judged by it.
func (d *Document) wrongWord(path string, word reflect.Value, v Vocabulary) {
	name, value := d.Naming(path), word.String()
	if reason, ok := v.Refused[value]; ok {
		d.unclear = true
		d.Reportf("refused-value", path, "%s %q: %s", name, value, reason)
		return
	}
	suggestion := Nearest(value, v.Words)
	message := fmt.Sprintf("unknown value %q for %s", value, name)
	if suggestion != "" {
		message += fmt.Sprintf(": did you mean %q?", suggestion)
		word.SetString(suggestion)
	} else {
		message += ": there are " + strings.Join(v.Words, ", ")
		d.unclear = true
	}
	d.Add(Error, "unknown-value", d.Place(path).Value, message, suggestion)
}

// repeated points at the second of two equal entries.
func (d *Document) repeated(path string, list reflect.Value) {
	seen := map[string]bool{}
	for i := range list.Len() {
		entry := list.Index(i).String()
		if seen[entry] {
			d.Reportf("repeated-entry", fmt.Sprintf("%s[%d]", path, i), "%q stands in %s twice", entry, d.Naming(path))
		}
		seen[entry] = true
	}
}

func (d *Document) tooFew(path string, failure validator.FieldError) {
	if failure.Kind() == reflect.Int {
		d.Reportf("negative-number", path, "%s must not be negative", d.Naming(path))
		return
	}
	least, _ := strconv.Atoi(failure.Param())
	entries := "entries are"
	if least == 1 {
		entries = "entry is"
	}
	d.Reportf("too-few", path, "%s: at least %d %s needed", d.Naming(path), least, entries)
}
