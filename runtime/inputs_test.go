package runtime_test

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

func inputs(env map[string]string) *runtime.Inputs {
	return runtime.NewInputs("Example", runtime.WithLookupEnv(func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}))
}

func TestFieldThenVariableThenDefault(t *testing.T) {
	t.Parallel()
	field := runtime.Field{Name: "f", Env: "F", Default: "default"}
	for name, c := range map[string]struct {
		value string
		env   map[string]string
		want  string
	}{
		"the field wins":                {"field", map[string]string{"F": "env"}, "field"},
		"the variable is next":          {"", map[string]string{"F": "env"}, "env"},
		"the default is last":           {"", nil, "default"},
		"an empty variable is unset":    {"", map[string]string{"F": ""}, "default"},
		"a blank variable is unset":     {"", map[string]string{"F": " \n"}, "default"},
		"a blank field is unset":        {" \t", map[string]string{"F": "env"}, "env"},
		"white space around is dropped": {"", map[string]string{"F": " env\r\n"}, "env"},
	} {
		if got := inputs(c.env).String(c.value, field); got != c.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestURLInputs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://kc.example.com":       "https://kc.example.com",
		"https://kc.example.com/auth/": "https://kc.example.com/auth",
		"kc.example.com":               "https://kc.example.com",
		"kc.example.com:8443/auth":     "https://kc.example.com:8443/auth",
		"localhost:8080":               "http://localhost:8080",
		"127.0.0.1:8080/x":             "http://127.0.0.1:8080/x",
		"http://localhost:8080//":      "http://localhost:8080",
		"http://[::1]:8080":            "http://[::1]:8080",
		" https://kc.example.com ":     "https://kc.example.com",
	} {
		inputs := inputs(nil)
		if got := inputs.URL(in, runtime.Field{Name: "f"}); got != want || inputs.Err() != nil {
			t.Errorf("%q: got %q, %v", in, got, inputs.Err())
		}
	}
	for in, part := range map[string]string{
		"http://kc.example.com":            "must use https",
		"http://localhost.example.com":     "must use https",
		"ftp://kc.example.com":             "must be an https URL",
		"https://user:pw@kc.example.com":   "without credentials",
		"https://kc.example.com?x=1":       "without credentials, query and fragment",
		"https://kc.example.com#":          "without credentials, query and fragment",
		"https://":                         "must be a URL",
		"https://a b":                      "must be a URL",
		"https://kc.example.com\n.evil.io": "must be a URL",
		"https://kc.example.com:99999":     "must be a URL",
		"https://kc.example.com:0":         "must be a URL",
		"https://2130706433":               "must be a URL",
		"https://127.1":                    "must be a URL",
		"https://0x7f.1/auth":              "must be a URL",
		"http://[::1%25lo]:8080":           "must be a URL",
	} {
		inputs := inputs(nil)
		if got := inputs.URL(in, runtime.Field{Name: "serverUrl", Env: "E"}); got != "" || inputs.Err() == nil || !strings.Contains(inputs.Err().Error(), part) {
			t.Errorf("%q: got %q, %v; want a message with %q", in, got, inputs.Err(), part)
		}
	}
}

