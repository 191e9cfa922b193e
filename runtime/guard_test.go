package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// fakeProvider accepts the tokens it lists.
type fakeProvider struct {
	callers map[string]*oauth.AuthInfo
	err     error
	asked   func(token, resource string)
}

func (p *fakeProvider) Describe() oauth.Description {
	return oauth.Description{
		Name: "fake", Title: "Fake", Mode: oauth.Direct, Issuer: "https://idp.example.com/tenant",
		Endpoints:           oauth.Endpoints{Authorization: "https://idp.example.com/a", Token: "https://idp.example.com/t"},
		ScopesSupported:     []string{"openid", "email", "offline_access"},
		GrantTypesSupported: []string{"authorization_code"},
	}
}

func (p *fakeProvider) Verify(_ context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	token, resource := presented.Token.Reveal(), presented.Resource
	if p.asked != nil {
		p.asked(token, resource)
	}
	if p.err != nil {
		return nil, p.err
	}
	if info, ok := p.callers[token]; ok {
		return info, nil
	}
	return nil, oauth.InvalidToken(oauth.ReasonBadSignature, errors.New("cause that is for logs"))
}

func alice() *fakeProvider {
	return &fakeProvider{callers: map[string]*oauth.AuthInfo{
		"good": {Provider: "fake", Issuer: "https://idp.example.com/tenant", Subject: "alice", Scopes: []string{"email", "offline_access", "read"}},
	}}
}

const resource = "https://mcp.example.com/mcp"

func newGuard(t *testing.T, p oauth.Provider, change func(*runtime.GuardConfig)) *runtime.Guard {
	t.Helper()
	config := runtime.GuardConfig{Resource: resource, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&config)
	}
	g, err := runtime.NewGuard(p, config)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// whoever answers with the caller's subject.
var whoever = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	info, _ := oauth.FromContext(r.Context())
	_, _ = io.WriteString(w, "caller "+info.Subject)
})

func send(h http.Handler, method, target string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func challengeOf(t *testing.T, response *http.Response) oauth.Challenge {
	t.Helper()
	list := oauth.ParseChallenges(response.Header.Values("WWW-Authenticate"))
	if len(list) != 1 {
		t.Fatalf("got %d challenges in %q", len(list), response.Header.Values("WWW-Authenticate"))
	}
	return list[0]
}

func bodyOf(t *testing.T, response *http.Response) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body
}

const wrongFormat = `Invalid Authorization header format, expected "Bearer TOKEN"`

