// Package pages writes what people read of the specs: a page for each provider, the list of all,
// the reference of the language, and the sample of variables.
package pages

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/prose"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
	"github.com/latchkey-auth/latchkey/internal/yamldoc"
)

// page is a Markdown file under construction.
type page struct{ strings.Builder }

func newPage(specs, importPath string) *page {
	p := &page{}
	p.line("<!-- " + prose.HeaderFor(specs, importPath) + " -->")
	return p
}

// line writes one line.
func (p *page) line(parts ...string) { _, _ = p.WriteString(strings.Join(parts, "") + "\n") }

func (p *page) heading(level int, title string) {
	p.line()
	p.line(strings.Repeat("#", level), " ", markdown(title))
	p.line()
}

// row writes one row of a table. Its cells are Markdown.
func (p *page) row(cells ...string) { p.line("| ", strings.Join(cells, " | "), " |") }

func (p *page) bytes() []byte { return []byte(p.String()) }

// markdown is text that means nothing to Markdown and HTML.
func markdown(text string) string {
	text = prose.OneLine(text)
	var b strings.Builder
	for i, r := range text {
		switch r {
		case '<':
			b.WriteString("&lt;")
			continue
		case '>':
			b.WriteString("&gt;")
			continue
		case '&':
			b.WriteString("&amp;")
			continue
		case '\\', '`', '*', '[', ']', '|', '~':
			b.WriteByte('\\')
		case '_':
			if !insideWord(text, i) {
				b.WriteByte('\\')
			}
		case '#', '+', '-', '!':
			if i == 0 {
				b.WriteByte('\\')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// insideWord reports whether the byte at i stands between letters or digits, where Markdown leaves
// an underscore alone.
func insideWord(text string, i int) bool {
	return i > 0 && i+1 < len(text) && alphanumeric(text[i-1]) && alphanumeric(text[i+1])
}

func alphanumeric(c byte) bool { return isASCIIAlphanumeric(rune(c)) }

func isASCIIAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// code is text between as many backquotes as it needs. In tables a bar must be escaped even there.
func code(text string) string {
	text = prose.OneLine(text)
	if text == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return fence + strings.ReplaceAll(text, "|", `\|`) + fence
}

func codes(list []string) string {
	marked := make([]string, len(list))
	for i, entry := range list {
		marked[i] = code(entry)
	}
	return strings.Join(marked, ", ")
}

// Provider is what people read about one provider.
func Provider(m *model.Model, importPath string) []byte {
	p := newPage(m.Name, importPath)
	p.heading(1, m.Title)
	p.line(markdown(prose.Sentence(m.Summary)))
	p.facts(m, importPath)
	if len(m.Setup) > 0 {
		p.heading(2, "What to set up at "+m.Title)
		for i, step := range m.Setup {
			p.line(strconv.Itoa(i+1), ". ", markdown(step))
		}
	}
	p.heading(2, "Configuration")
	p.configuration(m)
	p.heading(2, "In Go")
	p.example(m, importPath)
	p.upstreamFacts(m)
	p.heading(2, "Endpoints")
	p.row("endpoint", "URL")
	p.row("---", "---")
	for _, e := range m.Endpoints {
		p.row(markdown(e.Key), code(e.URL.Template))
	}
	for _, endpoint := range m.Discover.Endpoints {
		p.row(markdown(endpoint), "as the provider's own document says")
	}
	p.heading(2, "The caller")
	p.claims(m)
	if len(m.Notes) > 0 {
		p.heading(2, "What to know")
		for _, note := range m.Notes {
			p.line("- ", markdown(note))
		}
	}
	return p.bytes()
}

func (p *page) facts(m *model.Model, importPath string) {
	p.line()
	p.row("", "")
	p.row("---", "---")
	p.row("package", code(path.Join(importPath, m.Name)))
	p.row("mode", markdown(m.Mode))
	p.row("issuer", code(m.Issuer.Template))
	p.tokenFacts(m)
	if len(m.Scopes.List) > 0 {
		p.row("scopes", codes(m.Scopes.List))
	}
	if len(m.Grants.List) > 0 {
		p.row("grants", codes(m.Grants.List))
	}
	if m.DocsURL != "" {
		p.row("its documentation", "<"+m.DocsURL+">")
	}
	if m.CheckedOn != "" {
		text := m.CheckedOn
		if len(m.CheckedAgainst) > 0 {
			text += ", against: " + strings.Join(m.CheckedAgainst, "; ")
		}
		p.row("facts checked", markdown(text))
	}
	if len(m.Seen)+len(m.Imitated) > 0 {
		p.row("seen for real", seenText(m))
	}
}

func audienceText(a *model.Audience) string {
	claim := a.Claim
	if claim == "" {
		claim = "aud"
	}
	var wanted []string
	for _, e := range a.AnyOf {
		wanted = append(wanted, code(e.Template))
	}
	if a.Otherwise == "resource" {
		wanted = append(wanted, "the URL of the server")
	}
	if a.IssuerBound && len(wanted) == 0 {
		return "not checked: " + markdown(a.Reason)
	}
	text := code(claim) + " must contain " + strings.Join(wanted, ", else ")
	if a.Also == "resource" {
		text += " or the URL of the server"
	}
	if a.IssuerBound {
		text += "; not checked while that is not set: " + markdown(a.Reason)
	}
	return text
}

func requirementText(r model.Requirement) string {
	values := slices.Clone(r.AnyOf)
	for _, e := range r.Values {
		values = append(values, e.Template)
	}
	if r.Absent {
		return "no claim " + code(r.Claim)
	}
	text := "the claim " + code(r.Claim)
	if len(values) > 0 {
		text += " with " + codes(values)
	}
	if r.WhenSet {
		text += ", where that is set"
	}
	return text
}

func (p *page) configuration(m *model.Model) {
	p.row("field", "in Go", "variable", "needed", "default", "what it is")
	p.row("---", "---", "---", "---", "---", "---")
	for i := range m.Fields {
		f := &m.Fields[i]
		doc := markdown(prose.Sentence(f.Doc))
		if f.Example != "" {
			doc += " Example: " + code(f.Example)
		}
		p.row(code(f.Name), code(f.Go), code(f.Env), m.Need(f, (*model.Field).GoName), code(f.DefaultText()), doc)
	}
	if m.HasVariables() {
		p.line()
		p.line("A field that the program sets wins over its variable.")
	}
}

// example is the shortest program that makes the provider.
func (p *page) example(m *model.Model, importPath string) {
	p.line("```go")
	p.line("import ", strconv.Quote(path.Join(importPath, m.Name)))
	p.line()
	fields := exampleFields(m)
	width := 0
	for _, f := range fields {
		width = max(width, len(f.Go))
	}
	p.line("provider, err := ", m.Name, ".New(", m.Name, ".Config{")
	for _, f := range fields {
		value := strconv.Quote(f.Example)
		if f.IsFunction() {
			value = f.Local
		}
		p.line("\t", f.Go, ":", strings.Repeat(" ", 1+width-len(f.Go)), value, ",")
	}
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Type == spec.TypeSecret && f.Required && f.Env != "" {
			p.line("\t// ", f.Go, " comes from ", f.Env, ": a secret does not belong in code")
		}
	}
	p.line("})")
	p.line("```")
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Required && f.Env == "" {
			return
		}
	}
	p.line()
	p.line("or, with the variables set: ", code(m.Name+".New("+m.Name+".Config{})"), ".")
}

// exampleFields are the fields without which there is no provider: the required ones, and the first
// of each group.
func exampleFields(m *model.Model) []*model.Field {
	var fields []*model.Field
	for i := range m.Fields {
		f := &m.Fields[i]
		first := slices.ContainsFunc(m.Groups, func(g model.Group) bool { return g.Fields[0] == f })
		if (f.Required || first) && (f.Example != "" || f.IsFunction()) {
			fields = append(fields, f)
		}
	}
	return fields
}

// claims says where the fields of a caller come from.
func (p *page) claims(m *model.Model) {
	p.row("field", "from the token's claim")
	p.row("---", "---")
	user := strings.ReplaceAll(codes(m.Claims.UserID), ", ", ", else ")
	if len(m.Claims.UserRealm) > 0 {
		user = strings.ReplaceAll(codes(m.Claims.UserRealm), ", ", ", else ") + ", a slash, then " + user
	}
	p.row(code("User.ID"), user)
	for _, f := range []struct {
		name  string
		paths []string
	}{
		{"User.Email", m.Claims.Email}, {"User.Name", m.Claims.Name},
		{"User.Username", m.Claims.Username}, {"User.Nickname", m.Claims.Nickname}, {"User.Picture", m.Claims.Picture},
		{"ClientID", orDefault(m.Claims.ClientID, "client_id", "azp")},
	} {
		if len(f.paths) > 0 {
			p.row(code(f.name), strings.ReplaceAll(codes(f.paths), ", ", ", else "))
		}
	}
	p.claimList("User.Roles", &m.Claims.Roles)
	p.claimList("User.Permissions", &m.Claims.Permissions)
	p.row(code("Scopes"), scopeClaims(m))
	for _, e := range m.Claims.Extra {
		p.row(code("Claims."+e.Go), code(e.Claim))
	}
	if m.Claims.UserMapper != nil {
		p.line()
		p.line("The function ", code(m.Claims.UserMapper.Go), " replaces this mapping of the user.")
	}
}

// scopeClaims says where the granted scopes are.
func scopeClaims(m *model.Model) string {
	if f := m.Claims.Scopes.Field; f != nil {
		return "the claims that " + code(f.Go) + " names, the first that a token has: " + strings.ReplaceAll(codes(f.Default), ", ", ", else ") +
			" by default"
	}
	return strings.ReplaceAll(codes(m.Claims.Scopes.List), ", ", ", else ")
}

func orDefault(list []string, defaults ...string) []string {
	if len(list) == 0 {
		return defaults
	}
	return list
}

func (p *page) claimList(name string, l *spec.List) {
	as := ""
	if l.As != "" {
		as = ", written as " + code(l.As)
	}
	switch {
	case l.Each != "" && l.List == "":
		p.row(code(name), "the names in "+code(l.Each)+as)
	case l.Each != "":
		p.row(code(name), code(l.List)+" of each member of "+code(l.Each)+as)
	case len(l.From) > 0:
		p.row(code(name), strings.ReplaceAll(codes(l.From), ", ", ", else ")+as)
	}
}

// Reference describes the language.
func Reference() []byte {
	p := &page{}
	p.line("<!-- " + prose.Marker + ". DO NOT EDIT. -->")
	p.heading(1, "The spec language")
	p.line("A provider is one file, `specs/<name>.yaml`. These are its keys. `latchkey-gen lint` checks a file; an editor does so")
	p.line("while it is typed when the file begins with `# yaml-language-server: $schema=schema.json`.")
	for _, section := range spec.Reference() {
		title := "The file"
		if section.Path != "" {
			title = code(section.Path)
		}
		p.line()
		p.line("## ", title)
		p.line()
		p.line(markdown(section.Doc))
		if section.Bare != "" {
			p.line()
			p.line("A bare value in place of the mapping: ", markdown(section.Bare))
		}
		if len(section.Keys) == 0 {
			continue
		}
		p.line()
		p.row("key", "value", "what it is")
		p.row("---", "---", "---")
		for _, key := range section.Keys {
			p.row(keyName(key), keyKind(key), markdown(key.Doc))
		}
	}
	return p.bytes()
}

func keyName(key yamldoc.Key) string {
	if key.Required {
		return "**" + code(key.Name) + "**"
	}
	return code(key.Name)
}

func keyKind(key yamldoc.Key) string {
	if len(key.Words) > 0 {
		return key.Kind + ": " + codes(key.Words)
	}
	return key.Kind
}

func capitalized(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Sample is a file of variables, all switched off. importPath is that of the folder of all
// packages.
func Sample(models []*model.Model, importPath string) []byte {
	var b strings.Builder
	b.WriteString("# " + prose.HeaderFor("*", importPath) + "\n")
	b.WriteString("# Every variable of every provider. Copy the file, uncomment what you need, and load it: set -a; . ./.env; set +a\n")
	if slices.ContainsFunc(models, func(m *model.Model) bool { return m.Upstream != nil && m.HasVariables() }) {
		b.WriteString("\n# Mode proxy: what is sealed hangs on these keys, 32 random bytes in base64 each (openssl rand -base64 32), newest first,\n" +
			"# separated by commas. Without them the key is derived from the client secret.\n#MCP_USE_OAUTH_SEALING_KEYS=\n")
	}
	for _, m := range models {
		if !m.HasVariables() {
			continue
		}
		fmt.Fprintf(&b, "\n# %s\n", strings.Join(prose.Wrap(m.Title+": "+prose.Sentence(m.Summary), prose.LineWidth), "\n# "))
		for i := range m.Fields {
			f := &m.Fields[i]
			if f.Env == "" {
				continue
			}
			doc := prose.Sentence(f.Doc) + " " + capitalized(m.Need(f, func(other *model.Field) string { return other.Env })) + "."
			fmt.Fprintf(&b, "\n# %s\n#%s=%s\n", strings.Join(prose.Wrap(doc, prose.LineWidth), "\n# "), f.Env, shellQuoted(sampleValue(f)))
		}
	}
	return []byte(b.String())
}

func sampleValue(f *model.Field) string {
	if f.Example != "" {
		return f.Example
	}
	return f.DefaultText()
}

// shellQuoted is a value as shells and readers of .env files take it literally.
func shellQuoted(value string) string {
	value = prose.OneLine(value)
	if !strings.ContainsFunc(value, func(r rune) bool {
		return !isASCIIAlphanumeric(r) && !strings.ContainsRune("-_./:@%+,", r)
	}) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