func TestHostSegmentAndLabelInputs(t *testing.T) {
	t.Parallel()
	host := func(in *runtime.Inputs, v string) string { return in.Host(v, runtime.Field{Name: "f"}) }
	segment := func(in *runtime.Inputs, v string) string { return in.Segment(v, runtime.Field{Name: "f"}) }
	label := func(in *runtime.Inputs, v string) string { return in.Label(v, runtime.Field{Name: "f"}) }
	for name, c := range map[string]struct {
		resolve  func(*runtime.Inputs, string) string
		in, want string
		ok       bool
	}{
		"a host":                         {host, "acme.eu.auth0.com", "acme.eu.auth0.com", true},
		"a host with a port":             {host, "idp.example.com:8443", "idp.example.com:8443", true},
		"a scheme before a host is cut":  {host, "https://acme.auth0.com", "acme.auth0.com", true},
		"a slash behind a host is cut":   {host, "acme.auth0.com/", "acme.auth0.com", true},
		"a host with a path":             {host, "acme.auth0.com/x", "", false},
		"a host by plain http":           {host, "http://acme.auth0.com", "", false},
		"a host with credentials":        {host, "u@acme.auth0.com", "", false},
		"a host with a query":            {host, "acme.auth0.com?x", "", false},
		"a host with an impossible port": {host, "acme.auth0.com:99999", "", false},
		"a host with an empty port":      {host, "acme.auth0.com:", "", false},
		"an address as one number":       {host, "2130706433", "", false},
		"an address in hexadecimal":      {host, "0x7f.1", "", false},
		"an address with a dot behind":   {host, "127.0.0.1.", "", false},
		"a segment":                      {segment, "my realm", "my%20realm", true},
		"a segment keeps its case":       {segment, "Master", "Master", true},
		"a segment with a slash":         {segment, "a/b", "", false},
		"a segment with a question mark": {segment, "a?b", "", false},
		"a segment with an escape":       {segment, "a%2fb", "", false},
		"dots":                           {segment, "..", "", false},
		"a label":                        {label, "abc-123", "abc-123", true},
		"a label with a dot":             {label, "evil.com/", "", false},
		"a label with a hyphen in front": {label, "-a", "", false},
	} {
		in := inputs(nil)
		if got := c.resolve(in, c.in); got != c.want || (in.Err() == nil) != c.ok {
			t.Errorf("%s: got %q, %v", name, got, in.Err())
		}
	}
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	in := inputs(map[string]string{"E_URL": "http://kc.example.com"})
	in.String("", runtime.Field{Name: "realm", Env: "E_REALM", Required: true})
	in.URL("", runtime.Field{Name: "serverUrl", Env: "E_URL", Required: true})
	in.String("", runtime.Field{Name: "issuer", Required: true})
	in.Secret("short", runtime.Field{Name: "jwtSecret", Env: "E_SECRET", MinLength: 32})
	in.Require(false, runtime.Field{Name: "verifyToken", Missing: "custom words"})
	in.RequireOneOf("one or the other", []runtime.Field{{Name: "a"}, {Name: "b"}}, "", "")
	err := in.Err()
	var first *oauth.ConfigError
	if !errors.As(err, &first) || first.Field != "realm" || first.Env != "E_REALM" || first.Provider != "Example" {
		t.Fatalf("got %+v of %v", first, err)
	}
	want := []string{
		"Example realm is required. Set E_REALM environment variable or pass realm in config.",
		"Example serverUrl must use https; plain http is accepted for loopback hosts only, since tokens and keys would travel unprotected (InsecureHTTPHost and --insecure-http-host name other hosts). Correct it in E_URL or config.",
		"Example issuer is required. Pass issuer in config.",
		"Example jwtSecret must be at least 32 bytes long. Correct it in E_SECRET or config.",
		"custom words",
		"one or the other",
	}
	if got := strings.Split(err.Error(), "\n"); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if strings.Contains(err.Error(), "short") {
		t.Error("the message shows a secret")
	}
}

func TestOneOfAcceptsEither(t *testing.T) {
	t.Parallel()
	in := inputs(nil)
	in.RequireOneOf("m", []runtime.Field{{Name: "a"}, {Name: "b"}}, "", "set")
	if err := in.Err(); err != nil {
		t.Error(err)
	}
}

func TestAWrongValueIsNotMissingAsWell(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"a", "b"} {
		in := inputs(map[string]string{wrong: "http://idp.example.com"})
		fields := []runtime.Field{{Name: "a", Env: "a"}, {Name: "b", Env: "b"}}
		in.RequireOneOf("one or the other", fields, in.URL("", fields[0]), in.URL("", fields[1]))
		err := in.Err()
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), wrong+" must use https") {
			t.Errorf("with a wrong %s the error is %v", wrong, err)
		}
	}
}