// RS-4, RS-6, RS-7: nothing but one well-formed credential in the header reaches the handler.
// covers: T-TOK-14, T-TOK-15, RS-4, RS-6, RS-7
func TestGuardAcceptsOneWellFormedCredential(t *testing.T) {
	t.Parallel()
	handler := newGuard(t, alice(), nil).Protect(whoever)
	for name, c := range map[string]struct {
		method, target string
		header         []string
		status         int
		body           string
	}{
		"accepts a bearer token":                      {header: []string{"Bearer good"}, status: 200},
		"accepts the scheme in lower case":            {header: []string{"bearer good"}, status: 200},
		"refuses no header":                           {status: 401, body: "Missing Authorization header"},
		"refuses an empty header":                     {header: []string{""}, status: 401, body: "Missing Authorization header"},
		"refuses HEAD without a token":                {method: http.MethodHead, status: 401},
		"refuses OPTIONS that is no preflight":        {method: http.MethodOptions, status: 401},
		"refuses an unknown method without a token":   {method: "PURGE", status: 401},
		"refuses an unknown token":                    {header: []string{"Bearer bad"}, status: 401, body: "Invalid token"},
		"refuses two headers":                         {header: []string{"Bearer good", "Bearer good"}, status: 401, body: wrongFormat},
		"refuses two tokens in a header":              {header: []string{"Bearer good, Bearer good"}, status: 401, body: wrongFormat},
		"refuses the scheme twice":                    {header: []string{"Bearer Bearer good"}, status: 401, body: wrongFormat},
		"refuses trailing junk":                       {header: []string{"Bearer good junk"}, status: 401, body: wrongFormat},
		"refuses a trailing space":                    {header: []string{"Bearer good "}, status: 401, body: wrongFormat},
		"refuses two spaces":                          {header: []string{"Bearer  good"}, status: 401, body: wrongFormat},
		"refuses a tab":                               {header: []string{"Bearer\tgood"}, status: 401, body: wrongFormat},
		"refuses no space":                            {header: []string{"Bearergood"}, status: 401, body: wrongFormat},
		"refuses the scheme alone":                    {header: []string{"Bearer"}, status: 401, body: wrongFormat},
		"refuses an empty token":                      {header: []string{"Bearer "}, status: 401, body: wrongFormat},
		"refuses padding alone":                       {header: []string{"Bearer ="}, status: 401, body: wrongFormat},
		"refuses padding inside":                      {header: []string{"Bearer go=od"}, status: 401, body: wrongFormat},
		"refuses another scheme":                      {header: []string{"Basic good"}, status: 401, body: wrongFormat},
		"refuses another scheme of six letters":       {header: []string{"Digest good"}, status: 401, body: wrongFormat},
		"refuses the DPoP scheme":                     {header: []string{"DPoP good"}, status: 401, body: wrongFormat},
		"refuses a token that is not ASCII":           {header: []string{"Bearer g\u00f6\u00f6d"}, status: 401, body: wrongFormat},
		"refuses a token in the query":                {target: "/mcp?access_token=good", status: 401, body: "Missing Authorization header"},
		"refuses a token in the query and the header": {target: "/mcp?access_token=good", header: []string{"Bearer good"}, status: 400},
		"refuses a token of 1 MB":                     {header: []string{"Bearer " + strings.Repeat("a", 1<<20)}, status: 401, body: "Invalid token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, method := c.target, c.method
			if target == "" {
				target = "/mcp"
			}
			if method == "" {
				method = http.MethodPost
			}
			response := send(handler, method, target, http.Header{"Authorization": c.header})
			if response.StatusCode != c.status {
				t.Fatalf("got %s, want %d", response.Status, c.status)
			}
			if c.status == 200 {
				return
			}
			if c.body != "" && bodyOf(t, response)["error"] != c.body {
				t.Errorf("the body is not %q", c.body)
			}
			challenge := challengeOf(t, response)
			if sent := len(c.header) > 0 && c.header[0] != ""; sent == (challenge.Error == "") || sent == (challenge.ErrorDescription == "") {
				t.Errorf("credentials sent: %v, but the challenge's error is %q (RFC 6750 section 3.1)", sent, challenge.Error)
			}
			if response.Header.Get("Cache-Control") != "no-store" {
				t.Error("a refusal may be cached")
			}
		})
	}
}

// covers: RS-2, RS-3, RS-10
func TestChallengeNamesMetadataAndScopes(t *testing.T) {
	t.Parallel()
	g := newGuard(t, alice(), func(c *runtime.GuardConfig) {
		c.Scopes, c.Subpaths = []string{"read"}, []string{"/sse"}
	})
	handler := g.Protect(whoever)
	for target, want := range map[string]string{
		"/mcp":          "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
		"/mcp/messages": "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
		"/mcp/sse":      "https://mcp.example.com/.well-known/oauth-protected-resource/mcp/sse",
		"/mcp/sse/x":    "https://mcp.example.com/.well-known/oauth-protected-resource/mcp/sse",
		"/mcp/sseven":   "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
		"/admin":        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
	} {
		challenge := challengeOf(t, send(handler, http.MethodGet, target, nil))
		if challenge.ResourceMetadata != want {
			t.Errorf("%s: resource_metadata is %q, want %q", target, challenge.ResourceMetadata, want)
		}
		if challenge.Scope != "openid email read" {
			t.Errorf("%s: scope is %q", target, challenge.Scope)
		}
	}
}

