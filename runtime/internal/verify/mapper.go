package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Mapper is a compiled [facts.ClaimMap]. It is immutable and safe for concurrent use.
type Mapper struct {
	userID, userRealm                        paths
	email, name, username, nickname, picture paths
	clientID, scopes                         paths
	separator                                string
	roles, permissions                       listReader
	extra                                    [][2]string
}

// NewMapper compiles a claim map. Without UserID paths the user is sub, without Scopes paths the
// scopes are in scope, else in scp. An error names the mistake in the map.
func NewMapper(claims facts.ClaimMap) (*Mapper, error) {
	m := &Mapper{separator: claims.ScopeSeparator}
	if m.separator == "" {
		m.separator = " "
	}
	var errs []error
	for _, f := range []struct {
		field    string
		from     []string
		fallback []string
		to       *paths
	}{
		{"UserID", claims.UserID, []string{"sub"}, &m.userID},
		{"UserRealm", claims.UserRealm, nil, &m.userRealm},
		{"Email", claims.Email, nil, &m.email},
		{"Name", claims.Name, nil, &m.name},
		{"Username", claims.Username, nil, &m.username},
		{"Nickname", claims.Nickname, nil, &m.nickname},
		{"Picture", claims.Picture, nil, &m.picture},
		{"ClientID", claims.ClientID, []string{"client_id", "azp"}, &m.clientID},
		{"Scopes", claims.Scopes, []string{"scope", "scp"}, &m.scopes},
	} {
		from := f.from
		if len(from) == 0 {
			from = f.fallback
		}
		var err error
		if *f.to, err = parsePaths(from); err != nil {
			errs = append(errs, fmt.Errorf("claim map: %s: %w", f.field, err))
		}
	}
	var err error
	if m.roles, err = compileList(claims.Roles); err != nil {
		errs = append(errs, fmt.Errorf("claim map: Roles: %w", err))
	}
	if m.permissions, err = compileList(claims.Permissions); err != nil {
		errs = append(errs, fmt.Errorf("claim map: Permissions: %w", err))
	}
	if m.extra, err = compileExtra(claims.Extra); err != nil {
		errs = append(errs, fmt.Errorf("claim map: Extra: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// UserInfo maps claims to the common user shape.
func (m *Mapper) UserInfo(claims oauth.Claims) oauth.UserInfo {
	return oauth.UserInfo{
		ID: m.UserID(claims), Email: m.email.text(claims), Name: m.name.text(claims), Username: m.username.text(claims),
		Nickname: m.nickname.text(claims), Picture: m.picture.text(claims),
		Roles: m.roles.strings(claims), Permissions: m.Permissions(claims), Scopes: m.Scopes(claims), Extra: m.Extra(claims),
	}
}

// UserID returns the user's identifier, with the realm before it where there are realms. An integer
// counts as its decimal digits: some providers' APIs number their users.
func (m *Mapper) UserID(claims oauth.Claims) string {
	id := m.localID(claims)
	if len(m.userRealm) == 0 || id == "" {
		return id
	}
	realm := m.userRealm.identifier(claims)
	if realm == "" || strings.Contains(realm, "/") { // a/b + c must not be a + b/c
		return ""
	}
	return realm + "/" + id
}

// localID returns the user's identifier within its realm: as the provider's own profile has it.
func (m *Mapper) localID(claims oauth.Claims) string { return m.userID.identifier(claims) }

// hasRealms reports whether an identifier of the provider's names one user within a realm only.
func (m *Mapper) hasRealms() bool { return len(m.userRealm) > 0 }

// ClientID returns the OAuth client that obtained the token; empty where no claim says so.
func (m *Mapper) ClientID(claims oauth.Claims) string { return m.clientID.text(claims) }

// Permissions returns the caller's permissions.
func (m *Mapper) Permissions(claims oauth.Claims) []string { return m.permissions.strings(claims) }

// Scopes returns the granted scopes, without empty and repeated ones.
func (m *Mapper) Scopes(claims oauth.Claims) []string {
	for _, p := range m.scopes {
		if s := claims.String(p...); s != "" {
			return splitScopes(s, m.separator)
		}
		if scopes := p.strings(claims); len(scopes) > 0 {
			return scopes
		}
	}
	return nil
}

// Extra returns the provider's further claims under their names for the user.
func (m *Mapper) Extra(claims oauth.Claims) oauth.Claims {
	if len(m.extra) == 0 {
		return oauth.Claims{}
	}
	return claims.Select(m.extra...)
}

// splitScopes splits with one allocation: up to manyScopes, comparing all with all is cheaper than
// a map.
func splitScopes(s, separator string) []string {
	const manyScopes = 64
	scopes := make([]string, 0, strings.Count(s, separator)+1)
	var seen map[string]bool
	if cap(scopes) > manyScopes {
		seen = make(map[string]bool, cap(scopes))
	}
	for scope := range strings.SplitSeq(s, separator) {
		scope = strings.Trim(scope, " ")
		if scope == "" || seen[scope] || seen == nil && slices.Contains(scopes, scope) {
			continue
		}
		if seen != nil {
			seen[scope] = true
		}
		scopes = append(scopes, scope)
	}
	return scopes
}

// isNaturalNumber reports whether a JSON text is an integer without sign, fraction and exponent, of
// at most 20 digits.
func isNaturalNumber(raw []byte) bool {
	if len(raw) == 0 || len(raw) > 20 {
		return false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// path leads to a claim: the name of a claim, then names of members of objects.
type path []string

// strings returns a claim that is an array of strings, or a single one, without empty entries.
func (p path) strings(claims oauth.Claims) []string {
	return slices.DeleteFunc(claims.Strings(p...), func(s string) bool { return s == "" })
}

// paths are tried in their order.
type paths []path

// text returns the first claim that is a string and not empty.
func (ps paths) text(claims oauth.Claims) string {
	for _, p := range ps {
		if s := claims.String(p...); s != "" {
			return s
		}
	}
	return ""
}

// identifier returns the first claim that is a string and not empty, or an integer.
func (ps paths) identifier(claims oauth.Claims) string {
	for _, p := range ps {
		if s := claims.String(p...); s != "" {
			return s
		}
		if raw := claims.Raw(p...); isNaturalNumber(raw) {
			return string(raw)
		}
	}
	return ""
}

func parsePaths(texts []string) (paths, error) {
	ps := make(paths, len(texts))
	for i, text := range texts {
		var err error
		if ps[i], err = parsePath(text); err != nil {
			return nil, err
		}
	}
	return ps, nil
}

// parsePath splits at dots. A backslash makes the dot or backslash behind it part of the name.
func parsePath(text string) (path, error) {
	var p path
	var name strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			i++
			if i == len(text) || text[i] != '.' && text[i] != '\\' {
				return nil, fmt.Errorf("claim path %q: a backslash must be followed by a dot or a backslash", text)
			}
			name.WriteByte(text[i])
		case '.':
			p = append(p, name.String())
			name.Reset()
		default:
			name.WriteByte(c)
		}
	}
	p = append(p, name.String())
	if slices.Contains(p, "") {
		return nil, fmt.Errorf("claim path %q has an empty part", text)
	}
	return p, nil
}

func compileExtra(extra []facts.Extra) ([][2]string, error) {
	names := make([][2]string, 0, len(extra))
	for _, e := range extra {
		as := e.As
		if as == "" {
			as = e.Claim
		}
		switch {
		case e.Claim == "":
			return nil, errors.New("an entry without a claim")
		case slices.ContainsFunc(names, func(n [2]string) bool { return n[0] == as }):
			return nil, fmt.Errorf("two entries are called %q", as)
		}
		names = append(names, [2]string{as, e.Claim})
	}
	return names, nil
}

// listReader is a compiled [facts.List].
type listReader struct {
	from   paths
	each   path
	member path
	// format holds the parts of As; nil takes the values as they are.
	format []part
}

// part is a piece of an As template: a placeholder's kind, or literal text.
type part struct {
	kind    partKind
	literal string
}

type partKind uint8

const (
	literalPart partKind = iota
	valuePart
	keyPart
)

func compileList(l facts.List) (listReader, error) {
	var compiled listReader
	var err error
	switch {
	case l.Each != "" && len(l.From) > 0:
		return listReader{}, errors.New("either From or Each, not both")
	case l.Each == "" && l.Member != "":
		return listReader{}, errors.New("a Member without Each")
	case l.Each != "":
		if compiled.each, err = parsePath(l.Each); err != nil {
			return listReader{}, err
		}
	}
	if l.Member != "" {
		if compiled.member, err = parsePath(l.Member); err != nil {
			return listReader{}, err
		}
	}
	if compiled.from, err = parsePaths(l.From); err != nil {
		return listReader{}, err
	}
	if compiled.format, err = parseFormat(l.As, l.Each != ""); err != nil {
		return listReader{}, err
	}
	return compiled, nil
}

// parseFormat reads a template of literal text, {value} and, where keys exist, {key}.
func parseFormat(as string, keys bool) ([]part, error) {
	if as == "" || as == "{value}" {
		return nil, nil
	}
	var parts []part
	placeholders := 0
	for rest := as; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			parts = append(parts, part{literal: rest})
			break
		}
		if open > 0 {
			parts = append(parts, part{literal: rest[:open]})
		}
		end := strings.IndexByte(rest, '}')
		switch {
		case end > open && rest[open:end+1] == "{value}":
			parts = append(parts, part{kind: valuePart})
		case end > open && rest[open:end+1] == "{key}" && keys:
			parts = append(parts, part{kind: keyPart})
		default:
			return nil, fmt.Errorf("template %q: the placeholders are {value} and, with Each, {key}", as)
		}
		placeholders++
		rest = rest[end+1:]
	}
	if placeholders == 0 {
		return nil, fmt.Errorf("template %q has no placeholder: every entry would be the same", as)
	}
	return parts, nil
}

func (l *listReader) strings(claims oauth.Claims) []string {
	if l.each != nil {
		return l.fromEach(claims)
	}
	for _, p := range l.from {
		if values := p.strings(claims); len(values) > 0 {
			for i, value := range values {
				values[i] = l.entry("", value)
			}
			return values
		}
	}
	return nil
}

// fromEach collects from the members of an object or of a list of objects, in the token's order.
func (l *listReader) fromEach(claims oauth.Claims) []string {
	var entries []string
	for _, object := range objects(claims.Raw(l.each...)) {
		for _, value := range l.member.strings(object) {
			entries = append(entries, l.entry("", value))
		}
	}
	object := claims.Object(l.each...)
	for key, raw := range object.All() {
		if l.member == nil {
			if text := string(raw); text != "null" && text != "false" {
				entries = append(entries, l.entry(key, key))
			}
			continue
		}
		for _, value := range append(path{key}, l.member...).strings(object) {
			entries = append(entries, l.entry(key, value))
		}
	}
	return entries
}

// objects reads a list of objects; what is none in it is left out.
func objects(list json.RawMessage) []oauth.Claims {
	var entries []json.RawMessage
	if len(list) == 0 || list[0] != '[' || json.Unmarshal(list, &entries) != nil {
		return nil
	}
	read := make([]oauth.Claims, 0, len(entries))
	for _, entry := range entries {
		if object, err := oauth.ParseClaims(string(entry)); err == nil {
			read = append(read, object)
		}
	}
	return read
}

func (l *listReader) entry(key, value string) string {
	if l.format == nil {
		return value
	}
	var b strings.Builder
	for _, p := range l.format {
		switch p.kind {
		case valuePart:
			b.WriteString(value)
		case keyPart:
			b.WriteString(key)
		default:
			b.WriteString(p.literal)
		}
	}
	return b.String()
}
