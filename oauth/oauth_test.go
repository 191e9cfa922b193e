package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
)

// covers: T-OPS-03
func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	const value = "test-secret-value"
	config := struct {
		ID     string
		Secret oauth.Secret
		Nested struct{ Secret oauth.Secret }
	}{ID: "id", Secret: value}
	config.Nested.Secret = value
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("config", "secret", config.Secret, "whole", config)
	marshalled, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(marshalled), fmt.Sprintf("%x", config.Secret), fmt.Sprintf("%X %q", config.Secret, config.Secret)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		printed = append(printed, fmt.Sprintf(verb, config), fmt.Sprintf(verb, &config), fmt.Sprintf(verb, []oauth.Secret{value}))
	}
	for _, text := range printed {
		if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
			t.Errorf("the secret shows in %s", text)
		}
	}
	if config.Secret.Reveal() != value {
		t.Error("Reveal does not give the value")
	}
}

func TestWellKnownURLs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ got, want string }{
		"inserted before a path":                {oauth.InsertWellKnown("https://h/realms/x", "s"), "https://h/.well-known/s/realms/x"},
		"inserted without a path":               {oauth.InsertWellKnown("https://h", "s"), "https://h/.well-known/s"},
		"inserted with a trailing slash":        {oauth.InsertWellKnown("https://h/", "s"), "https://h/.well-known/s"},
		"inserted, slash behind a path dropped": {oauth.InsertWellKnown("https://h/p/", "s"), "https://h/.well-known/s/p"},
		"inserted keeps escapes":                {oauth.InsertWellKnown("https://h/a%20b", "s"), "https://h/.well-known/s/a%20b"},
		"appended behind a path":                {oauth.AppendWellKnown("https://h:8443/p", "s"), "https://h:8443/p/.well-known/s"},
		"appended after a trailing slash":       {oauth.AppendWellKnown("https://h/p/", "s"), "https://h/p/.well-known/s"},
		"at the root":                           {oauth.RootWellKnown("https://h/p", "s"), "https://h/.well-known/s"},
		"of something that is no URL":           {oauth.InsertWellKnown("nonsense", "s"), ""},
		"of a resource":                         {oauth.ProtectedResourceMetadataURL("https://h/mcp"), "https://h/.well-known/oauth-protected-resource/mcp"},
		"R8: of a resource with a slash":        {oauth.ProtectedResourceMetadataURL("https://h/mcp/"), "https://h/.well-known/oauth-protected-resource/mcp/"},
		"of a resource that is a host":          {oauth.ProtectedResourceMetadataURL("https://h/"), "https://h/.well-known/oauth-protected-resource"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", name, c.got, c.want)
		}
	}
	got := oauth.AuthorizationServerMetadataURLs("https://h/p")
	want := []string{
		"https://h/.well-known/oauth-authorization-server/p", "https://h/.well-known/openid-configuration/p",
		"https://h/p/.well-known/openid-configuration",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := oauth.AuthorizationServerMetadataURLs("https://h"); len(got) != 2 {
		t.Errorf("an issuer without path has two forms, got %q", got)
	}
}

// RS-11: upper-case scheme and host are accepted. A slash at the end is a part of the identifier.
// covers: RS-11, R8
func TestCanonicalResource(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://mcp.example.com/mcp":      "https://mcp.example.com/mcp",
		"HTTPS://MCP.Example.COM/Mcp":      "https://mcp.example.com/Mcp",
		"https://mcp.example.com/":         "https://mcp.example.com/",
		"https://mcp.example.com":          "https://mcp.example.com",
		"https://MCP.example.com/mcp/":     "https://mcp.example.com/mcp/",
		"https://mcp.example.com:443/mcp":  "https://mcp.example.com/mcp",
		"https://mcp.example.com:8443/mcp": "https://mcp.example.com:8443/mcp",
		"http://127.0.0.1:8080/mcp":        "http://127.0.0.1:8080/mcp",
		"http://[::1]:8080/mcp":            "http://[::1]:8080/mcp",
		"http://localhost:80/mcp":          "http://localhost/mcp",
		" https://mcp.example.com/mcp ":    "https://mcp.example.com/mcp",
	} {
		if got, err := oauth.CanonicalResource(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "mcp", "/mcp", "mcp.example.com/mcp", "http://mcp.example.com/mcp", "ftp://mcp.example.com", "https://u:p@mcp.example.com/mcp",
		"https://mcp.example.com/mcp#f", "https://mcp.example.com/mcp#", "https://mcp.example.com/mcp?q=1", "https://mcp.example.com/a/../mcp",
		"http://127.0.0.1.example.com/mcp", "https://mcp.example.com/%zz", "https://mcp.example.com/a/%2e%2E/mcp",
		"https://mcp.example.com/./mcp", "https://mcp.example.com/mcp//",
		"https://m\u00fcller.example.com/mcp", "https://m%C3%BCller.example.com/mcp", // a challenge could not carry the name
	} {
		if got, err := oauth.CanonicalResource(in); err == nil {
			t.Errorf("%q was accepted as %q", in, got)
		}
	}
}

func TestLoopbackHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "localhost.": true, "app.localhost": true, "127.0.0.1": true, "127.9.9.9": true,
		"::1": true, "[::1]": true, "::ffff:127.0.0.1": true,
		"example.com": false, "localhost.example.com": false, "notlocalhost": false, "10.0.0.1": false, "0.0.0.0": false,
		"127.1": false, "0x7f.0.0.1": false, "": false, "::1%lo": false,
	} {
		if got := plainurl.IsLoopbackHost(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}

func TestErrorsAreComparedByCodeAndReason(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := fmt.Errorf("wrapped: %w", oauth.InvalidToken(oauth.ReasonExpired, cause))
	for name, c := range map[string]struct {
		target error
		want   bool
	}{
		"its code":                    {oauth.ErrInvalidToken, true},
		"its code and reason":         {&oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonExpired}, true},
		"its code and another reason": {&oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonAudience}, false},
		"another code":                {oauth.ErrInsufficientScope, false},
		"its cause":                   {cause, true},
	} {
		if got := errors.Is(err, c.target); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	unknown := oauth.AsError(errors.New("database password is wrong"))
	if unknown.Status != http.StatusInternalServerError || strings.Contains(unknown.Description, "password") {
		t.Errorf("an unknown error becomes %d %q", unknown.Status, unknown.Description)
	}
}

// RS-6: whoever writes a provider returns the sentinels as they are.
// covers: RS-6
func TestAsErrorCompletesWhatSentinelsLeaveOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		code   oauth.Code
	}{
		"an invalid token":         {oauth.ErrInvalidToken, 401, oauth.CodeInvalidToken},
		"a wrapped sentinel":       {fmt.Errorf("revoked: %w", oauth.ErrInvalidToken), 401, oauth.CodeInvalidToken},
		"an outage":                {oauth.ErrTemporarilyUnavailable, 503, oauth.CodeTemporarilyUnavailable},
		"missing scopes":           {oauth.ErrInsufficientScope, 403, oauth.CodeInsufficientScope},
		"a malformed request":      {oauth.ErrInvalidRequest, 400, oauth.CodeInvalidRequest},
		"a code of another place":  {&oauth.Error{Code: oauth.CodeInvalidGrant}, 500, oauth.CodeServerError},
		"an error with no content": {&oauth.Error{}, 500, oauth.CodeServerError},
		"an error of its own":      {oauth.MissingScopes("a"), 403, oauth.CodeInsufficientScope},
		"any other error":          {errors.New("x"), 500, oauth.CodeServerError},
	} {
		got := oauth.AsError(c.err)
		if got.Status != c.status || got.Code != c.code || got.Description == "" {
			t.Errorf("%s: got %d %q %q", name, got.Status, got.Code, got.Description)
		}
		if c.status != 500 && !errors.Is(got, &oauth.Error{Code: c.code}) {
			t.Errorf("%s: the sentinel is lost", name)
		}
	}
	if oauth.ErrInvalidToken.Status != 0 {
		t.Error("a sentinel was changed")
	}
	cause := oauth.AsError(fmt.Errorf("revoked yesterday: %w", oauth.ErrInvalidToken)).Error()
	if !strings.Contains(cause, "revoked yesterday") {
		t.Errorf("the log reads %q", cause)
	}
}

func TestForLeavesTheErrorItselfAlone(t *testing.T) {
	t.Parallel()
	alice := &oauth.AuthInfo{Subject: "alice"}
	if got := oauth.ErrInsufficientScope.For(alice); got.Caller != alice || oauth.ErrInsufficientScope.Caller != nil {
		t.Errorf("got caller %v, the sentinel has %v", got.Caller, oauth.ErrInsufficientScope.Caller)
	}
}

// covers: T-OPS-03
func TestCallersPrintNeitherTokenNorClaims(t *testing.T) {
	t.Parallel()
	const hidden = "test-value-that-nobody-may-read"
	claims, err := oauth.NewClaims(map[string]any{"email": hidden})
	if err != nil {
		t.Fatal(err)
	}
	info := &oauth.AuthInfo{
		Issuer: "https://idp.example.com", Subject: "alice", Claims: claims, AccessToken: hidden,
		User: oauth.UserInfo{ID: "alice", Email: hidden, Extra: claims},
	}
	inside := struct{ Caller *oauth.AuthInfo }{info}
	for _, value := range []any{info, *info, inside, info.Claims, oauth.MissingScopes("a").For(info)} {
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		if _, logged := value.(slog.LogValuer); logged { // encoding/json decides about anything else
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		}
		printed := fmt.Sprintf("%v %+v %#v %s %q %d", value, value, value, value, value, value)
		if strings.Contains(log.String()+printed, hidden) {
			t.Errorf("%T prints %s and logs %s", value, printed, &log)
		}
	}
	if got := fmt.Sprint(info); got != "alice of https://idp.example.com" {
		t.Errorf("a caller prints as %q", got)
	}
}

