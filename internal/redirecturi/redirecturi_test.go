package redirecturi_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
)

// AS-6. Threats, proxy mode: redirect URIs with userinfo, fragment, dot segments, encoded host,
// javascript:, data:.
// covers: T-PRX-02, AS-6
func TestRedirectURIs(t *testing.T) {
	t.Parallel()
	schemes := []string{"cursor", "com.example.app"}
	for _, uri := range []string{
		"https://client.example.com", "https://client.example.com/", "https://client.example.com/callback",
		"https://client.example.com:8443/callback", "https://client.example.com/callback?tenant=1&x=y",
		"https://xn--bcher-kva.example/cb", "https://under_score.example/cb", "https://192.0.2.1/cb", "https://[2001:db8::1]/cb",
		"https://client.example.com/a%20b", "https://client.example.com/~user/..x/.y",
		"http://localhost/cb", "http://localhost:33418/cb", "http://127.0.0.1:1/", "http://127.0.0.1", "http://[::1]:8080/cb",
		"https://localhost:8443/cb", "cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/oauth2redirect",
	} {
		if _, err := redirecturi.Parse(uri, schemes); err != nil {
			t.Errorf("refuses %s: %v", uri, err)
		}
	}
	for _, uri := range []string{
		"", "callback", "/callback", "//client.example.com/cb", "https://", "https:///cb", "https:client.example.com/cb",
		"http://client.example.com/cb", "http://localhost.example.com/cb", "http://foo.localhost/cb", "http://127.0.0.2/cb",
		"http://0.0.0.0/cb", "http://[::]/cb", "http://[::ffff:127.0.0.1]/cb", "http://127.1/cb", "http://2130706433/cb",
		"http://0x7f000001/cb", "http://0177.0.0.1/cb", "https://2130706433/cb", "https://0x7f.1/cb", "https://127.1/cb",
		"https://1.2.3.4.5/cb", "https://client.example.1/cb",
		"https://user@client.example.com/cb", "https://user:pass@client.example.com/cb", "https://client.example.com@evil.example/cb",
		"https://client.example.com#f", "https://client.example.com/cb#", "https://client.example.com/cb#f",
		"https://client.example.com/../cb", "https://client.example.com/a/./cb", "https://client.example.com/%2e%2e/cb",
		"https://client.example.com/%2E./cb", "https://client.example.com/a%2f..%2fcb", "https://client.example.com/a%5c..%5ccb",
		"https://client.example.com/%252e%252e/cb", "https://client.example.com/a%252f..%252fcb", "https://client.example.com/..;x/cb",
		"https://client%2eexample.com/cb", "https://client.example.com%2f.evil.example/cb", "https://client.example.com\\@evil.example/",
		"https://client.example.com\\.evil.example/cb", "https://cliënt.example.com/cb", "https://client。example.com/cb",
		"HTTPS://client.example.com/cb", "https://Client.example.com/cb", "https://client.example.com./cb", "https://.example.com/cb",
		"https://-a.example.com/cb", "https://*.example.com/cb", "https://client..example.com/cb",
		"https://client.example.com:/cb", "https://client.example.com:0/cb", "https://client.example.com:65536/cb",
		"https://client.example.com:0443/cb", "https://client.example.com:+443/cb",
		"https://client.example.com/cb?code=1", "https://client.example.com/cb?x=1&state=2", "https://client.example.com/cb?iss=x",
		"https://client.example.com/cb?error=x", "https://client.example.com/cb?%63ode=1", "https://client.example.com/cb?a;b",
		"https://client.example.com/cb?%zz", "https://client.example.com/c b", "https://client.example.com/cb\r\nX: y",
		"https://client.example.com/cb\x00", "https://client.example.com/\"onload=", "https://client.example.com/<b>",
		" https://client.example.com/cb", "https://client.example.com/cb ", "https://[2001:db8:0::1]/cb", "https://[fe80::1%25eth0]/cb",
		"cursor://user@x/cb", "cursor://x/../cb", "cursor:../cb", "cursor://x/cb#f", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://x/y",
		"about:blank", "urn:ietf:wg:oauth:2.0:oob", "vscode://x/cb", "cursorx://x/cb", "Cursor://x/cb", "intent://x",
		"https://client.example.com/" + strings.Repeat("x", 500),
	} {
		if _, err := redirecturi.Parse(uri, schemes); err == nil {
			t.Errorf("accepts %q", uri)
		}
	}
}

