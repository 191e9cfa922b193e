package model_test

import (
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/internal/model"
	"github.com/latchkey-auth/latchkey/gen/internal/spec"
)

// golden is the model of a golden spec.
func golden(t *testing.T, name string) *model.Model {
	t.Helper()
	data, err := os.ReadFile("../golden/specs/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, problems := spec.Parse("specs/"+name+".yaml", data)
	if problems = append(problems, spec.Validate(document)...); problems.HasErrors() {
		t.Fatal(problems)
	}
	return model.New(&document.Spec)
}

func field(t *testing.T, m *model.Model, name string) *model.Field {
	t.Helper()
	at := slices.IndexFunc(m.Fields, func(f model.Field) bool { return f.Name == name })
	if at < 0 {
		t.Fatalf("there is no field %s", name)
	}
	return &m.Fields[at]
}

func TestNamesAreDecided(t *testing.T) {
	t.Parallel()
	m := golden(t, "kitchen")
	for name, want := range map[string][2]string{
		"issuerUrl": {"IssuerURL", "issuerURL"},
		"apiHost":   {"Gateway", "gateway"},
		"type":      {"Type", "typeValue"},       // a keyword
		"runtime":   {"Runtime", "runtimeValue"}, // a package that generated code imports
	} {
		if f := field(t, m, name); f.Go != want[0] || f.Local != want[1] {
			t.Errorf("%s is %s and %s in Go, want %s and %s", name, f.Go, f.Local, want[0], want[1])
		}
	}
}

func TestTemplatesAreResolved(t *testing.T) {
	t.Parallel()
	m := golden(t, "kitchen")
	token := m.Endpoints[1]
	want := model.Expression{
		Template: "https://{apiHost}/{tenant}-v1/{type}/token",
		Parts:    []model.Part{{Local: "api"}, {Text: "/"}, {Local: "path"}, {Text: "/"}, {Local: "typeValue"}, {Text: "/token"}},
	}
	if token.Go != "Token" || !reflect.DeepEqual(token.URL, want) {
		t.Errorf("the endpoint is %+v, want %+v", token, want)
	}
	home := m.Values[0]
	if home.Local != "home" || len(home.Alternatives) != 3 {
		t.Fatalf("the value is %+v", home)
	}
	if got := home.Alternatives[1].Conditions; !slices.Equal(got, []string{"cluster", "region"}) {
		t.Errorf("the second alternative needs %q", got)
	}
	if got := home.Alternatives[2].Conditions; got != nil {
		t.Errorf("the last alternative needs %q, want nothing", got)
	}
}

// A placeholder that only the running server can fill stays as it is.
func TestPlaceholdersStay(t *testing.T) {
	t.Parallel()
	m := golden(t, "scullery")
	if got := m.Upstream.ResourceScope.Template; got != "scullery:{appId}:{resource}" {
		t.Errorf("people read %q", got)
	}
	want := []model.Part{{Text: "scullery:"}, {Local: "appID"}, {Text: ":{resource}"}}
	if got := m.Upstream.ResourceScope.Parts; !slices.Equal(got, want) {
		t.Errorf("the parts are %+v, want %+v", got, want)
	}
	if got := m.AskedScopes(); !slices.Equal(got, []string{"scullery:scullery-app:{resource}"}) {
		t.Errorf("the test asks for %q", got)
	}
}

func TestNeed(t *testing.T) {
	t.Parallel()
	m := golden(t, "kitchen")
	for name, want := range map[string]string{
		"tenant": "required", "keysUrl": "optional", "region": "required unless IssuerURL or Cluster is set",
	} {
		if got := m.Need(field(t, m, name), (*model.Field).GoName); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	env := func(f *model.Field) string { return f.Env }
	if got := m.Need(field(t, m, "region"), env); got != "required unless KITCHEN_URL is set" {
		t.Errorf("in the environment it is %s", got)
	}
}

func TestTestValues(t *testing.T) {
	t.Parallel()
	m := golden(t, "kitchen")
	for name, want := range map[string]string{
		"tenant":  "acme",        // its example: it is required
		"runtime": "kitchen-api", // what the test says
		"type":    "users",       // its default
		"cluster": "",
	} {
		if got := m.Test.Text(field(t, m, name)); got != want {
			t.Errorf("%s is %q in the test, want %q", name, got, want)
		}
	}
	if m.Test.Text(nil) != "" {
		t.Error("no field has a value")
	}
	if got, want := m.Test.Secret, "test-key-of-a-kitchen-that-does-not-exist-0123456789-0123456789-0"; got != want {
		t.Errorf("the secret is %q", got)
	}
}