func TestMessagesOfTheSeed(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		oauth.ErrMissingCredentials.Description:         "Missing Authorization header",
		oauth.InvalidToken("x", nil).Description:        "Invalid token",
		oauth.MissingScopes("a", "b").Description:       "Missing required scope(s): a, b",
		oauth.MissingAnyScope("a", "b").Description:     "Missing at least one required scope from: a, b",
		string(oauth.MissingScopes("a").Code):           "insufficient_scope",
		fmt.Sprint(oauth.MissingAnyScope("a").Status):   "403",
		fmt.Sprint(oauth.Unavailable(0, nil).Status):    "503",
		fmt.Sprint(oauth.InvalidToken("x", nil).Status): "401",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// RS-9: a broader scope satisfies a narrower need.
// covers: RS-9
func TestScopeHierarchy(t *testing.T) {
	t.Parallel()
	info := &oauth.AuthInfo{
		Scopes: []string{"admin"}, Permissions: []string{"reports:read"},
		Hierarchy: oauth.ScopeHierarchy{"admin": {"write"}, "write": {"read"}, "read": {"admin"}},
	}
	for name, c := range map[string]struct {
		got, want bool
	}{
		"the scope itself":             {info.HasAll("admin"), true},
		"a scope two levels below":     {info.HasAll("read", "write"), true},
		"a permission":                 {info.HasAll("reports:read", "read"), true},
		"an unrelated scope":           {info.HasAll("read", "delete"), false},
		"any of two":                   {info.HasAny("delete", "read"), true},
		"any of none":                  {info.HasAny(), false},
		"all of none":                  {info.HasAll(), true},
		"nothing upwards without loop": {(&oauth.AuthInfo{Scopes: []string{"read"}, Hierarchy: oauth.ScopeHierarchy{"write": {"read"}}}).HasAll("write"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v", name, c.got)
		}
	}
}

func TestParseScope(t *testing.T) {
	t.Parallel()
	if got := oauth.ParseScope(" a  b a "); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	for scope, want := range map[string]bool{"a:b/c.d": true, "": false, "a b": false, `a"b`: false, "a\\b": false, "ä": false, "a\n": false} {
		if oauth.ValidScope(scope) != want {
			t.Errorf("ValidScope(%q) is %v", scope, !want)
		}
	}
}

func TestContextCarriesTheCaller(t *testing.T) {
	t.Parallel()
	if _, ok := oauth.FromContext(context.Background()); ok {
		t.Error("an empty context has a caller")
	}
	if _, ok := oauth.FromContext(oauth.NewContext(context.Background(), nil)); ok {
		t.Error("a nil caller counts as one")
	}
	info := &oauth.AuthInfo{Subject: "alice"}
	if got, ok := oauth.FromContext(oauth.NewContext(context.Background(), info)); !ok || got != info {
		t.Errorf("got %v, %v", got, ok)
	}
}

func TestClaimsReadByPathAndExactName(t *testing.T) {
	t.Parallel()
	claims, err := oauth.ParseClaims(`{
		"sub":"alice","SUB":"mallory","realm_access":{"roles":["a","b"]},"https://x/roles":["c"],"one":"d",
		"mixed":["a",1],"verified":true,"exp":1700000000.5,"neg":-1,"big":1e300,"nil":null,"n":3
	}`)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ got, want any }{
		"a string":                      {claims.String("sub"), "alice"},
		"another case is another claim": {claims.String("Sub"), ""},
		"a nested list":                 {claims.Strings("realm_access", "roles"), []string{"a", "b"}},
		"a name with dots":              {claims.Strings("https://x/roles"), []string{"c"}},
		"a single string as list":       {claims.Strings("one"), []string{"d"}},
		"a list with a number":          {claims.Strings("mixed"), []string(nil)},
		"a missing list":                {claims.Strings("nope"), []string(nil)},
		"a path through a string":       {claims.String("sub", "x"), ""},
		"null is absent":                {claims.Has("nil"), false},
		"a number is no string":         {claims.String("n"), ""},
		"an object":                     {claims.Object("realm_access").Len(), 1},
		"a string is no object":         {claims.Object("sub").Len(), 0},
		"raw JSON":                      {string(claims.Raw("n")), "3"},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s: got %#v, want %#v", name, c.got, c.want)
		}
	}
	if at, ok := claims.Time("exp"); !ok || !at.Equal(time.Unix(1700000000, 5e8)) {
		t.Errorf("a time with fraction: got %v, %v", at, ok)
	}
	for _, name := range []string{"neg", "big", "sub", "nope", "verified"} {
		if _, ok := claims.Time(name); ok {
			t.Errorf("%s is no time", name)
		}
	}
	if v, ok := claims.Bool("verified"); !v || !ok {
		t.Error("a boolean is not read")
	}
	if strings.Contains(fmt.Sprintf("%v %+v %s", claims, claims, claims), "alice") {
		t.Error("claims print their values")
	}
}

