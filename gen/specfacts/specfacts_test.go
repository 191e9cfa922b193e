package specfacts_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/gen/specfacts"
)

func ExampleRead() {
	data, err := os.ReadFile("../../specs/keycloak.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	facts, err := specfacts.Read("specs/keycloak.yaml", data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(facts.Title, "serves", facts.Discovery[0], "and signs with", facts.Algorithms[0])
	// Output: Keycloak serves oauth and signs with RS256
}

// read reads a spec of the tree.
func read(t *testing.T, file string) *specfacts.Facts {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	facts, err := specfacts.Read(file, data)
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

func TestReadOfAProviderInModeProxy(t *testing.T) {
	t.Parallel()
	facts := read(t, "../../specs/google.yaml")
	if !facts.Opaque || facts.AuthMethod != "client_secret_post" || !slices.Equal(facts.ClientClaims, []string{"aud"}) {
		t.Errorf("the facts are %+v", facts)
	}
	for _, name := range []string{facts.ClientID, facts.ClientSecret} {
		at := slices.IndexFunc(facts.Fields, func(f specfacts.Field) bool { return f.Name == name })
		if at < 0 || !facts.Fields[at].Required || facts.Fields[at].Env == "" {
			t.Errorf("%q is none of the fields %+v", name, facts.Fields)
		}
	}
}

func TestReadOfAnIssuerWithoutAudience(t *testing.T) {
	t.Parallel()
	if facts := read(t, "../../specs/clerk.yaml"); !facts.IssuerBound {
		t.Errorf("the facts are %+v", facts)
	}
	if facts := read(t, "../../specs/auth0.yaml"); facts.IssuerBound || facts.Opaque {
		t.Errorf("the facts are %+v", facts)
	}
}

func TestReadOfSharedSecretsAndTokens(t *testing.T) {
	t.Parallel()
	facts := read(t, "../internal/golden/specs/kitchen.yaml")
	if want := map[string]string{"HS512": "jwtKey"}; !reflect.DeepEqual(facts.SharedSecrets, want) {
		t.Errorf("the shared secrets are %v, want %v", facts.SharedSecrets, want)
	}
	if facts.Config["region"] != "eu" || !slices.Equal(facts.ScopeClaims, []string{"scp", "scopes"}) {
		t.Errorf("the facts are %+v", facts)
	}
	if token := facts.Accept[0]; token.Header["typ"] != "kitchen+jwt" || token.User["userId"] != "chef-1" {
		t.Errorf("the accepted token is %+v", token)
	}
	if token := facts.Reject[0]; token.Reason == "" {
		t.Errorf("the rejected token is %+v", token)
	}
}

func TestReadReportsAllProblemsOfForm(t *testing.T) {
	t.Parallel()
	_, err := specfacts.Read("specs/x.yaml", []byte("spec: 1\ntitel: x\nname: [y]\n"))
	if err == nil || !strings.Contains(err.Error(), `did you mean "title"?`) || !strings.Contains(err.Error(), "name must be text") {
		t.Errorf("the error is %v", err)
	}
}
