package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/runtime/explain"
)

const explainedResource = "https://mcp.example.com/mcp"

// explained runs the command with a token on standard input.
func explained(t *testing.T, token string, variables map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	out, errs := newOutput(), newOutput()
	code = run(t.Context(), append([]string{"explain"}, args...), environment{
		stdin: strings.NewReader(token), stdout: out, stderr: errs, lookupEnv: lookup(variables),
	})
	for _, part := range strings.Split(token, ".") {
		if len(part) > 20 && strings.Contains(out.String()+errs.String(), part) {
			t.Errorf("the output holds a part of the token: %s %s", out, errs)
		}
	}
	return code, out.String(), errs.String()
}

// keysOf writes the key set of an identity provider to a file.
func keysOf(t *testing.T, idp *devidp.TestServer) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, idp.URL("/jwks"), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := idp.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	set, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return written(t, string(set))
}

func written(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestExplainSaysWhyATokenIsRefused(t *testing.T) {
	t.Parallel()
	idp, stranger := devidp.Start(t), devidp.Start(t)
	keys := keysOf(t, idp)
	good := devidp.TokenRequest{User: "alice", Audience: []string{explainedResource}, Scope: "openid files:read"}
	elsewhere := good
	elsewhere.Audience = []string{"https://other.example.com"}
	for name, c := range map[string]struct {
		token    string
		args     []string
		code     int
		contains []string
	}{
		"a good one":             {token: idp.Token(good), args: []string{"--jwks", keys, "--resource", explainedResource}, contains: []string{"accepted\n", "passed   audience"}},
		"with its header":        {token: "Authorization: Bearer " + idp.Token(good) + "\n", args: []string{"--jwks", keys, "--resource", explainedResource}, contains: []string{"accepted\n"}},
		"for another server":     {token: idp.Token(elsewhere), args: []string{"--jwks", keys, "--resource", explainedResource}, code: 1, contains: []string{"refused: audience", "https://other.example.com", explainedResource}},
		"without a resource":     {token: idp.Token(elsewhere), args: []string{"--jwks", keys}, contains: []string{"accepted\n", "skipped  audience", "--resource"}},
		"at another time":        {token: idp.Token(good), args: []string{"--jwks", keys, "--resource", explainedResource, "--at", time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)}, code: 1, contains: []string{"refused: expired", "failed   expiry"}},
		"without keys":           {token: idp.Token(good), args: []string{"--resource", explainedResource}, code: 1, contains: []string{"failed   key", "--jwks"}},
		"of another's keys":      {token: stranger.Token(good), args: []string{"--jwks", keys, "--resource", explainedResource}, code: 1, contains: []string{"failed   key"}},
		"without a scope":        {token: idp.Token(good), args: []string{"--jwks", keys, "--resource", explainedResource, "--scope", "files:write"}, code: 1, contains: []string{"refused: insufficient_scope", "failed   scopes", "files:write"}},
		"an opaque one":          {token: "opaque-token-of-a-provider", args: []string{"--jwks", keys}, code: 1, contains: []string{"refused: not_a_jwt", "failed   format", "audience"}},
		"no token that could be": {token: "two tokens", args: []string{"--jwks", keys}, code: 1, contains: []string{"refused: malformed_header"}},
		"of a provider":          {token: idp.Token(good), args: []string{"--jwks", keys, "--provider", "keycloak"}, code: 1, contains: []string{"refused: issuer", "failed   issuer"}},
		"a claim that steers":    {token: idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{"\x1b[2J"}}), args: []string{"--jwks", keys, "--resource", explainedResource}, code: 1, contains: []string{`\x1b[2J`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := explained(t, c.token, keycloakVariables, c.args...)
			if code != c.code || stderr != "" {
				t.Errorf("exit code %d, %q", code, stderr)
			}
			for _, want := range c.contains {
				if !strings.Contains(stdout, want) {
					t.Errorf("want %q in\n%s", want, stdout)
				}
			}
			if strings.Contains(stdout, "\x1b") {
				t.Error("the output steers the terminal")
			}
		})
	}
}

func TestExplainAnswersInJSON(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	token := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{"https://other.example.com"}})
	other := written(t, idp.Token(devidp.TokenRequest{User: "bob", Audience: []string{explainedResource}}))
	code, stdout, _ := explained(t, token, nil, "--json", "--jwks", keysOf(t, idp), "--resource", explainedResource, "--against", other)
	var report struct {
		explain.Report

		Differences []difference
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitFailure {
		t.Fatalf("exit code %d: %s (%v)", code, stdout, err)
	}
	decisive := report.FirstFailed()
	if report.SchemaVersion != 1 || report.Accepted || report.Reason != "audience" || decisive == nil || decisive.ID != "audience" ||
		!slices.Equal(decisive.Got, []string{"https://other.example.com"}) || !slices.Contains(decisive.Want, explainedResource) || decisive.Fix == "" {
		t.Errorf("the report is %s", stdout)
	}
	var differ []string
	for _, d := range report.Differences {
		differ = append(differ, d.Name)
	}
	for _, want := range []string{"aud", "sub"} {
		if !slices.Contains(differ, want) {
			t.Errorf("%s is no difference: %v", want, differ)
		}
	}
}

func TestExplainNeedsWhatItCanUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token string
		args  []string
		want  string
	}{
		"nothing":             {want: "there is no token"},
		"white space":         {token: " \n", want: "there is no token"},
		"no key file":         {token: "a.b.c", args: []string{"--jwks", "nowhere"}, want: "--jwks"},
		"an odd time":         {token: "a.b.c", args: []string{"--at", "yesterday"}, want: "--at"},
		"an unknown provider": {token: "a.b.c", args: []string{"--provider", "nope"}, want: "no provider"},
		"a provider's config": {token: "a.b.c", args: []string{"--provider", "auth0"}, want: "MCP_USE_OAUTH_AUTH0_DOMAIN"},
		"nothing to compare":  {token: "a.b.c", args: []string{"--against", "nowhere"}, want: "--against"},
		"opaque to compare":   {token: "a.b.c", args: []string{"--against", written(t, "opaque")}, want: "only JWTs"},
		"an odd resource":     {token: "a.b.c", args: []string{"--resource", "mcp.example.com"}, want: "resource"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if code, _, stderr := explained(t, c.token, nil, c.args...); code != exitUsage || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d: %q, want %q", code, stderr, c.want)
			}
		})
	}
}

func TestATokenAsAnArgumentIsWarnedAbout(t *testing.T) {
	t.Parallel()
	if _, _, stderr := explained(t, "", nil, "opaque-token-of-a-provider"); !strings.Contains(stderr, "list of processes") {
		t.Errorf("standard error has %q", stderr)
	}
}