// RS-12: a session's id is no credential.
// covers: RS-12
func TestASessionIsNoCredential(t *testing.T) {
	t.Parallel()
	handler := newGuard(t, alice(), nil).Protect(whoever)
	for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
		session := http.Header{"Mcp-Session-Id": {"1868a90c-f3f2-4a5c-9e3b-2a1d4f6b7c8d"}}
		response := send(handler, method, "/mcp", session)
		if response.StatusCode != 401 || bodyOf(t, response)["error"] != "Missing Authorization header" {
			t.Errorf("%s without a token: got %s", method, response.Status)
		}
		session.Set("Authorization", "Bearer bad")
		if response := send(handler, method, "/mcp", session); response.StatusCode != 401 {
			t.Errorf("%s with another token: got %s", method, response.Status)
		}
	}
}

// RS-5: the provider is asked about the endpoint's own resource.
// covers: RS-5
func TestGuardVerifiesForTheEndpointsOwnResource(t *testing.T) {
	t.Parallel()
	p := alice()
	asked := map[string]bool{}
	p.asked = func(_, resource string) { asked[resource] = true }
	handler := newGuard(t, p, func(c *runtime.GuardConfig) { c.Subpaths = []string{"/sse"} }).Protect(whoever)
	for _, target := range []string{"/mcp", "/mcp/sse"} {
		send(handler, http.MethodGet, target, http.Header{"Authorization": {"Bearer good"}, "X-Forwarded-Host": {"evil.example.com"}})
	}
	if want := map[string]bool{resource: true, resource + "/sse": true}; !reflect.DeepEqual(asked, want) {
		t.Errorf("asked about %v", asked)
	}
}

// RS-5: a request cannot choose another of the resource's audiences by writing its path differently
// than the router reads it.
// covers: RS-5
func TestEndpointIsTheOneThatRoutersFind(t *testing.T) {
	t.Parallel()
	p := alice()
	var asked string
	p.asked = func(_, resource string) { asked = resource }
	handler := newGuard(t, p, func(c *runtime.GuardConfig) { c.Subpaths = []string{"/sse"} }).Protect(whoever)
	for target, want := range map[string]string{
		"/mcp/sse":              resource + "/sse",
		"/mcp/sse/":             resource + "/sse",
		"/mcp/sse/x":            resource + "/sse",
		"/mcp%2Fsse":            resource, // one segment for routers
		"/mcp/sse%2f..%2fadmin": resource,
		"/MCP/SSE":              resource,
		"/mcp/ssesame":          resource,
		"/mcp/a/../b":           resource,
		// Where one router finds one endpoint and another the other, none is asked for.
		"/mcp/%73se":           "",
		"/mcp/s%73e/x":         "",
		"/mcp/./sse":           "",
		"/mcp/x/../sse":        "",
		"/mcp//sse":            "",
		"/mcp/sse/../admin":    "",
		"/mcp/sse/../../admin": "",
		"/mcp/sse/%2e%2e/x":    "",
	} {
		asked = ""
		response := send(handler, http.MethodGet, target, http.Header{"Authorization": {"Bearer good"}})
		if asked != want || (want == "") != (response.StatusCode == http.StatusBadRequest) {
			t.Errorf("%s: asked about %q, want %q: %s", target, asked, want, response.Status)
		}
	}
}

// RS-6: a hand-written provider may return the sentinels, as its interface says.
// covers: RS-6
func TestSentinelsOfAProviderBecomeAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"an invalid token":   {oauth.ErrInvalidToken, 401, "Invalid token"},
		"a wrapped sentinel": {fmt.Errorf("revoked: %w", oauth.ErrInvalidToken), 401, "Invalid token"},
		"an outage":          {oauth.ErrTemporarilyUnavailable, 503, "The identity provider cannot be reached, try again later"},
		"missing scopes":     {oauth.ErrInsufficientScope, 403, "insufficient_scope"},
	} {
		p := alice()
		p.err = c.err
		response := send(newGuard(t, p, nil).Protect(whoever), http.MethodGet, "/mcp", http.Header{"Authorization": {"Bearer good"}})
		if body := bodyOf(t, response); response.StatusCode != c.status || body["error"] != c.body {
			t.Errorf("%s: got %s %v", name, response.Status, body)
		}
	}
}

