package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/check"
)

// realm is a Keycloak with one realm, mcp, on loopback.
type realm struct {
	issuer, tokenEndpoint, keys string
	status                      int
	ahead                       time.Duration
}

// start serves the realm and returns the variables that lead to it.
func (r realm) start(t *testing.T) map[string]string {
	t.Helper()
	mux := http.NewServeMux()
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Date", time.Now().Add(r.ahead).UTC().Format(http.TimeFormat))
		if r.status != 0 {
			w.WriteHeader(r.status)
			return
		}
		mux.ServeHTTP(w, request)
	}))
	t.Cleanup(idp.Close)
	issuer, token := idp.URL+"/realms/mcp", idp.URL+"/realms/mcp/protocol/openid-connect/token"
	if r.issuer != "" {
		issuer = r.issuer
	}
	if r.tokenEndpoint != "" {
		token = r.tokenEndpoint
	}
	mux.HandleFunc("/.well-known/oauth-authorization-server/realms/mcp", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":%q}`, issuer, token)
	})
	mux.HandleFunc("/realms/mcp/protocol/openid-connect/certs", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, r.keys)
	})
	return map[string]string{"MCP_USE_OAUTH_KEYCLOAK_SERVER_URL": idp.URL, "MCP_USE_OAUTH_KEYCLOAK_REALM": "mcp"}
}

// goodKeys is a key set that Keycloak's rules can use.
func goodKeys(t *testing.T) string {
	t.Helper()
	key, err := jose.GenerateKey(jose.RS256, "k")
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(set)
}

// looked runs the command with --json.
func looked(t *testing.T, variables map[string]string, args ...string) (int, checked) {
	t.Helper()
	code, stdout, stderr := command(t.Context(), variables, append([]string{"check", "--json"}, args...)...)
	var report checked
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || stderr != "" || report.SchemaVersion != 1 {
		t.Fatalf("exit code %d: %s %s (%v)", code, stdout, stderr, err)
	}
	for name, value := range variables {
		if strings.HasSuffix(name, "_SECRET") && strings.Contains(stdout, value) {
			t.Errorf("the output holds the secret of %s", name)
		}
	}
	return code, report
}

// failedIDs are the questions with a finding.
func failedIDs(report check.Report) []string {
	var ids []string
	for _, f := range report.Failed() {
		if f.Seen == "" || f.Fix == "" || f.Where == "" {
			panic(fmt.Sprintf("a finding says too little: %+v", f))
		}
		ids = append(ids, f.ID)
	}
	return ids
}

func TestCheckFindsWhatIsWrongAtTheProvider(t *testing.T) {
	t.Parallel()
	keys := goodKeys(t)
	for name, c := range map[string]struct {
		realm realm
		want  []string
		says  string
	}{
		"nothing":                 {realm: realm{keys: keys}},
		"another issuer":          {realm: realm{keys: keys, issuer: "https://id.example.com/realms/mcp"}, want: []string{"discovery"}, says: `names issuer \"https://id.example.com/realms/mcp\"`},
		"another token endpoint":  {realm: realm{keys: keys, tokenEndpoint: "https://id.example.com/token"}, want: []string{"endpoints"}, says: "announces https://id.example.com/token"},
		"no usable key":           {realm: realm{keys: `{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}`}, want: []string{"keys"}, says: "choose a signing key"},
		"something else for keys": {realm: realm{keys: "<html>"}, want: []string{"keys"}, says: "no key set"},
		"a clock ahead":           {realm: realm{keys: keys, ahead: 5 * time.Minute}, want: []string{"clock"}, says: "ahead of this server's"},
		"a clock behind":          {realm: realm{keys: keys, ahead: -5 * time.Minute}, want: []string{"clock"}, says: "behind this server's"},
		"an outage":               {realm: realm{status: 503}, want: []string{"discovery", "keys"}, says: "status 503"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := c.realm.start(t)
			code, report := looked(t, variables, "--provider", "keycloak")
			if got := failedIDs(report.Report); !slices.Equal(got, c.want) || (code == exitOK) != (len(c.want) == 0) || report.OK != (code == exitOK) {
				t.Errorf("exit code %d, findings %q, want %q", code, got, c.want)
			}
			text, err := json.Marshal(report.Failed())
			if err != nil || !strings.Contains(string(text), c.says) {
				t.Errorf("want %q in %s", c.says, text)
			}
		})
	}
}

