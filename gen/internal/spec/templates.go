package spec

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// maxLength bounds a template with all values put in: values that use values double quickly.
const maxLength = 2000

// usage is what a template is for.
type usage int

const (
	// anyText is a value to compare with.
	anyText usage = iota
	// anURL is an address that requests go to.
	anURL
	// anIssuer is the issuer where documents are fetched from it: a URL without query.
	anIssuer
	// anIdentifier is an issuer that is only compared: any StringOrURI (RFC 7519 section 2).
	anIdentifier
)

// templates are checked by what their references stand for.
type templates struct{ *symbols }

// template checks one template for a usage and reports whether it may resolve to nothing. Nothing
// is said of a template that refers to something wrong.
func (c templates) template(text, path string, use usage) (mayBeEmpty, ok bool) {
	t, ok := c.references(text, path)
	if !ok || !c.resolves(t) {
		return false, false
	}
	open := c.open(t)
	if len(open) > 0 && !t.Bare() {
		c.Reportf("optional-in-template", path, "{%s} may be empty, which would leave %q: make it required, give it a default, "+
			"or derive a value with `first`", open[0], c.fill(t, func(ref string, s subject) string {
			if s.mayBeEmpty {
				return ""
			}
			return "{" + ref + "}"
		}))
		return false, false
	}
	switch kind := c.kind(t); {
	case use == anURL && t.Bare() && kind == TypeEndpoint: // one at run time
	case use == anIdentifier && kind != TypeURL:
		c.identifier(t, path)
	case use == anIdentifier:
		c.address(t, path, anIssuer)
	case use != anyText || kind == TypeURL:
		c.address(t, path, use)
	}
	return len(open) > 0, true
}

// references parses a template and checks what it refers to.
func (c templates) references(text, path string) (Template, bool) {
	if text == "" || !c.Known(path) {
		return nil, false
	}
	t, err := ParseTemplate(text)
	if err != nil {
		c.Reportf("template-syntax", path, "%s: %v", c.Naming(path), err)
		return nil, false
	}
	ok := true
	for _, ref := range t.Refs() {
		ok = c.reference(ref, path) && ok
	}
	if c.length(t) > maxLength {
		c.Reportf("template-length", path, "with all values put in, this is longer than %d characters", maxLength)
		return nil, false
	}
	return t, ok
}

func (c templates) reference(name, path string) bool {
	s, ok := c.subject(name)
	switch {
	case !ok && slices.ContainsFunc(c.Spec.Values, func(v Value) bool { return v.Name == name }):
		c.Reportf("value-order", path, "{%s} is defined further down, or here: a value may use those above it", name)
		return false
	case !ok:
		c.unknownName("unknown-reference", "config field or value", name, path, append(c.fieldNames(), c.valueNames()...))
		return false
	}
	c.used[name] = true
	switch s.kind {
	case TypeSecret:
		c.Reportf("secret-in-template", path, "{%s} is a secret: templates end up in logs, metadata and error messages", name)
		return false
	case TypeList, TypeVerifier, TypeUserMapper, TypeParameters, TypeRequirements:
		c.Reportf("reference-type", path, "{%s} is a %s: only text can stand in a template", name, s.kind)
		return false
	}
	return true
}

// open returns the references of a template that may be empty.
func (c templates) open(t Template) []string {
	var list []string
	for _, ref := range t.Refs() {
		if s, ok := c.subject(ref); ok && s.mayBeEmpty {
			list = append(list, ref)
		}
	}
	return list
}

// resolves reports whether all references of a template are good.
func (c templates) resolves(t Template) bool {
	return !slices.ContainsFunc(t.Refs(), func(ref string) bool {
		s, ok := c.subject(ref)
		return !ok || s.kind == ""
	})
}

// readable reports whether all templates can be read, and all their references are good.
func (c templates) readable(list ...string) bool {
	return !slices.ContainsFunc(list, func(text string) bool {
		t, err := ParseTemplate(text)
		return err != nil || !c.resolves(t)
	})
}

// length is the number of bytes of a template with all values put in.
func (c templates) length(t Template) int {
	length := 0
	for _, part := range t {
		s, _ := c.subject(part.Ref)
		length += len(part.Text) + s.length
	}
	return min(length, maxLength+1)
}

var plainText = regexp.MustCompile(`^[A-Za-z0-9._~-]*$`)

// kind says as which type of field a template may be used.
func (c templates) kind(t Template) string {
	if len(t) == 0 {
		return TypeString
	}
	if t[0].Ref == "" && strings.HasPrefix(t[0].Text, "https://") {
		return TypeURL
	}
	first, _ := c.subject(t[0].Ref)
	if t.Bare() || first.kind == TypeURL {
		return first.kind
	}
	for _, part := range t {
		s, _ := c.subject(part.Ref)
		if part.Ref != "" && s.kind != TypeSegment && s.kind != TypeLabel || !plainText.MatchString(part.Text) {
			return TypeString
		}
	}
	if len(t) == 1 && strings.Trim(t[0].Text, ".") == "" { // it would lead up in a path
		return TypeString
	}
	return TypeSegment
}

