package spec

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/latchkey-auth/latchkey/gen/internal/problem"
)

// word is a rule about a single text, named in validate tags.
type word struct {
	rule string
	// pattern is what the text matches, for the schema as well.
	pattern string
	// valid checks what a pattern cannot.
	valid func(string) bool
	// must says what the text has to be.
	must string
}

var words = compileWords(map[string]word{
	"package_name": {
		rule: "package-name", pattern: `^[a-z][a-z0-9]{0,39}$`,
		must: "a Go package name: lower-case letters and digits, a letter first, at most 40",
	},
	"field_name": {
		rule: "field-name", pattern: `^[a-z][A-Za-z0-9]{0,39}$`,
		must: "in lower camel case, such as serverUrl: letters and digits, at most 40",
	},
	"env_name": {
		rule: "env-name", pattern: `^[A-Z][A-Z0-9_]{0,99}$`,
		must: "an environment variable's name: capitals, digits and underscores",
	},
	"go_name": {
		rule: "go-name", pattern: `^[A-Z][A-Za-z0-9]{0,39}$`,
		must: "an exported Go name: letters and digits, a capital first, at most 40",
	},
	"https_url": {
		rule: "docs-url", pattern: "^https://[^ <>\"'`()\\[\\]{}\\\\]+$", valid: validDocsURL,
		must: "an https URL",
	},
	"date": {
		rule: "date", pattern: `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, valid: validDate,
		must: "a date: YYYY-MM-DD",
	},
	"scope": {
		rule: "scope", pattern: `^[!#-\[\]-~]+$`,
		must: "one scope: printable ASCII without space, quote and backslash (RFC 6749 section 3.3)",
	},
	"claim_path": {
		rule: "claim-path", pattern: `^([^.\\]|\\[.\\])+(\.([^.\\]|\\[.\\])+)*$`,
		must: "a claim's path: names separated by dots, a backslash before a dot that belongs to a name",
	},
	"printable": {
		rule: "type-header", pattern: `^[!-~]+$`,
		must: "a typ header, such as at+jwt",
	},
	"pattern": {
		rule: "pattern", pattern: `^[ -~]+$`, valid: validPattern,
		must: "a regular expression (RE2)",
	},
	"parameter": {
		rule: "parameter", pattern: `^[A-Za-z0-9._~-]{1,64}$`,
		must: "a parameter's name: letters, digits and ._~-",
	},
	"header_name": {
		rule: "header-name", pattern: `^[A-Za-z0-9-]{1,64}$`, valid: validHeaderName,
		must: "the name of a header that is free to be set: not Authorization, Cookie, Host, Content-Type or Content-Length",
	},
	"header_value": {
		rule: "header-value", pattern: `^[ -~]+$`,
		must: "printable ASCII",
	},
	"error_code": {
		rule: "error-code", pattern: `^[a-z_]{1,64}$`,
		must: "an error code: small letters and underscores",
	},
})

// compileWords gives the words without a check of their own that of their pattern.
func compileWords(words map[string]word) map[string]word {
	for name, w := range words {
		pattern, more := regexp.MustCompile(w.pattern), w.valid
		w.valid = func(s string) bool { return pattern.MatchString(s) && (more == nil || more(s)) }
		words[name] = w
	}
	return words
}

func validDocsURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

func validPattern(s string) bool {
	_, err := regexp.Compile("^(?:" + s + ")$")
	return err == nil
}

// validHeaderName keeps out the headers that requests need for themselves.
func validHeaderName(s string) bool {
	switch strings.ToLower(s) {
	case "authorization", "cookie", "host", "content-type", "content-length":
		return false
	default:
		return true
	}
}

func validDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// newValidator returns validator with the language's own rules, naming everything as the language does.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("yaml") })
	for tag, w := range words {
		register(v, tag, func(field validator.FieldLevel) bool { return w.valid(field.Field().String()) })
	}
	register(v, "enum", func(field validator.FieldLevel) bool {
		for _, known := range vocabularies[field.Param()].words {
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
		panic(err) // a mistake in the table above
	}
}

// checkTags checks the validate tags of the types.
func (d *Document) checkTags() {
	var failures validator.ValidationErrors
	if err := newValidator().Struct(&d.Spec); err == nil {
		return
	} else if !asFailures(err, &failures) {
		panic(err) // the types themselves are wrong
	}
	for _, failure := range failures {
		_, path, _ := strings.Cut(failure.Namespace(), ".")
		path = strings.ReplaceAll(path, ".-", "")
		if d.known(path) && d.present(path) {
			d.tagFailure(path, failure)
		}
	}
}

// present tells whether the mapping that holds a path is in the file. What an absent one lacks is nobody's mistake.
func (d *Document) present(path string) bool {
	cut := strings.LastIndexByte(path, '.')
	return cut < 0 || d.has(path[:cut])
}

func asFailures(err error, into *validator.ValidationErrors) bool {
	failures, ok := err.(validator.ValidationErrors) //nolint:errorlint // validator never wraps it
	*into = failures
	return ok
}

func (d *Document) tagFailure(path string, failure validator.FieldError) {
	name := naming(path)
	switch tag := failure.Tag(); tag {
	case "required":
		if d.has(path) {
			d.reportf("empty", path, "%s must not be empty: write something, or leave it out", name)
		} else {
			d.reportf("missing-key", path, "%s is missing%s", name, within(path))
		}
	case "enum":
		d.wrongWord(path, fmt.Sprint(failure.Value()), vocabularies[failure.Param()])
	case "unique":
		d.repeated(path, reflect.ValueOf(failure.Value()))
	case "min":
		d.tooFew(path, failure)
	default:
		report, w := d.reportf, words[tag]
		if failure.StructField() == "Name" && failure.Field() == "-" {
			report = d.reportKeyf // the name is the key
		}
		report(w.rule, path, "%s must be %s, not %q", name, w.must, failure.Value())
	}
}

// within says which part of the spec lacks something.
func within(path string) string {
	cut := strings.LastIndexByte(path, '.')
	if cut < 0 {
		return ""
	}
	return inside(path[:cut])
}

func (d *Document) wrongWord(path, value string, v vocabulary) {
	name := naming(path)
	if reason, ok := v.refused[value]; ok {
		d.reportf("refused-value", path, "%s %q: %s", name, value, reason)
		return
	}
	suggestion := problem.Nearest(value, v.words)
	message := fmt.Sprintf("unknown value %q for %s", value, name)
	if suggestion != "" {
		message += fmt.Sprintf(": did you mean %q?", suggestion)
	} else {
		message += ": there are " + strings.Join(v.words, ", ")
	}
	d.add(problem.Error, "unknown-value", d.where(path).value, message, suggestion)
}

// repeated points at the second of two equal entries.
func (d *Document) repeated(path string, list reflect.Value) {
	seen := map[string]bool{}
	for i := range list.Len() {
		entry := list.Index(i).String()
		if seen[entry] {
			d.reportf("repeated-entry", fmt.Sprintf("%s[%d]", path, i), "%q stands in %s twice", entry, naming(path))
		}
		seen[entry] = true
	}
}

func (d *Document) tooFew(path string, failure validator.FieldError) {
	if failure.Kind() == reflect.Int {
		d.reportf("negative-number", path, "%s must not be negative", naming(path))
		return
	}
	least, _ := strconv.Atoi(failure.Param())
	entries := "entries are"
	if least == 1 {
		entries = "entry is"
	}
	d.reportf("too-few", path, "%s: at least %d %s needed", naming(path), least, entries)
}