func TestCheckNamesAllVariablesAtOnce(t *testing.T) {
	t.Parallel()
	code, report := looked(t, nil, "--provider", "google")
	var asked []string
	for _, f := range report.Failed() {
		asked = append(asked, f.Asked)
	}
	want := []string{"MCP_USE_OAUTH_GOOGLE_CLIENT_ID", "MCP_USE_OAUTH_GOOGLE_CLIENT_SECRET"}
	if code != exitFailure || !slices.Equal(asked, want) {
		t.Errorf("exit code %d, findings about %q, want %q", code, asked, want)
	}
}

// covers: D3
func TestCheckNamesAPartOfAURLThatIsThereTwice(t *testing.T) {
	t.Parallel()
	_, report := looked(t, map[string]string{
		"MCP_USE_OAUTH_KEYCLOAK_SERVER_URL": "https://id.example.com/realms/staff", "MCP_USE_OAUTH_KEYCLOAK_REALM": "staff",
	}, "--provider", "keycloak")
	failed := report.Failed()
	if len(failed) != 1 || failed[0].Asked != "MCP_USE_OAUTH_KEYCLOAK_SERVER_URL" || !strings.Contains(failed[0].Fix, "which ends before /realms/") {
		t.Errorf("findings %+v", failed)
	}
}

// fakeGitHub answers token requests and questions about tokens.
func fakeGitHub(t *testing.T, tokenStatus int, tokenAnswer string) []string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if grant := r.PostFormValue("grant_type"); grant != "refresh_token" {
			t.Errorf("a request with the grant %q, which might succeed", grant)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(tokenStatus)
		_, _ = io.WriteString(w, tokenAnswer)
	})
	mux.HandleFunc("POST /info", func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	idp := httptest.NewServer(mux)
	t.Cleanup(idp.Close)
	return []string{
		"--provider", "github", "--endpoint", "token=" + idp.URL + "/token", "--endpoint", "tokeninfo=" + idp.URL + "/info",
		"--endpoint", "userinfo=" + idp.URL + "/user",
	}
}

func TestCheckTellsAWrongSecretFromAWrongToken(t *testing.T) {
	t.Parallel()
	variables := map[string]string{
		"MCP_USE_OAUTH_GITHUB_CLIENT_ID":     "Iv1.0123456789abcdef",
		"MCP_USE_OAUTH_GITHUB_CLIENT_SECRET": "0123456789abcdef0123456789abcdef01234567",
	}
	for name, c := range map[string]struct {
		status  int
		answer  string
		outcome check.Outcome
		says    string
	}{
		"the token":                      {400, `{"error":"invalid_grant"}`, check.Passed, "the application was not"},
		"the token, in GitHub's words":   {200, `{"error":"bad_refresh_token"}`, check.Passed, "the application was not"},
		"the application":                {401, `{"error":"invalid_client"}`, check.Failed, "MCP_USE_OAUTH_GITHUB_CLIENT_SECRET"},
		"the application, GitHub's way":  {200, `{"error":"incorrect_client_credentials"}`, check.Failed, "MCP_USE_OAUTH_GITHUB_CLIENT_SECRET"},
		"the application, Keycloak's":    {401, `{"error":"unauthorized_client"}`, check.Failed, "MCP_USE_OAUTH_GITHUB_CLIENT_SECRET"},
		"the grant":                      {400, `{"error":"unsupported_grant_type"}`, check.Skipped, "does not say"},
		"an answer that repeats secrets": {400, `{"error":"invalid_client","error_description":"0123456789abcdef0123456789abcdef01234567"}`, check.Failed, "left out"},
		"an outage":                      {503, `{}`, check.Failed, "try again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, report := looked(t, variables, fakeGitHub(t, c.status, c.answer)...)
			i := slices.IndexFunc(report.Findings, func(f check.Finding) bool { return f.ID == "client" })
			if i < 0 {
				t.Fatalf("nobody asked: %+v", report.Findings)
			}
			if f := report.Findings[i]; f.Outcome != c.outcome || !strings.Contains(f.Seen+f.Fix, c.says) {
				t.Errorf("got %+v, want %s with %q", f, c.outcome, c.says)
			}
		})
	}
}