// covers: T-OPS-03
func TestGuardsPrintNoSecret(t *testing.T) {
	t.Parallel()
	const hidden = "test-key-that-nobody-may-read"
	g := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.Proxy.SealingKeys = []oauth.Secret{hidden} })
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if printed := fmt.Sprintf(verb, g); strings.Contains(printed, hidden) || !strings.Contains(printed, resource) {
			t.Errorf("%s prints %s", verb, printed)
		}
	}
}

// RS-6, RS-8: missing scopes are a 403 that names all that is needed, without offline_access.
// covers: RS-6, RS-8, RS-9
func TestMissingScopes(t *testing.T) {
	t.Parallel()
	g := newGuard(t, alice(), nil)
	bearer := http.Header{"Authorization": {"Bearer good"}}
	t.Run("of a route", func(t *testing.T) {
		t.Parallel()
		response := send(g.Protect(g.RequireScope("read", "write", "admin")(whoever)), http.MethodGet, "/admin", bearer)
		want := map[string]any{
			"error": "insufficient_scope", "required": []any{"read", "write", "admin"},
			"granted_scopes": []any{"email", "offline_access", "read"}, "granted_permissions": []any{},
			"message": "Missing required scope(s): read, write, admin",
		}
		if got := bodyOf(t, response); response.StatusCode != 403 || !reflect.DeepEqual(got, want) {
			t.Errorf("got %s %v", response.Status, got)
		}
		challenge := challengeOf(t, response)
		if challenge.Error != oauth.CodeInsufficientScope || challenge.Scope != "email read write admin" || challenge.ResourceMetadata == "" {
			t.Errorf("got challenge %s", challenge)
		}
	})
	t.Run("of a route that needs any", func(t *testing.T) {
		t.Parallel()
		response := send(g.Protect(g.RequireAnyScope("write", "admin")(whoever)), http.MethodGet, "/admin", bearer)
		got := bodyOf(t, response)
		if response.StatusCode != 403 || got["message"] != "Missing at least one required scope from: write, admin" ||
			!reflect.DeepEqual(got["required_any"], []any{"write", "admin"}) {
			t.Errorf("got %s %v", response.Status, got)
		}
		if scope := challengeOf(t, response).Scope; scope != "email read write" {
			t.Errorf("one of several is enough, the challenge asks for %q", scope)
		}
	})
	t.Run("of the whole resource", func(t *testing.T) {
		t.Parallel()
		handler := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.Scopes = []string{"tools"} }).Protect(whoever)
		if response := send(handler, http.MethodGet, "/mcp", bearer); response.StatusCode != 403 {
			t.Errorf("got %s", response.Status)
		}
	})
	t.Run("of the whole resource, of which the caller has one", func(t *testing.T) {
		t.Parallel()
		handler := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.Scopes = []string{"read", "tools"} }).Protect(whoever)
		response := send(handler, http.MethodGet, "/mcp", bearer)
		if got := bodyOf(t, response); response.StatusCode != 403 || !reflect.DeepEqual(got["required"], []any{"read", "tools"}) {
			t.Errorf("got %s %v", response.Status, got)
		}
	})
	t.Run("but not where one is enough", func(t *testing.T) {
		t.Parallel()
		response := send(g.Protect(g.RequireAnyScope("write", "read")(whoever)), http.MethodGet, "/admin", bearer)
		if response.StatusCode != 200 {
			t.Errorf("got %s", response.Status)
		}
	})
	t.Run("but not those that a broader one includes", func(t *testing.T) {
		t.Parallel()
		h := newGuard(t, alice(), func(c *runtime.GuardConfig) {
			c.Scopes, c.Hierarchy = []string{"read:one"}, oauth.ScopeHierarchy{"read": {"read:one"}}
		})
		if response := send(h.Protect(h.RequireScope("read:one")(whoever)), http.MethodGet, "/mcp", bearer); response.StatusCode != 200 {
			t.Errorf("got %s", response.Status)
		}
	})
}

