package devidp

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
)

// Whatever passes as a redirect URI leads to https or to this machine, and matches a registered one
// but for its port.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range []string{
		"http://127.0.0.1:7000/callback", "http://127.0.0.1:7000@evil.example/callback", "http://127.0.0.1/callback#", "https://a/../b",
		"http://[::1]:80/callback", "cursor://x/y", "javascript:alert(1)", "http://127.0.0.1\\@evil.example/callback", "http://127.0.0.1:/callback",
	} {
		f.Add(seed)
	}
	rules := clientRules{schemes: []string{"cursor"}}
	c := &client{redirects: []string{"http://127.0.0.1/callback"}}
	f.Fuzz(func(t *testing.T, uri string) {
		if _, err := redirecturi.Parse(uri, rules.schemes); err == nil {
			u, err := url.Parse(uri)
			safe := err == nil && (u.Scheme == "https" || u.Scheme == "cursor" || u.Scheme == "http" && plainurl.IsLoopbackHost(u.Hostname()))
			if !safe || u.User != nil || u.Fragment != "" || strings.ContainsAny(uri, "\r\n\\# ") {
				t.Errorf("accepted %q", uri)
			}
		}
		if c.registered(rules, uri) {
			u, err := url.Parse(uri)
			if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || u.EscapedPath() != "/callback" || u.RawQuery != "" {
				t.Errorf("matched %q", uri)
			}
		}
	})
}

// Whatever an authorization request says, nobody is redirected to an address that is not
// registered.
func FuzzAuthorizationRequest(f *testing.F) {
	for _, seed := range []string{
		"client_id=c&redirect_uri=http://127.0.0.1/callback&response_type=code", "client_id=c&redirect_uri=https://evil.example/",
		"client_id=c&redirect_uri=http://127.0.0.1/callback&redirect_uri=x", "client_id=c&redirect_uri=http://127.0.0.1/callback&state=%0d%0aX:y",
		"client_id=c&redirect_uri=http://127.0.0.1:1/callback&scope=%22&resource=%23", "%zz", "a;b",
	} {
		f.Add(seed)
	}
	s, err := New(Config{
		Issuer: "http://127.0.0.1:9400", Logger: slog.New(slog.DiscardHandler),
		Clients: []Client{{ID: "c", RedirectURIs: []string{"http://127.0.0.1/callback"}}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9400/authorize", http.NoBody)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		location := w.Header().Get("Location")
		if location == "" || strings.HasPrefix(location, "/login?") {
			return
		}
		u, err := url.Parse(location)
		if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || u.Path != "/callback" {
			t.Errorf("%q redirects to %q", query, location)
		}
	})
}

// Whatever a client says of itself, what is registered can log users in and has good redirect URIs
// only.
func FuzzClientMetadata(f *testing.F) {
	const id = "http://127.0.0.1/client.json"
	for _, seed := range []string{
		`{"redirect_uris":["http://127.0.0.1/"]}`, `{"redirect_uris":["x"]}`, `{"REDIRECT_URIS":["x"],"redirect_uris":["http://127.0.0.1/"]}`,
		`{"client_id":"` + id + `","client_name":"n","redirect_uris":["http://127.0.0.1/"],"token_endpoint_auth_method":"none"}`, `[]`, `{"jwks":{}}`,
	} {
		f.Add([]byte(seed))
	}
	var rules clientRules
	documents := newDocumentFetcher(http.DefaultClient, rules, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		metadata, err := parseMetadata(body)
		if err == nil {
			_, err = rules.settle(&metadata)
		}
		if err == nil {
			c := metadataClient(metadata, dynamicClient)
			bad := func(uri string) bool { _, err := redirecturi.Parse(uri, rules.schemes); return err != nil }
			if len(c.redirects) == 0 || slices.ContainsFunc(c.redirects, bad) || !slices.Contains(c.grants, grantCode) || !printable(c.name) {
				t.Errorf("registered %+v", c)
			}
		}
		if c, err := documents.read(id, body); err == nil && (c.id != id || c.confidential()) {
			t.Errorf("documented %+v", c)
		}
	})
}

// A Host header that passes as this machine's is a loopback host and nothing else.
func FuzzHostHeader(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:80", "[::1]:1", "localhost", "127.0.0.1@evil.example", "evil.example:80@127.0.0.1", "[::1%25lo]", "a.localhost"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !loopbackAuthority(host) {
			return
		}
		if strings.ContainsAny(host, "/@?#\\ ") || !plainurl.IsLoopbackHost(plainurl.HostOf(host)) {
			t.Errorf("accepted %q", host)
		}
	})
}

func FuzzCacheControl(f *testing.F) {
	for _, seed := range []string{"max-age=1", "no-store", `max-age="5"`, "max-age=99999999999999999999", ",,="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if lifetime := cacheLifetime(header); lifetime < 0 || lifetime > maxDocumentCache {
			t.Errorf("%q gives %v", header, lifetime)
		}
	})
}