func TestAListComesFromItsVariable(t *testing.T) {
	t.Parallel()
	in := inputs(map[string]string{"L": "a, b c"})
	if got := in.List(nil, runtime.Field{Env: "L"}); !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q", got)
	}
	if err := in.Err(); err != nil {
		t.Error(err)
	}
}

func TestPatternsOfFields(t *testing.T) {
	t.Parallel()
	field := runtime.Field{
		Name: "tenantId", Env: "TENANT", Pattern: "[0-9a-f]{4}|common", Must: "four hexadecimal digits or common", Example: "12ef",
	}
	for value, ok := range map[string]bool{"12ef": true, "common": true, " common ": true, "": true, "12ef0": false, "x12ef": false, "12EF": false} {
		in := inputs(nil)
		got := in.Segment(value, field)
		if (in.Err() == nil) != ok || !ok && got != "" {
			t.Errorf("%q: got %q, %v", value, got, in.Err())
		}
	}
	mistaken := runtime.Field{Name: "domain", Not: "(?i)[^.]*-admin[.].*", Must: "the domain without -admin"}
	for value, ok := range map[string]bool{"a.example.com": true, "": true, "a-admin.example.com": false, "A-ADMIN.example.com": false, "x.a-admin.example.com": true} {
		in := inputs(nil)
		if got := in.Host(value, mistaken); (in.Err() == nil) != ok || !ok && got != "" {
			t.Errorf("%q: got %q, %v", value, got, in.Err())
		}
	}
	in := inputs(map[string]string{"TENANT": "contoso"})
	in.String("", field)
	const want = "Example tenantId must be four hexadecimal digits or common, such as 12ef. Correct it in TENANT or config."
	if err := in.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	tenant := runtime.Field{Name: "tenantId", Env: "TENANT"}
	allowed := runtime.Field{Name: "allowedTenants", Env: "ALLOWED"}
	for name, c := range map[string]struct {
		tenant  string
		allowed []string
		want    []string
		message string
	}{
		"one tenant is itself":                   {"t-1", nil, []string{"t-1"}, ""},
		"several tenants are those allowed":      {"common", []string{"t-1", "t-2"}, []string{"t-1", "t-2"}, ""},
		"all tenants where the operator says so": {"common", []string{"t-1", "*"}, []string{"*"}, ""},
		"several tenants need a list": {"common", nil, nil, "Example allowedTenants is required with the tenantId \"common\", which " +
			"stands for many. Set ALLOWED environment variable or pass allowedTenants in config: the tenants whose users may log in, or * for all."},
		"a list with one tenant is a mistake": {"t-1", []string{"t-2"}, nil, "Example allowedTenants is for the tenantId common and " +
			"organizations; Example has users of one tenant only. Correct it in ALLOWED or config."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := inputs(nil)
			got := in.Tenants(c.tenant, c.allowed, tenant, allowed, "common", "organizations")
			if err := in.Err(); (err == nil) != (c.message == "") || err != nil && err.Error() != c.message {
				t.Fatalf("got %v", err)
			}
			if c.message == "" && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestNilOptionsMeanTheDefaults(t *testing.T) {
	t.Parallel()
	in := runtime.NewInputs("Example", runtime.WithLogger(nil), runtime.WithClock(nil), runtime.WithLookupEnv(nil),
		runtime.WithHTTPClient(&http.Client{Transport: outOfReach{}}))
	p, err := runtime.New(in, runtime.Definition{
		Name: "example", Issuer: "https://idp.example.com", Endpoints: oauth.Endpoints{JWKS: "https://idp.example.com/jwks"},
		Discovery: []facts.Form{facts.OAuthInserted},
		Tokens:    facts.Rules{Algorithms: []string{"ES256"}, Audience: facts.Audience{OrResource: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(t, p, nil)
	if response := send(g.Handler(), http.MethodGet, "/.well-known/oauth-authorization-server", nil); response.StatusCode != 503 {
		t.Errorf("metadata of a provider that is down: %s", response.Status)
	}
}

// outOfReach is a network without hosts.
type outOfReach struct{}

func (outOfReach) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}