// covers: T-TOK-19
func TestProviderOutageIsNever401(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		retry  string
	}{
		"an outage":              {oauth.Unavailable(30*time.Second, errors.New("dial tcp")), 503, "30"},
		"an outage for a moment": {oauth.Unavailable(300*time.Millisecond, errors.New("dial tcp")), 503, "1"},
		"an outage of no length": {oauth.Unavailable(0, errors.New("dial tcp")), 503, ""},
		"an unknown failure":     {errors.New("secret detail"), 500, ""},
	} {
		p := alice()
		p.err = c.err
		response := send(newGuard(t, p, nil).Protect(whoever), http.MethodGet, "/mcp", http.Header{"Authorization": {"Bearer good"}})
		if response.StatusCode != c.status || response.Header.Get("Retry-After") != c.retry {
			t.Errorf("%s: got %s, Retry-After %q", name, response.Status, response.Header.Get("Retry-After"))
		}
		if challenges := response.Header.Values("WWW-Authenticate"); len(challenges) != 0 {
			t.Errorf("%s: a client is sent to log in by %q", name, challenges)
		}
		if body := bodyOf(t, response)["error"].(string); strings.Contains(body, "detail") || strings.Contains(body, "dial") {
			t.Errorf("%s: the client reads %q", name, body)
		}
	}
}

// covers: T-OPS-03
func TestRefusalsAreLoggedWithReasonAndWithoutToken(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	g := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	send(g.Protect(whoever), http.MethodGet, "/mcp?code=hidden", http.Header{"Authorization": {"Bearer some-bad-token"}})
	if !strings.Contains(log.String(), "reason=bad_signature") || !strings.Contains(log.String(), "cause that is for logs") {
		t.Errorf("the log is %s", &log)
	}
	if strings.Contains(log.String(), "some-bad-token") || strings.Contains(log.String(), "hidden") {
		t.Errorf("the log holds a secret: %s", &log)
	}
}

// covers: RS-1, RS-2, RS-10
func TestProtectedResourceMetadata(t *testing.T) {
	t.Parallel()
	g := newGuard(t, alice(), func(c *runtime.GuardConfig) {
		c.Subpaths, c.Name, c.Scopes = []string{"/sse"}, "Example", []string{"read"}
	})
	for path, want := range map[string]string{
		"/.well-known/oauth-protected-resource":         resource,
		"/.well-known/oauth-protected-resource/mcp":     resource,
		"/.well-known/oauth-protected-resource/mcp/sse": resource + "/sse",
	} {
		response := send(g.Handler(), http.MethodGet, path, http.Header{"Origin": {"https://anywhere.example"}, "Host": {"evil"}})
		got := bodyOf(t, response)
		if response.StatusCode != 200 || got["resource"] != want {
			t.Errorf("%s: got %s %v", path, response.Status, got)
		}
		if !reflect.DeepEqual(got["authorization_servers"], []any{"https://idp.example.com/tenant"}) {
			t.Errorf("%s: authorization_servers is %v", path, got["authorization_servers"])
		}
		if !reflect.DeepEqual(got["scopes_supported"], []any{"openid", "email", "read"}) || got["resource_name"] != "Example" {
			t.Errorf("%s: got %v", path, got)
		}
		if response.Header.Get("Access-Control-Allow-Origin") != "*" || response.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers are %v", path, response.Header)
		}
	}
	for method, status := range map[string]int{http.MethodHead: 200, http.MethodOptions: 204, http.MethodPost: 405} {
		if response := send(g.Handler(), method, "/.well-known/oauth-protected-resource", nil); response.StatusCode != status {
			t.Errorf("%s: got %s", method, response.Status)
		}
	}
	if response := send(g.Handler(), http.MethodGet, "/.well-known/other", nil); response.StatusCode != 404 {
		t.Errorf("another path: got %s", response.Status)
	}
}