// covers: D1
func TestCheckAsksThePublicURLWhetherItAnswersAsItself(t *testing.T) {
	t.Parallel()
	variables := realm{keys: goodKeys(t)}.start(t)
	serve := func(public string, handler *http.Handler) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler).ServeHTTP(w, r) }))
		t.Cleanup(s.Close)
		provider, err := newProvider("keycloak", withQuietLog(variables)...)
		if err != nil {
			t.Fatal(err)
		}
		if public == "" {
			public = s.URL
		}
		own, err := server.New(server.Config{
			Provider: provider, PublicURL: public, Path: "/mcp", ListenAddr: s.Listener.Addr().String(), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		*handler = own
		return s.URL
	}
	answering := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	var itself, renamed http.Handler
	for name, c := range map[string]struct {
		address, says string
	}{
		"itself":           {serve("", &itself), ""},
		"another name":     {serve("https://mcp.example.com", &renamed), "another public URL"},
		"nobody":           {"http://127.0.0.1:1", "start the server"},
		"an open server":   {answering(200), "whoever asks is let in"},
		"a proxy's answer": {answering(404), "status 404"},

		"D1: scope middleware without a guard": {answering(500), "scope middleware that runs before Require, or without it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, report := looked(t, variables, "--provider", "keycloak", "--public-url", c.address)
			failed := report.Failed()
			if c.says == "" {
				if len(failed) > 0 {
					t.Errorf("findings %+v", failed)
				}
				return
			}
			if len(failed) != 1 || failed[0].ID != "public_url" || !strings.Contains(failed[0].Seen+failed[0].Fix, c.says) {
				t.Errorf("findings %+v, want %q", failed, c.says)
			}
		})
	}
}

func TestCheckShowsWhatToDoWhere(t *testing.T) {
	t.Parallel()
	variables := realm{keys: `{"keys":[]}`}.start(t)
	code, stdout, _ := command(t.Context(), variables, "check", "--provider", "keycloak")
	for _, want := range []string{"Keycloak (keycloak): findings: 1", "failed   keys", "(Keycloak)", "Set-up at Keycloak: https://", "1. "} {
		if code != exitFailure || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, want %q in\n%s", code, want, stdout)
		}
	}
}

func TestCheckFindsSealingKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	variables := map[string]string{
		"MCP_USE_OAUTH_GITHUB_CLIENT_ID": "Iv1.0123456789abcdef", "MCP_USE_OAUTH_GITHUB_CLIENT_SECRET": "0123456789abcdef0123456789abcdef01234567",
		"MCP_USE_OAUTH_SEALING_KEYS": "too-short",
	}
	_, report := looked(t, variables, fakeGitHub(t, 400, `{"error":"invalid_grant"}`)...)
	if failed := report.Failed(); len(failed) != 1 || failed[0].ID != "guard" || !strings.Contains(failed[0].Seen, runtime.SealingKeysVariable) {
		t.Errorf("findings %+v", failed)
	}
}

// covers: D4
func TestCheckFindsAStoreThatIsDown(t *testing.T) {
	t.Parallel()
	variables := map[string]string{
		"MCP_USE_OAUTH_GITHUB_CLIENT_ID": "Iv1.0123456789abcdef", "MCP_USE_OAUTH_GITHUB_CLIENT_SECRET": "0123456789abcdef0123456789abcdef01234567",
	}
	args := append(fakeGitHub(t, 400, `{"error":"invalid_grant"}`), "--store", "redis://127.0.0.1:1")
	_, report := looked(t, variables, args...)
	if failed := report.Failed(); len(failed) != 1 || failed[0].ID != "store" || !strings.Contains(failed[0].Fix, "start the store") {
		t.Errorf("findings %+v", failed)
	}
}

func TestServeWithCheckStartsOnlyWhereAllFits(t *testing.T) {
	t.Parallel()
	variables := realm{keys: `{"keys":[]}`}.start(t)
	code, _, stderr := command(t.Context(), variables, "serve", "--provider", "keycloak", "--addr", "127.0.0.1:0", "--public-url", "https://mcp.example.com", "--check")
	if code != exitFailure || !strings.Contains(stderr, "the check keys of the provider failed") || !strings.Contains(stderr, "latchkey check --provider keycloak") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestCheckNeedsWhatItCanUse(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no provider":      {},
		"an unknown one":   {"--provider", "nope"},
		"an odd endpoint":  {"--provider", "keycloak", "--endpoint", "token"},
		"a URL with paths": {"--provider", "keycloak", "--public-url", "https://mcp.example.com/mcp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if code, _, stderr := command(t.Context(), keycloakVariables, append([]string{"check"}, args...)...); code != exitUsage || stderr == "" {
				t.Errorf("exit code %d: %q", code, stderr)
			}
		})
	}
}

// withQuietLog are the options of a provider in a test.
func withQuietLog(variables map[string]string) []runtime.Option {
	return []runtime.Option{runtime.WithLookupEnv(lookup(variables)), runtime.WithLogger(slog.New(slog.DiscardHandler))}
}
