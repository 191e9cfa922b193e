package spec

import (
	"fmt"
	"slices"
	"strings"
)

// claimRules are the rules for the user and the scopes.
type claimRules struct{ *symbols }

func (c claimRules) check() {
	m := &c.Spec.Claims
	c.userID(m.UserID)
	c.claimList("claims.roles", &m.Roles)
	c.claimList("claims.permissions", &m.Permissions)
	if m.UserMapper != "" {
		c.typed("user-mapper-type", m.UserMapper, "claims.user_mapper", TypeUserMapper)
	}
	asNames, goNames := map[string]bool{}, map[string]string{}
	for i := range m.Extra {
		c.extra(&m.Extra[i], fmt.Sprintf("claims.extra[%d]", i), asNames, goNames)
	}
}

// changing are names of claims that a user may change, or lose to somebody else.
var changing = []string{
	"email", "mail", "login", "username", "user_name", "preferred_username", "nickname", "name", "display_name", "displayname",
	"full_name", "upn", "unique_name", "handle", "screen_name", "phone_number",
}

// userID checks that users are told apart by what stays theirs.
func (c claimRules) userID(list []string) {
	for i, path := range list {
		if name := strings.ToLower(path[strings.LastIndexAny(path, "./")+1:]); slices.Contains(changing, name) {
			c.Reportf("user-id-changes", fmt.Sprintf("claims.user_id[%d]", i), "%s does not stay one user's: whoever gets it next would be "+
				"taken for that user; name the claim with an identifier (OpenID Connect Core section 5.7)", path)
		}
	}
}

func (c claimRules) claimList(path string, l *List) {
	switch {
	case !c.Has(path) || !c.Known(path) || !c.Known(path+".from") || !c.Known(path+".each"):
		return
	case len(l.From) == 0 && l.Each == "":
		c.Reportf("list-empty", path, "%s need from, or each and list", c.Naming(path))
	case len(l.From) > 0 && l.Each != "":
		c.ReportKeyf("list-both", path+".each", "%s come from `from` or from `each`, not from both", c.Naming(path))
	case l.Each == "" && l.List != "":
		c.ReportKeyf("list-without-each", path+".list", "list goes with each")
	}
	if l.As != "" {
		c.entryForm(l, path+".as")
	}
}

func (c claimRules) entryForm(l *List, path string) {
	allowed := []string{"value"}
	if l.Each != "" {
		allowed = append(allowed, "key")
	}
	t, err := ParseTemplate(l.As)
	if err != nil {
		c.Reportf("template-syntax", path, "as: %v", err)
		return
	}
	for _, ref := range t.Refs() {
		if !slices.Contains(allowed, ref) {
			c.Reportf("as-reference", path, "{%s} means nothing here: as has {%s}", ref, strings.Join(allowed, "} and {"))
		}
	}
	if !slices.Contains(t.Refs(), "value") {
		c.Reportf("as-value", path, "as needs {value}: all entries would be the same without it")
	}
}

// userFields are the members of a user in JSON that have a field of their own. They win over extra
// claims.
var userFields = []string{
	"userId", "email", "name", "username", "nickname", "picture", "roles", "permissions", "scopes",
}

func (c claimRules) extra(e *Extra, path string, asNames map[string]bool, goNames map[string]string) {
	if e.Claim == "" {
		return
	}
	as := e.UserName()
	switch {
	case slices.Contains(userFields, as):
		c.Reportf("extra-shadowed", path, "the extra claim %q would be hidden by the user's own field of that name: give it another with `as:`", as)
	case asNames[as]:
		c.Reportf("extra-repeated", path, "there is an extra claim %q already", as)
	}
	asNames[as] = true
	goName := e.GoName()
	if goName == "" {
		c.Reportf("extra-go-name", path, "no Go name can be made from the claim %q: give it one with `go:`", e.Claim)
		return
	}
	if other, taken := goNames[goName]; taken && other != e.Claim {
		c.Reportf("go-name-taken", path, "%s and %s both become %s in Go: give one of them another name with `go:`", other, e.Claim, goName)
	}
	goNames[goName] = e.Claim
}

func (c claimRules) scopes() {
	s := &c.Spec.Scopes
	if s.Field != "" {
		c.typed("list-field-type", s.Field, "scopes.field", TypeList)
		if len(s.Default) > 0 {
			c.ReportKeyf("scopes-both", "scopes.default", "scopes have a default or a field: give the default to the config field %s", s.Field)
		}
	}
	if s.ClaimField != "" {
		c.typed("list-field-type", s.ClaimField, "scopes.claim_field", TypeList)
		if len(s.Claim) > 0 {
			c.ReportKeyf("scopes-both", "scopes.claim", "the scopes' claim is named here or by a field: give the default to the config field %s",
				s.ClaimField)
		}
	}
	if c.Spec.Mode == "direct" && c.Has("scopes.words") {
		c.ReportKeyf("proxy-only", "scopes.words", "words are for mode proxy: clients of this provider are asked by the provider itself")
	}
	if c.Spec.Grants.Field != "" {
		c.typed("list-field-type", c.Spec.Grants.Field, "grants.field", TypeList)
	}
}