func TestScopesAreOmittedWhenThereAreNone(t *testing.T) {
	t.Parallel()
	g := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.ScopesSupported = []string{} })
	if got := bodyOf(t, send(g.Handler(), http.MethodGet, "/.well-known/oauth-protected-resource", nil)); got["scopes_supported"] != nil {
		t.Errorf("got %v", got)
	}
	if challenge := challengeOf(t, send(g.Protect(whoever), http.MethodGet, "/mcp", nil)); challenge.Scope != "" {
		t.Errorf("got %s", challenge)
	}
}

func TestHandwrittenProviderGetsSynthesisedMetadata(t *testing.T) {
	t.Parallel()
	g := newGuard(t, alice(), nil)
	for _, path := range []string{
		"/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/mcp", "/.well-known/oauth-authorization-server/tenant",
	} {
		got := bodyOf(t, send(g.Handler(), http.MethodGet, path, nil))
		if got["issuer"] != "https://idp.example.com/tenant" || !reflect.DeepEqual(got["code_challenge_methods_supported"], []any{"S256"}) {
			t.Errorf("%s: got %v", path, got)
		}
	}
}

func TestPreflightIsNever401(t *testing.T) {
	t.Parallel()
	preflight := func(origin string) http.Header {
		return http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization"}}
	}
	listed := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.AllowedOrigins = []string{"https://app.example.com"} })
	anyone := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.AllowedOrigins = []string{"*"} })
	withPort := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.AllowedOrigins = []string{"HTTPS://app.example.com:443"} })
	for name, c := range map[string]struct {
		guard  *runtime.Guard
		origin string
		allow  string
	}{
		"permits a listed origin":          {listed, "https://app.example.com", "https://app.example.com"},
		"permits one listed with its port": {withPort, "https://app.example.com", "https://app.example.com"},
		"gives a foreign origin nothing":   {listed, "https://evil.example.com", ""},
		"gives a lookalike nothing":        {listed, "https://app.example.com.evil.com", ""},
		"gives the null origin nothing":    {listed, "null", ""},
		"permits every origin with a star": {anyone, "https://evil.example.com", "https://evil.example.com"},
		"permits nobody by default":        {newGuard(t, alice(), nil), "https://app.example.com", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := send(c.guard.Protect(whoever), http.MethodOptions, "/mcp", preflight(c.origin))
			if response.StatusCode != 204 || response.Header.Get("Access-Control-Allow-Origin") != c.allow {
				t.Errorf("got %s, %v", response.Status, response.Header)
			}
			if allowed := response.Header.Get("Access-Control-Allow-Headers") != ""; allowed != (c.allow != "") {
				t.Errorf("headers allowed: %v", allowed)
			}
			if response.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials mode is allowed")
			}
		})
	}
}

// A preflight request with a token must have no effect, and what is none must not be answered like
// one.
func TestPreflightReachesNoHandler(t *testing.T) {
	t.Parallel()
	var reached string
	handler := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.AllowedOrigins = []string{"*"} }).Protect(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r.Method }))
	header := http.Header{
		"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"}, "Authorization": {"Bearer good"},
	}
	for method, want := range map[string]string{http.MethodOptions: "", http.MethodPost: http.MethodPost, http.MethodGet: http.MethodGet} {
		reached = ""
		if send(handler, method, "/mcp", header); reached != want {
			t.Errorf("%s: the handler saw %q", method, reached)
		}
	}
	delete(header, "Authorization")
	if response := send(handler, http.MethodPost, "/mcp", header); response.StatusCode != 401 {
		t.Errorf("POST without a token: %s", response.Status)
	}
}

