package devidptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/devidp/devidptest"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// newAPI is the code under test. In earnest its provider is another one.
func newAPI(provider oauth.Provider) (*runtime.Guard, http.Handler) {
	guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: "https://api.example.com/reports"})
	if err != nil {
		panic(err)
	}
	return guard, guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, _ := oauth.FromContext(r.Context())
		_, _ = fmt.Fprintln(w, "reports of", info.Subject)
	}))
}

func ExampleStart() {
	t, end := example() // in a test: *testing.T
	defer end()

	idp := devidptest.Start(t)
	_, api := newAPI(idp.Provider())
	token := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{"https://api.example.com/reports"}})
	get(api, token)
	// Output:
	// 200 reports of user-alice
}

func ExampleIDP_Login() {
	t, end := example() // in a test: *testing.T
	defer end()

	idp := devidptest.Start(t)
	guard, api := newAPI(idp.ProxyProvider("https://api.example.com/reports"))
	tokens := idp.Login(t, guard, "bob")
	get(api, tokens.AccessToken)
	// Output:
	// 200 reports of user-bob
}

func get(handler http.Handler, token string) {
	request := httptest.NewRequest(http.MethodGet, "/reports", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	fmt.Print(recorder.Code, " ", recorder.Body)
}

// quiet stands for a test where there is none.
type quiet struct{ cleanups []func() }

func example() (*quiet, func()) {
	q := &quiet{}
	return q, func() {
		for _, f := range q.cleanups {
			f()
		}
	}
}

func (*quiet) Helper()             {}
func (*quiet) Logf(string, ...any) {}

func (q *quiet) Cleanup(f func()) { q.cleanups = append(q.cleanups, f) }

func (*quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