// fill replaces the references of a template.
func (c templates) fill(t Template, with func(string, subject) string) string {
	var b strings.Builder
	for _, part := range t {
		b.WriteString(part.Text)
		if part.Ref != "" {
			s, _ := c.subject(part.Ref)
			b.WriteString(with(part.Ref, s))
		}
	}
	return b.String()
}

// address checks that a template always gives a URL of the host that the configuration names: no
// field can change what stands before or after it.
func (c templates) address(t Template, path string, use usage) {
	first, _ := c.subject(t[0].Ref)
	switch {
	case t[0].Ref != "" && first.kind != TypeURL:
		c.Reportf("url-start", path, "{%s} is a %s: a URL starts with https:// or with a field of type url", t[0].Ref, first.kind)
		return
	case t[0].Ref == "" && !strings.HasPrefix(t[0].Text, "https://"):
		c.Reportf("url-start", path, "a URL starts with https:// or with a field of type url; tokens and keys would travel unprotected otherwise")
		return
	}
	if i, ok := c.fields[t[0].Ref]; ok && len(t) > 1 && c.Spec.Config[i].Normalize == "keep_slash" {
		c.Reportf("slash-kept", path, "{%s} keeps a slash at its end, so text after it might follow two: use it alone, "+
			"or normalize it with trim_slash", t[0].Ref)
	}
	before := ""
	for i, part := range t {
		if part.Ref == "" {
			before += part.Text
			continue
		}
		after := ""
		if i+1 < len(t) {
			after = t[i+1].Text
			if t[i+1].Ref != "" {
				after = "x"
			}
		}
		if !c.place(part.Ref, path, before, after) {
			return
		}
		before += "{x}"
	}
	c.wellFormed(t, path, use)
}

// place checks one reference inside a URL.
func (c templates) place(ref, path, before, after string) bool {
	s, _ := c.subject(ref)
	authority := before == "" || strings.HasPrefix(before, "https://") && !strings.Contains(before[len("https://"):], "/")
	ends := after == "" || after[0] == '/'
	var allowed []string
	switch {
	case before == "":
		if !ends {
			c.Reportf("reference-place", path, "a / must follow {%s}: the text after it would change the host", ref)
			return false
		}
		return true
	case strings.ContainsAny(before, "?#"):
		c.Reportf("reference-place", path, "{%s} stands in the query: only the path and the host can have references", ref)
		return false
	case authority && before == "https://" && ends:
		allowed = []string{TypeHost, TypeLabel}
	case authority:
		allowed = []string{TypeLabel}
	default:
		allowed = []string{TypeSegment, TypeLabel}
	}
	if !slices.Contains(allowed, s.kind) {
		c.Reportf("reference-place", path, "{%s} is a %s: at this place of a URL it must be a %s, so that no value can lead elsewhere",
			ref, s.kind, strings.Join(allowed, " or a "))
		return false
	}
	return true
}

func (c templates) wellFormed(t Template, path string, use usage) {
	sample := c.fill(t, func(_ string, s subject) string {
		if s.kind == TypeURL {
			return "https://x.example"
		}
		return "x"
	})
	u, err := url.Parse(sample)
	switch {
	case err != nil || !ValidHost(u.Host) || u.User != nil || strings.ContainsAny(sample, " \\\"<>^`{|}") || !isASCII(sample):
		c.Reportf("url-form", path, "%s is not a URL", c.Naming(path))
	case strings.Contains(sample, "#"):
		c.Reportf("url-form", path, "a URL of a provider has no fragment")
	case use == anIssuer && strings.Contains(sample, "?"):
		c.Reportf("url-form", path, "an issuer has no query (RFC 8414 section 2)")
	case plainurl.HasDotSegment(u):
		c.Reportf("url-form", path, "a URL of a provider has no dot segments")
	}
}

// identifier checks that a template always gives an identifier: one that is configured as such, or
// text into which no field can bring another beginning.
func (c templates) identifier(t Template, path string) {
	if t.Bare() && c.kind(t) == TypeIdentifier {
		return
	}
	if ref := c.strayReference(t); ref != "" {
		s, _ := c.subject(ref)
		c.Reportf("reference-place", path, "{%s} is a %s: an issuer is a field of type identifier or url, or text with a %s, a %s or "+
			"a %s in it", ref, s.kind, TypeHost, TypeSegment, TypeLabel)
		return
	}
	if !ValidIdentifier(c.sample(t)) {
		c.Reportf("identifier-form", path, "%s is no identifier: a URI, or a text without white space (RFC 7519 section 2)", c.Naming(path))
	}
}

// strayReference returns the first reference of a template that could give an identifier another
// beginning or form; empty if there is none.
func (c templates) strayReference(t Template) string {
	for _, ref := range t.Refs() {
		if s, _ := c.subject(ref); t[0].Ref == ref || !slices.Contains([]string{TypeHost, TypeSegment, TypeLabel}, s.kind) {
			return ref
		}
	}
	return ""
}

// sample is a template with a letter for every reference.
func (c templates) sample(t Template) string {
	return c.fill(t, func(string, subject) string { return "x" })
}

// ValidIdentifier reports whether a text may be an issuer that is only compared.
func ValidIdentifier(text string) bool {
	u, err := url.Parse(text)
	return text != "" && isASCII(text) && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' }) &&
		(!strings.Contains(text, ":") || err == nil && u.Scheme != "" && u.User == nil)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}