func TestBrowsersMayReadTheChallenge(t *testing.T) {
	t.Parallel()
	handler := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.AllowedOrigins = []string{"https://app.example.com"} }).Protect(whoever)
	for _, authorization := range []string{"", "Bearer bad", "Bearer good"} {
		response := send(handler, http.MethodPost, "/mcp", http.Header{"Origin": {"https://app.example.com"}, "Authorization": {authorization}})
		if !strings.Contains(response.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") ||
			response.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || response.Header.Get("Vary") != "Origin" {
			t.Errorf("%s: headers are %v", response.Status, response.Header)
		}
	}
}

func TestLandingPageIsForBrowsersWithoutToken(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "welcome") })
	handler := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.LandingPage = page }).Protect(whoever)
	html := "text/html,application/xhtml+xml"
	for name, c := range map[string]struct {
		method, accept, authorization string
		status                        int
	}{
		"a browser sees the page":                {http.MethodGet, html, "", 200},
		"a POST needs a token":                   {http.MethodPost, html, "", 401},
		"a stream needs a token":                 {http.MethodGet, html + ", text/event-stream", "", 401},
		"an API client needs a token":            {http.MethodGet, "*/*", "", 401},
		"a bad token is refused, not welcomed":   {http.MethodGet, html, "Bearer bad", 401},
		"a junk header is refused, not welcomed": {http.MethodGet, html, "x", 401},
	} {
		response := send(handler, c.method, "/mcp", http.Header{"Accept": {c.accept}, "Authorization": {c.authorization}})
		if c.authorization == "" {
			response = send(handler, c.method, "/mcp", http.Header{"Accept": {c.accept}})
		}
		if response.StatusCode != c.status {
			t.Errorf("%s: got %s", name, response.Status)
		}
		if vary := response.Header.Get("Vary"); c.status == 200 && vary != "Accept, Authorization" {
			t.Errorf("%s: a cache may show the page to clients, Vary is %q", name, vary)
		}
	}
}

