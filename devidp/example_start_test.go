package devidp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
)

// example stands for the *testing.T of a test, which an example does not have.
type example struct{ ends []func() }

func (e *example) Helper()                   {}
func (e *example) Cleanup(end func())        { e.ends = append(e.ends, end) }
func (e *example) Logf(string, ...any)       {}
func (e *example) Fatalf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
func (e *example) end() {
	for i := len(e.ends) - 1; i >= 0; i-- {
		e.ends[i]()
	}
}

// A test asks its server with tokens of a provider that ends with the test.
func ExampleStart() {
	t := &example{}
	defer t.end()

	idp := devidp.Start(t)
	api := httptest.NewServer(newAPI(idp.Issuer()))
	t.Cleanup(api.Close)

	ask := func(token string) int {
		request, err := http.NewRequest(http.MethodGet, api.URL, http.NoBody)
		if err != nil {
			t.Fatalf("%v", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := api.Client().Do(request)
		if err != nil {
			t.Fatalf("%v", err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	fmt.Println(ask(idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{resource}, Scope: "openid"})))
	fmt.Println(ask(idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{resource}, ExpiresIn: -time.Hour})))
	// Output:
	// 200
	// 401
}