// covers: T-PRX-02, AS-6
func TestRedirectURIsMatchExactly(t *testing.T) {
	t.Parallel()
	registered := []string{
		"https://client.example.com/callback", "https://client.example.com/q?a=b", "http://127.0.0.1/cb", "http://localhost:3000/cb",
		"http://[::1]:1/cb", "https://localhost:8443/cb",
	}
	for asked, want := range map[string]bool{
		"https://client.example.com/callback":       true,
		"https://client.example.com/callback/":      false,
		"https://client.example.com/Callback":       false,
		"https://client.example.com/callback?":      false,
		"https://client.example.com/callback?a=b":   false,
		"https://client.example.com:443/callback":   false,
		"https://client.example.com:8443/callback":  false,
		"https://evil.example.com/callback":         false,
		"https://client.example.com.evil.example/q": false,
		"https://client.example.com/q?a=b":          true,
		"https://client.example.com/q?a=b&c=d":      false,
		"https://client.example.com/%63allback":     false,
		"http://127.0.0.1/cb":                       true,
		"http://127.0.0.1:40123/cb":                 true, // RFC 8252 section 7.3
		"http://127.0.0.1:40123/other":              false,
		"http://127.0.0.1:40123/cb?x=y":             false,
		"http://localhost:40123/cb":                 true,
		"http://localhost/cb":                       true,
		"http://[::1]:40123/cb":                     true,
		"http://localhost:40123/":                   false,
		"https://localhost:8443/cb":                 true,
		"https://localhost:8444/cb":                 false,
		"https://127.0.0.1/cb":                      false,
	} {
		if got := redirecturi.Registered(registered, asked); got != want {
			t.Errorf("%s: %v, want %v", asked, got, want)
		}
	}
	if redirecturi.Registered([]string{"http://127.0.0.1/cb"}, "http://localhost/cb") {
		t.Error("localhost stands for 127.0.0.1")
	}
}

// covers: AS-6
func TestCustomSchemesThatBrowsersHandleCannotBeAllowed(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"javascript", "data", "https", "http", "file", "Cursor", "cursor://", "", "1x", "a b"} {
		if err := redirecturi.CheckSchemes([]string{scheme}); err == nil {
			t.Errorf("%q can be allowed", scheme)
		}
	}
	if err := redirecturi.CheckSchemes([]string{"cursor", "com.example.app", "vscode-insiders"}); err != nil {
		t.Error(err)
	}
}

// A URI that is accepted leads where it says: read by another rule, it has the same host, and
// nothing to break out of a header or a page with.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"https://client.example.com/cb", "http://127.0.0.1:1/cb", "http://[::1]/", "cursor://x/y", "https://a@b/c", "https://0x7f.1/",
		"https://a.example/%2e%2e", "http://localhost:99999", "https://a.example:1:2/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := redirecturi.Parse(raw, []string{"cursor"})
		if err != nil {
			return
		}
		if strings.ContainsAny(raw, "\r\n\x00<>\"\\# ") || u.String() != raw && u.Scheme != "cursor" && !strings.HasSuffix(raw, "?") {
			t.Fatalf("%q is accepted and means %q", raw, u)
		}
		switch u.Scheme {
		case "http":
			host, _, _ := strings.Cut(strings.TrimPrefix(raw, "http://"), "/")
			host, _, _ = strings.Cut(host, "?")
			if !plainurl.IsLoopbackHost(plainurl.HostOf(host)) {
				t.Fatalf("%q is accepted as loopback", raw)
			}
		case "https":
			if addr, err := netip.ParseAddr(u.Hostname()); err == nil && addr.String() != u.Hostname() {
				t.Fatalf("%q has an unusual address", raw)
			}
		case "cursor":
		default:
			t.Fatalf("%q is accepted", raw)
		}
	})
}

// covers: R3
func TestUnusableRedirectURIsVoidNoList(t *testing.T) {
	t.Parallel()
	usable, problems := redirecturi.Usable([]string{
		"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "javascript:alert(1)",
		"http://localhost:8787/callback", "cursor://again/cb", "https://client.example.com/cb#f",
	}, nil)
	if want := []string{"https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"}; !slices.Equal(usable, want) {
		t.Errorf("usable are %q", usable)
	}
	if schemes := redirecturi.NeededSchemes(problems); !slices.Equal(schemes, []string{"cursor"}) {
		t.Errorf("schemes that would help: %q", schemes)
	}
	if len(problems) != 4 || !strings.Contains(problems[0].Error(), `redirect URI 1 must use https`) {
		t.Errorf("problems %v", problems)
	}
}