func TestGuardConfigurationMistakes(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]runtime.GuardConfig{
		"no resource":           {},
		"a path as resource":    {Resource: "/mcp"},
		"plain http":            {Resource: "http://mcp.example.com/mcp"},
		"a subpath without /":   {Resource: resource, Subpaths: []string{"sse"}},
		"a subpath with a dot":  {Resource: resource, Subpaths: []string{"/../x"}},
		"an origin with a path": {Resource: resource, AllowedOrigins: []string{"https://app.example.com/"}},
		"an origin without //":  {Resource: resource, AllowedOrigins: []string{"app.example.com"}},
		"an origin's pattern":   {Resource: resource, AllowedOrigins: []string{"https://*.example.com"}},
		"two scopes in one":     {Resource: resource, Scopes: []string{"read write"}},
		"an empty scope":        {Resource: resource, ScopesSupported: []string{""}},

		"R8: two slashes at the end":       {Resource: resource + "//"},
		"R9: a prefix without a slash":     {Resource: host + "/api/mcp", ExternalPrefix: "api"},
		"R9: a prefix with one behind":     {Resource: host + "/api/mcp", ExternalPrefix: "/api/"},
		"R9: a prefix with a dot segment":  {Resource: host + "/api/mcp", ExternalPrefix: "/x/../api"},
		"R9: a prefix with a query":        {Resource: host + "/api/mcp", ExternalPrefix: "/api?x"},
		"R9: a prefix with a space":        {Resource: host + "/a%20b/mcp", ExternalPrefix: "/a b"},
		"R9: a prefix that is a URL":       {Resource: host + "/api/mcp", ExternalPrefix: host + "/api"},
		"R9: a resource beside the prefix": {Resource: host + "/apis/mcp", ExternalPrefix: "/api"},
		"R9: metadata by plain http":       {Resource: resource, ResourceMetadataURL: "http://mcp.example.com/metadata"},
		"R9: metadata at a path":           {Resource: resource, ResourceMetadataURL: "/metadata"},
		"R9: metadata with a fragment":     {Resource: resource, ResourceMetadataURL: host + "/metadata#x"},
		"R9: metadata with a quote":        {Resource: resource, ResourceMetadataURL: host + `/"metadata"`},
	} {
		if _, err := runtime.NewGuard(alice(), config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	var forgotten *runtime.Provider // of a New whose error nobody looked at
	if _, err := runtime.NewGuard(forgotten, runtime.GuardConfig{Resource: resource}); err == nil {
		t.Error("a nil *Provider: accepted")
	}
	if _, err := runtime.NewGuard(anonymous{alice()}, runtime.GuardConfig{Resource: resource}); err == nil { // RS-1
		t.Error("a provider without issuer: accepted")
	}
	if _, err := runtime.NewGuard(nil, runtime.GuardConfig{Resource: resource}); err == nil {
		t.Error("a nil provider: accepted")
	}
}

// RS-12: sessions are bound to issuer and subject. Callers without a subject would all be one user.
// covers: RS-12
func TestProviderWithoutCallerIsAnError(t *testing.T) {
	t.Parallel()
	for name, info := range map[string]*oauth.AuthInfo{"nobody": nil, "somebody without subject": {User: oauth.UserInfo{ID: "alice"}}} {
		p := &fakeProvider{callers: map[string]*oauth.AuthInfo{"good": info}}
		response := send(newGuard(t, p, nil).Protect(whoever), http.MethodGet, "/mcp", http.Header{"Authorization": {"Bearer good"}})
		if response.StatusCode != 500 {
			t.Errorf("%s: got %s", name, response.Status)
		}
	}
}

// anonymous is a provider that names no issuer.
type anonymous struct{ oauth.Provider }

func (anonymous) Describe() oauth.Description { return oauth.Description{Name: "anonymous"} }

// A path of a resource or an issuer is text: no router may read it as a pattern.
func TestHandlerServesPathsOfAllCharacters(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"https://mcp.example.com/{id}", "https://mcp.example.com/a{b", "https://mcp.example.com/my%20server", "https://mcp.example.com/a:b/*"} {
		p := issuedAt{alice(), address}
		h := newGuard(t, p, func(c *runtime.GuardConfig) { c.Resource = address }).Handler()
		for _, suffix := range []string{oauth.WellKnownProtectedResource, oauth.WellKnownAuthorizationServer} {
			own := strings.TrimPrefix(oauth.InsertWellKnown(address, suffix), "https://mcp.example.com")
			if response := send(h, http.MethodGet, own, nil); response.StatusCode != 200 {
				t.Errorf("%s: got %s", own, response.Status)
			}
		}
		if response := send(h, http.MethodGet, "/.well-known/oauth-protected-resource/other", nil); response.StatusCode != 404 {
			t.Errorf("%s: another path got %s", address, response.Status)
		}
	}
}

// issuedAt is a provider with another issuer.
type issuedAt struct {
	oauth.Provider

	issuer string
}

func (p issuedAt) Describe() oauth.Description {
	return oauth.Description{Name: "elsewhere", Issuer: p.issuer}
}

// covers: RS-2
func TestRootFormBelongsToAResourceWithoutPath(t *testing.T) {
	t.Parallel()
	for address, shared := range map[string]bool{"https://mcp.example.com": false, resource: true} {
		g := newGuard(t, alice(), func(c *runtime.GuardConfig) { c.Resource = address })
		for _, r := range g.Routes() {
			if r.Path == "/.well-known/oauth-protected-resource" && r.Shared != shared {
				t.Errorf("%s: the root document is shared: %v", address, r.Shared)
			}
		}
	}
}
