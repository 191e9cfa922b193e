package devidptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/devidp/devidptest"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

const resource = "https://api.example.com/reports"

func newGuard(t *testing.T, provider oauth.Provider, config runtime.GuardConfig) *runtime.Guard {
	t.Helper()
	if config.Resource == "" {
		config.Resource = resource
	}
	guard, err := runtime.NewGuard(provider, config)
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

// call calls a protected handler with a token, and returns the status and who was seen.
func call(guard *runtime.Guard, path, token string) (status int, answer string) {
	handler := guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, _ := oauth.FromContext(r.Context())
		_, _ = fmt.Fprint(w, info.Subject, info.Scopes)
	}))
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func TestProviderAcceptsTokensOfPeopleAndMachines(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	guard := newGuard(t, idp.Provider(), runtime.GuardConfig{})
	for name, c := range map[string]struct {
		request devidp.TokenRequest
		status  int
		answer  string
	}{
		"a person":              {devidp.TokenRequest{User: "alice", Audience: []string{resource}, Scope: "read"}, 200, "user-alice[read]"},
		"a machine":             {devidp.TokenRequest{ClientID: "nightly", Audience: []string{resource}}, 200, "nightly[]"},
		"a token for elsewhere": {devidp.TokenRequest{User: "alice", Audience: []string{"https://other.example.com"}}, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, answer := call(guard, "/reports", idp.Token(c.request))
			if status != c.status || c.answer != "" && answer != c.answer {
				t.Errorf("got %d %q", status, answer)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config runtime.GuardConfig
		path   string
	}{
		"at a resource with a path": {runtime.GuardConfig{Resource: resource}, "/reports"},
		"at the root of a host":     {runtime.GuardConfig{Resource: "https://api.example.com"}, "/"},
		"behind a prefix":           {runtime.GuardConfig{Resource: "https://example.com/api/reports", ExternalPrefix: "/api"}, "/reports"},
		"at plain http":             {runtime.GuardConfig{Resource: "http://127.0.0.1:8080/reports"}, "/reports"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := devidptest.Start(t)
			c.config.Scopes = []string{"read"}
			guard := newGuard(t, idp.ProxyProvider(c.config.Resource), c.config)
			tokens := idp.Login(t, guard, "bob", "read", "offline_access")
			if status, answer := call(guard, c.path, tokens.AccessToken); status != http.StatusOK || !strings.HasPrefix(answer, "user-bob[") {
				t.Errorf("got %d %q", status, answer)
			}
			if tokens.RefreshToken == "" {
				t.Error("there is no refresh token")
			}
		})
	}
}

func TestSeveralServersKnowOneIdentityProvider(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	reports := newGuard(t, idp.ProxyProvider(resource), runtime.GuardConfig{})
	const mail = "https://api.example.com/mail"
	mails := newGuard(t, idp.ProxyProvider(mail), runtime.GuardConfig{Resource: mail})
	token := idp.Login(t, reports, "alice").AccessToken
	idp.Login(t, mails, "alice")
	if status, _ := call(mails, "/mail", token); status != http.StatusUnauthorized {
		t.Errorf("a token of one server is %d at the other", status)
	}
}

// failing is a test that notes how it fails.
type failing struct {
	devidp.TB

	message string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

func TestLoginSaysWhyItFails(t *testing.T) {
	t.Parallel()
	idp := devidptest.Start(t)
	direct := newGuard(t, idp.Provider(), runtime.GuardConfig{})
	proxied := newGuard(t, idp.ProxyProvider(resource), runtime.GuardConfig{})
	for name, c := range map[string]struct {
		guard *runtime.Guard
		user  string
		want  string
	}{
		"mode direct":  {direct, "alice", "mode direct"},
		"unknown user": {proxied, "nobody", `login as "nobody"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &failing{TB: t}
			defer func() {
				_ = recover()
				if !strings.Contains(f.message, c.want) {
					t.Errorf("got %q, want %q in it", f.message, c.want)
				}
			}()
			idp.Login(f, c.guard, c.user)
		})
	}
}
