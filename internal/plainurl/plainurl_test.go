package plainurl_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDotSegmentsAreFoundInEverySpelling(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"https://h/.", "https://h/..", "https://h/a/../b", "https://h/a/./b", "https://h/a/..",
		"https://h/a/%2e%2e/b", "https://h/a/%2E%2e/b", "https://h/a/.%2e/b", "https://h/%2e",
		"https://h/a/%252e%252e/b", "https://h/a/.%252E/b", "https://h/a/%25252e./b", "https://h/%25%32%65",
		"https://h/a%2f..%2fb", "https://h/a%2F%2E%2E%2Fb", "https://h/a%252f%252e%252e%252fb",
		"https://h/a%5c..%5Cb", "https://h/a%255c..%255cb", "https://h/a/..%5cb",
		"https://h/a/..;/b", "https://h/a/..;x=1/b", "https://h/a/%2e%2e%3b/b", "https://h/a/..%253bx/b",
		"https://h/a/..%3fx", "https://h/a/..%2523x",
		"https://h/a/..", "https://h//../", "cursor:..", "cursor:a/%2e%2e/b", "cursor:a%252f..",
	} {
		if !plainurl.HasDotSegment(parse(t, text)) {
			t.Errorf("none is found in %s", text)
		}
	}
	for _, text := range []string{
		"https://h", "https://h/", "https://h/mcp", "https://h/.well-known/x", "https://h/a..b/...", "https://h/..a",
		"https://h/%2e%2e%2e", "https://h/a?next=../b", "https://h/a%20b", "https://h/100%25", "https://h/%252", "https://h/;x", "cursor:callback",
	} {
		if plainurl.HasDotSegment(parse(t, text)) {
			t.Errorf("one is found in %s", text)
		}
	}
}

// Escapes of escapes would cost a pass each; 64 KB of them must not take seconds.
func TestNestedEscapesCostOnePass(t *testing.T) {
	t.Parallel()
	deep := parse(t, "https://h/%"+strings.Repeat("25", 1<<20)+"2e")
	start := time.Now()
	if !plainurl.HasDotSegment(deep) {
		t.Error("the dot segment below a million escapes is not found")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("that took %v", took)
	}
}

func FuzzDotSegments(f *testing.F) {
	f.Add("/a/%252e%2e/b")
	f.Add("/a;x/..%5c")
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse("https://h" + path)
		if err != nil || u.Host != "h" {
			return
		}
		found := plainurl.HasDotSegment(u)
		for decoded, again := u.Path, ""; decoded != again; { // as a chain of servers reads it, each decoding once more
			for segment := range strings.SplitSeq(decoded, "/") {
				if (segment == "." || segment == "..") && !found {
					t.Fatalf("%q is read as %q, which has one", path, decoded)
				}
			}
			again = decoded
			if decoded, err = url.PathUnescape(again); err != nil {
				return
			}
		}
	})
}

func TestLoopbackHosts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "localhost.": true, "app.localhost": true, "127.0.0.1": true, "127.9.9.9": true,
		"::1": true, "[::1]": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example.com": false, "notlocalhost": false, "10.0.0.1": false, "127.1": false, "2130706433": false,
		"::1%lo": false, "0.0.0.0": false,
	} {
		if got := plainurl.IsLoopbackHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"h": "h", "h:80": "h", "[::1]:80": "::1", "[::1]": "::1", "::1": "::1", "": "",
	} {
		if got := plainurl.HostOf(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestHostsInOneSpelling(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"https://h", "https://app.example.com:8443/x", "https://127.0.0.1", "https://[::1]:80/", "https://xn--bcher-kva.example"} {
		if err := plainurl.CheckHost(text, parse(t, text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"https://H", "https://ex%61mple.com", "https://h:0", "https://h:080", "https://h:99999", "https://h:", "https://2130706433", "https://0x7f.1",
		"https://127.0.0.01", "https://[::ffff:127.0.0.1]", "https://[0:0::1]", "https://bücher.example", "https://a..b", "https://h.", "https:///x",
		"https://user@h",
	} {
		if u, err := url.Parse(text); err == nil && plainurl.CheckHost(text, u) == nil {
			t.Errorf("%s passes", text)
		}
	}
}

func TestBareURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://h/p?q": true, "https://u@h/": false, "https://@h/": false, "https://h/#": false, "https://h/#f": false,
	} {
		if got := plainurl.Bare(text, parse(t, text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// covers: R18
func TestEndpointsUseHTTPSUnlessTheirHostIsNamed(t *testing.T) {
	t.Parallel()
	plain := plainurl.HTTPHosts{"Keycloak", "idp.svc.cluster.local:8080", "[fd00::1]:80", "[fd00::2]"}
	for text, want := range map[string]bool{
		"https://h/token": true, "https://h/token?p=policy": true, "http://localhost/token": true, "http://[::1]:9400/token": true,
		"http://keycloak/token": true, "http://keycloak:8080/token": true, "http://KEYCLOAK:1/": true,
		"http://idp.svc.cluster.local:8080/jwks": true, "http://[fd00::1]/": true, "http://[fd00::2]:8080/": true,
		"": false, "/token": false, "https:token": false, "https://u@h/token": false, "https://h/token#": false, "ftp://keycloak/": false,
		"http://h/token": false, "http://keycloak.example.com/": false, "http://idp.svc.cluster.local/jwks": false,
		"http://idp.svc.cluster.local:80/jwks": false, "http://[fd00::1]:8080/": false, "http://keycloak@evil.example/": false,
	} {
		if err := plainurl.CheckEndpoint(text, plain); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
