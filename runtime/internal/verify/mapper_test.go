package verify_test

import (
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

func parseClaims(t testing.TB, object string) oauth.Claims {
	t.Helper()
	c, err := oauth.ParseClaims(object)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newMapper(t testing.TB, m facts.ClaimMap) *verify.Mapper {
	t.Helper()
	mapper, err := verify.NewMapper(m)
	if err != nil {
		t.Fatal(err)
	}
	return mapper
}

func TestAnEmptyClaimMapReadsTheStandardClaims(t *testing.T) {
	t.Parallel()
	m := newMapper(t, facts.ClaimMap{})
	c := parseClaims(t, `{"sub":"u","azp":"c","scope":"a b","email":"e","name":"n"}`)
	if m.UserID(c) != "u" || m.ClientID(c) != "c" || !reflect.DeepEqual(m.Scopes(c), []string{"a", "b"}) || m.Permissions(c) != nil || m.Extra(c).Len() != 0 {
		t.Errorf("got user %q, client %q, scopes %q", m.UserID(c), m.ClientID(c), m.Scopes(c))
	}
	if got := m.UserInfo(c); got.Email != "" || got.Name != "" {
		t.Errorf("claims were read that the map does not name: %+v", got)
	}
}

func TestClientIDNeverFallsBackToTheUser(t *testing.T) {
	t.Parallel()
	m := newMapper(t, facts.ClaimMap{})
	for object, want := range map[string]string{
		`{"sub":"u","client_id":"c","azp":"z"}`: "c", `{"sub":"u","azp":"z"}`: "z", `{"sub":"u"}`: "", `{"sub":"u","client_id":1}`: "",
		`{"sub":"u","client_id":"","azp":"z"}`: "z",
	} {
		if got := m.ClientID(parseClaims(t, object)); got != want {
			t.Errorf("%s: got %q, want %q", object, got, want)
		}
	}
}

func TestUserIDs(t *testing.T) {
	t.Parallel()
	m := newMapper(t, facts.ClaimMap{UserID: []string{"sub", "user.id"}})
	for object, want := range map[string]string{
		`{"sub":"a","user":{"id":"b"}}`: "a", `{"user":{"id":"b"}}`: "b", `{"sub":"","user":{"id":"b"}}`: "b", `{"sub":null,"user":{"id":"b"}}`: "b",
		`{"sub":583231}`: "583231", `{"sub":18446744073709551615}`: "18446744073709551615", `{"sub":1e3}`: "", `{"sub":-1}`: "", `{"sub":1.0}`: "",
		`{"sub":123456789012345678901}`: "", `{"sub":true}`: "", `{"sub":{}}`: "", `{"user":"b"}`: "", `{"user.id":"b"}`: "", `{"SUB":"a"}`: "", `{}`: "",
	} {
		if got := m.UserID(parseClaims(t, object)); got != want {
			t.Errorf("%s: got %q, want %q", object, got, want)
		}
	}
}

func TestUsersOfRealms(t *testing.T) {
	t.Parallel()
	m := newMapper(t, facts.ClaimMap{UserRealm: []string{"team.id", "org"}})
	for object, want := range map[string]string{
		`{"sub":"a","team":{"id":"T"},"org":"O"}`: "T/a", `{"sub":"a","org":"O"}`: "O/a", `{"sub":"a","org":7}`: "7/a",
		`{"sub":"b/a","org":"O"}`: "O/b/a", `{"sub":"a","org":"O/b"}`: "", `{"sub":"a"}`: "", `{"sub":"a","org":""}`: "", `{"org":"O"}`: "",
	} {
		if got := m.UserID(parseClaims(t, object)); got != want {
			t.Errorf("%s: got %q, want %q", object, got, want)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	m := newMapper(t, facts.ClaimMap{
		Name: []string{"user_metadata.name", "user_metadata.full_name"}, Email: []string{`https://acme\.com/email`}, Username: []string{`a\\b.c`},
		Nickname: []string{"nick"}, Picture: []string{"picture", "avatar_url"},
	})
	got := m.UserInfo(parseClaims(t, `{
		"user_metadata":{"name":"","full_name":"Ada"}, "https://acme.com/email":"ada@acme.com", "a\\b":{"c":"ada"}, "nick":["x"], "avatar_url":"https://x/y.png"
	}`))
	if got.Name != "Ada" || got.Email != "ada@acme.com" || got.Username != "ada" || got.Nickname != "" || got.Picture != "https://x/y.png" {
		t.Errorf("got %+v", got)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		m      facts.ClaimMap
		object string
		want   []string
	}{
		"a string":                     {facts.ClaimMap{}, `{"scope":"a b"}`, []string{"a", "b"}},
		"repeated and empty ones":      {facts.ClaimMap{}, `{"scope":" a  b a "}`, []string{"a", "b"}},
		"other white space stays":      {facts.ClaimMap{}, `{"scope":"a\tb admin\u00a0"}`, []string{"a\tb", "admin\u00a0"}},
		"an empty string":              {facts.ClaimMap{}, `{"scope":""}`, nil},
		"an array":                     {facts.ClaimMap{Scopes: []string{"scope", "scp"}}, `{"scp":["a","","b c"]}`, []string{"a", "b c"}},
		"an array with something else": {facts.ClaimMap{Scopes: []string{"scp"}}, `{"scp":["a",1]}`, nil},
		"the first with a value":       {facts.ClaimMap{Scopes: []string{"scp", "scope"}}, `{"scp":[],"scope":"a"}`, []string{"a"}},
		"commas":                       {facts.ClaimMap{ScopeSeparator: ","}, `{"scope":"repo, user,,repo"}`, []string{"repo", "user"}},
		"another case":                 {facts.ClaimMap{}, `{"Scope":"a"}`, nil},
		"a number":                     {facts.ClaimMap{}, `{"scope":1}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := newMapper(t, c.m).Scopes(parseClaims(t, c.object)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	keycloak := facts.List{Each: "resource_access", Member: "roles", As: "{key}:{value}"}
	for name, c := range map[string]struct {
		list   facts.List
		object string
		want   []string
	}{
		"nothing":                           {facts.List{}, `{"roles":["a"]}`, nil},
		"an array":                          {facts.List{From: []string{"roles"}}, `{"roles":["a","b"]}`, []string{"a", "b"}},
		"a single string":                   {facts.List{From: []string{"role"}}, `{"role":"a"}`, []string{"a"}},
		"a nested array":                    {facts.List{From: []string{"realm_access.roles"}}, `{"realm_access":{"roles":["a"]}}`, []string{"a"}},
		"the first with a value":            {facts.List{From: []string{"x", "y"}}, `{"x":[],"y":["a"]}`, []string{"a"}},
		"an empty string":                   {facts.List{From: []string{"role"}, As: "role:{value}"}, `{"role":""}`, nil},
		"half a list":                       {facts.List{From: []string{"roles"}}, `{"roles":["a",null]}`, nil},
		"a template":                        {facts.List{From: []string{"aal"}, As: "aal:{value}"}, `{"aal":"aal2"}`, []string{"aal:aal2"}},
		"a template that is the value":      {facts.List{From: []string{"x"}, As: "{value}"}, `{"x":["a"]}`, []string{"a"}},
		"a template with text on all sides": {facts.List{From: []string{"x"}, As: "<{value}|{value}>"}, `{"x":["a"]}`, []string{"<a|a>"}},
		"the members of an object":          {keycloak, `{"resource_access":{"app":{"roles":["r","w"]},"other":{"roles":"x"},"none":{},"odd":1}}`, []string{"app:r", "app:w", "other:x"}},
		"an object that is none":            {keycloak, `{"resource_access":["app"]}`, nil},
		"the names of members":              {facts.List{Each: "roles"}, `{"roles":{"admin":{"org":"x"},"off":false,"gone":null}}`, []string{"admin"}},
		"a list of objects":                 {facts.List{Each: "roles", Member: "name", As: "role:{value}"}, `{"roles":[{"name":"a"},{"name":["b","c"]},{"id":1},"d",{"name":5}]}`, []string{"role:a", "role:b", "role:c"}},
		"a list of objects without Member":  {facts.List{Each: "roles"}, `{"roles":[{"name":"a"}]}`, nil},
		"values that look like a template":  {keycloak, `{"resource_access":{"{value}":{"roles":["{key}"]}}}`, []string{"{value}:{key}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMapper(t, facts.ClaimMap{Roles: c.list, Permissions: c.list})
			got := m.UserInfo(parseClaims(t, c.object))
			if !reflect.DeepEqual(got.Roles, c.want) || !reflect.DeepEqual(got.Permissions, c.want) {
				t.Errorf("got %q and %q, want %q", got.Roles, got.Permissions, c.want)
			}
		})
	}
}

func TestExtraClaimsKeepTheirJSON(t *testing.T) {
	t.Parallel()
	m := newMapper(t, facts.ClaimMap{Extra: []facts.Extra{{Claim: "org_id", As: "organization"}, {Claim: "email_verified"}, {Claim: "gone"}}})
	extra := m.Extra(parseClaims(t, `{"org_id":"o","email_verified":true,"gone":null,"secret":1}`))
	if verified, ok := extra.Bool("email_verified"); extra.Len() != 2 || extra.String("organization") != "o" || !verified || !ok {
		t.Errorf("got %v", extra)
	}
}

func TestMistakesInAClaimMapAreErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		m    facts.ClaimMap
		want string
	}{
		"an empty path":                 {facts.ClaimMap{UserID: []string{""}}, "UserID"},
		"an empty part":                 {facts.ClaimMap{Email: []string{"a..b"}}, "Email"},
		"a trailing dot":                {facts.ClaimMap{Name: []string{"a."}}, "Name"},
		"a leading dot":                 {facts.ClaimMap{Username: []string{".a"}}, "Username"},
		"a trailing backslash":          {facts.ClaimMap{Nickname: []string{`a\`}}, "Nickname"},
		"an unknown escape":             {facts.ClaimMap{Picture: []string{`a\n`}}, "Picture"},
		"a broken client path":          {facts.ClaimMap{ClientID: []string{"."}}, "ClientID"},
		"a broken scope path":           {facts.ClaimMap{Scopes: []string{"."}}, "Scopes"},
		"From and Each":                 {facts.ClaimMap{Roles: facts.List{From: []string{"a"}, Each: "b"}}, "Roles"},
		"Member without Each":           {facts.ClaimMap{Roles: facts.List{Member: "b"}}, "Roles"},
		"a broken From":                 {facts.ClaimMap{Roles: facts.List{From: []string{"."}}}, "Roles"},
		"a broken Each":                 {facts.ClaimMap{Roles: facts.List{Each: "."}}, "Roles"},
		"a broken Member":               {facts.ClaimMap{Roles: facts.List{Each: "a", Member: "."}}, "Roles"},
		"a key without Each":            {facts.ClaimMap{Permissions: facts.List{From: []string{"a"}, As: "{key}:{value}"}}, "{key}"},
		"an unknown placeholder":        {facts.ClaimMap{Permissions: facts.List{From: []string{"a"}, As: "{name}"}}, "{name}"},
		"an open placeholder":           {facts.ClaimMap{Permissions: facts.List{From: []string{"a"}, As: "x{value"}}, "x{value"},
		"braces the wrong way round":    {facts.ClaimMap{Permissions: facts.List{From: []string{"a"}, As: "}x{value"}}, "}x{value"},
		"a template without any":        {facts.ClaimMap{Permissions: facts.List{From: []string{"a"}, As: "admin"}}, "admin"},
		"an extra claim without name":   {facts.ClaimMap{Extra: []facts.Extra{{As: "x"}}}, "Extra"},
		"two extra claims of one name":  {facts.ClaimMap{Extra: []facts.Extra{{Claim: "a", As: "x"}, {Claim: "x"}}}, `"x"`},
		"and all of them are mentioned": {facts.ClaimMap{UserID: []string{""}, Extra: []facts.Extra{{}}}, "Extra"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if m, err := verify.NewMapper(c.m); m != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %s", err, c.want)
			}
		})
	}
}

func TestManyScopesAreReadOnceEach(t *testing.T) {
	t.Parallel()
	m := newMapper(t, facts.ClaimMap{})
	for _, count := range []int{1, 64, 65, 5000} {
		var want, text []string
		for i := range count {
			scope := "scope-" + strconv.Itoa(i)
			want, text = append(want, scope), append(text, scope, "scope-0", "")
		}
		if got := m.Scopes(parseClaims(t, `{"scope":"`+strings.Join(text, " ")+`"}`)); !reflect.DeepEqual(got, want) {
			t.Errorf("%d scopes: got %d", count, len(got))
		}
	}
}