func TestUserInfoMarshalsWithExtras(t *testing.T) {
	t.Parallel()
	claims, err := oauth.NewClaims(map[string]any{"email_verified": true, "org_id": "o1", "email": "not@this", "gone": nil})
	if err != nil {
		t.Fatal(err)
	}
	user := oauth.UserInfo{
		ID: "alice", Email: "alice@example.com", Roles: []string{"admin"},
		Extra: claims.Select([2]string{"organization_id", "org_id"}, [2]string{"email_verified", "email_verified"}, [2]string{"email", "email"}, [2]string{"gone", "gone"}),
	}
	got, err := json.Marshal(user)
	want := `{"email":"alice@example.com","email_verified":true,"organization_id":"o1","roles":["admin"],"userId":"alice"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestChallengeSurvivesItsOwnParser(t *testing.T) {
	t.Parallel()
	c := oauth.Challenge{
		Scheme: "Bearer", Realm: `a "b" \c`, Error: oauth.CodeInvalidToken, ErrorDescription: "Invalid token",
		Scope: "a b", ResourceMetadata: "https://h/.well-known/oauth-protected-resource/mcp",
	}
	if got := oauth.ParseChallenges([]string{c.String()}); len(got) != 1 || got[0] != c {
		t.Errorf("got %+v of %s", got, c)
	}
	split := oauth.Challenge{ErrorDescription: "a\r\nSet-Cookie: x=y"}.String()
	if strings.ContainsAny(split, "\r\n") {
		t.Errorf("a line break passes: %q", split)
	}
}

func TestParseChallenges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		want   []oauth.Challenge
	}{
		"nothing":                {nil, nil},
		"a scheme alone":         {[]string{"Bearer"}, []oauth.Challenge{{Scheme: "Bearer"}}},
		"two in one header":      {[]string{`Basic realm="x", Bearer error="invalid_token"`}, []oauth.Challenge{{Scheme: "Basic", Realm: "x"}, {Scheme: "Bearer", Error: "invalid_token"}}},
		"two headers":            {[]string{"Negotiate", "Bearer scope=a"}, []oauth.Challenge{{Scheme: "Negotiate"}, {Scheme: "Bearer", Scope: "a"}}},
		"unknown parameters":     {[]string{`Bearer foo="bar", scope="a b"`}, []oauth.Challenge{{Scheme: "Bearer", Scope: "a b"}}},
		"names in another case":  {[]string{`bearer Resource_Metadata="https://h"`}, []oauth.Challenge{{Scheme: "bearer", ResourceMetadata: "https://h"}}},
		"spaces around equals":   {[]string{`Bearer scope = "a"`}, []oauth.Challenge{{Scheme: "Bearer", Scope: "a"}}},
		"an open quote":          {[]string{`Bearer realm="x", scope="a`}, []oauth.Challenge{{Scheme: "Bearer", Realm: "x"}}},
		"a parameter first":      {[]string{`scope="a"`}, nil},
		"a comma in a quotation": {[]string{`Bearer realm="a, b", scope=c`}, []oauth.Challenge{{Scheme: "Bearer", Realm: "a, b", Scope: "c"}}},
	} {
		if got := oauth.ParseChallenges(c.values); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Basic realm="x", Bearer error="invalid_token", resource_metadata="https://h"`)
	f.Add(`Bearer a=b,,c = "d\"`)
	f.Fuzz(func(t *testing.T, value string) {
		for _, c := range oauth.ParseChallenges([]string{value}) {
			if strings.ContainsAny(c.String(), "\r\n") {
				t.Fatalf("%q yields a challenge with a line break", value)
			}
		}
	})
}

func FuzzCanonicalResource(f *testing.F) {
	f.Add("HTTPS://MCP.Example.COM:443/mcp/")
	f.Add("http://[::1]:80/a%2fb")
	f.Fuzz(func(t *testing.T, resource string) {
		canonical, err := oauth.CanonicalResource(resource)
		if err != nil {
			return
		}
		if again, err := oauth.CanonicalResource(canonical); err != nil || again != canonical {
			t.Fatalf("%q is %q, which is %q (%v)", resource, canonical, again, err)
		}
	})
}
