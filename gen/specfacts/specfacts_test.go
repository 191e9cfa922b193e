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

func TestReadOfAProviderInModeProxy(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../internal/golden/specs/larder.yaml")
	if err != nil {
		t.Fatal(err)
	}
	facts, err := specfacts.Read("specs/larder.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	if !facts.Opaque || facts.ClientID == "" || len(facts.Fields) == 0 || len(facts.Accept) == 0 {
		t.Errorf("the facts are %+v", facts)
	}
	if !slices.ContainsFunc(facts.Fields, func(f specfacts.Field) bool { return f.Name == facts.ClientID }) {
		t.Errorf("the client id's field %s is none of %+v", facts.ClientID, facts.Fields)
	}
}

func TestReadOfSharedSecrets(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../internal/golden/specs/kitchen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	facts, err := specfacts.Read("specs/kitchen.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"HS512": "jwtKey"}; !reflect.DeepEqual(facts.SharedSecrets, want) {
		t.Errorf("the shared secrets are %v, want %v", facts.SharedSecrets, want)
	}
	if facts.Opaque || facts.Config["region"] != "eu" || !slices.Equal(facts.ScopeClaims, []string{"scp", "scopes"}) {
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
