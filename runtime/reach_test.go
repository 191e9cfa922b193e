package runtime_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

func TestAProviderIsReachedOnceItsKeysOrAnAnswerWereThere(t *testing.T) {
	t.Parallel()
	key, err := jose.GenerateKey(jose.ES256, "k")
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	opaque := func(d *runtime.Definition) {
		d.Introspection = &facts.Introspection{Credentials: facts.Credentials{ClientID: "a", ClientSecret: "b", AuthMethod: facts.AuthBasic}}
		d.Endpoints.Introspection = d.Endpoints.JWKS
		d.Tokens.Audience.OrResource = true
	}
	for name, c := range map[string]struct {
		change  func(*runtime.Definition)
		status  int
		body    string
		reached bool
		asked   int64
	}{
		"keys":                             {status: 200, body: string(set), reached: true, asked: 1},
		"no keys in the set":               {status: 200, body: `{"keys":[]}`, asked: 1},
		"no set":                           {status: 404, body: "no", asked: 1},
		"an outage":                        {status: 503, asked: 1},
		"opaque tokens, and a refusal":     {change: opaque, status: 401, reached: true, asked: 2},
		"opaque tokens, and an outage":     {change: opaque, status: 502, asked: 2},
		"opaque tokens, and an HTML page":  {change: opaque, status: 200, body: "<html>", reached: true, asked: 2},
		"opaque tokens, and a redirection": {change: opaque, status: 302, reached: true, asked: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if r.Header.Get("Authorization") != "" {
					t.Error("the question has credentials")
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(idp.Close)
			in := runtime.NewInputs("Example", runtime.WithLogger(slog.New(slog.DiscardHandler)))
			base := in.URL(idp.URL, runtime.Field{Name: "url"})
			d := runtime.Definition{
				Name: "example", Title: "Example", Mode: oauth.Direct, Issuer: base, Endpoints: oauth.Endpoints{JWKS: base + "/keys"},
				Tokens: facts.Rules{Algorithms: []string{"ES256"}, Types: []string{"at+jwt"}, Audience: facts.Audience{OrResource: true}},
			}
			if c.change != nil {
				c.change(&d)
			}
			provider, err := runtime.New(in, d)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := provider.Reach(t.Context()); (err == nil) != c.reached {
					t.Errorf("reached: %v, want %t", err, c.reached)
				}
			}
			if asked.Load() != c.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), c.asked)
			}
		})
	}
}

func TestASecretMayBeInAFile(t *testing.T) {
	t.Parallel()
	const secret = "a-secret-of-some-length"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	field := runtime.Field{Name: "clientSecret", Env: "EXAMPLE_SECRET", Required: true, MinLength: 8}
	for name, c := range map[string]struct {
		value     oauth.Secret
		variables map[string]string
		want      oauth.Secret
		problem   string
	}{
		"a file":                       {variables: map[string]string{"EXAMPLE_SECRET_FILE": file}, want: secret},
		"the configuration before it":  {value: "of-the-configuration", variables: map[string]string{"EXAMPLE_SECRET_FILE": file}, want: "of-the-configuration"},
		"both":                         {variables: map[string]string{"EXAMPLE_SECRET": "other-secret", "EXAMPLE_SECRET_FILE": file}, problem: "both set"},
		"neither":                      {problem: "Set EXAMPLE_SECRET environment variable"},
		"a file that cannot be opened": {variables: map[string]string{"EXAMPLE_SECRET_FILE": file + ".gone"}, problem: "secret.gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := runtime.NewInputs("Example", runtime.WithLogger(slog.New(slog.DiscardHandler)), runtime.WithLookupEnv(func(n string) (string, bool) { v, ok := c.variables[n]; return v, ok }))
			got := in.Secret(c.value, field)
			err := in.Err()
			switch {
			case c.problem == "" && (err != nil || got != c.want):
				t.Errorf("got %d bytes, %v", len(got), err)
			case c.problem != "" && (err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), c.problem)):
				t.Errorf("the error is %v, want one with %q", err, c.problem)
			}
		})
	}
}
