package relay_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/relay"
)

// attacked is an internet with the usual servers, a victim that must never see a request, and an
// attacker's MCP server whose metadata a test chooses.
func attacked(t *testing.T) (*internet, *silentListeners) {
	t.Helper()
	n := usual(t)
	n.host("victim.example.com", jsonAnswer(http.StatusOK, object{}))
	n.nameSpecials()
	return n, listenSilently(t)
}

// unharmed checks what must hold after every attack: nothing special was dialled, the listeners on
// loopback and the victim were left alone, and no endpoint of the authorization server saw a
// request.
func unharmed(t *testing.T, n *internet, listeners *silentListeners) {
	t.Helper()
	n.checkDials(t)
	listeners.check(t)
	if arrived := n.arrived("victim.example.com", ""); len(arrived) != 0 {
		t.Errorf("the victim saw %+v", *arrived[0])
	}
	for _, path := range []string{"/token", "/register", "/revoke", "/introspect"} {
		if arrived := n.arrived("as.example.com", path); len(arrived) != 0 {
			t.Errorf("the authorization server's %s saw %+v", path, *arrived[0])
		}
	}
}

// TestUnboundTargets: threats.md, "Browser relay": any target that is not bound to the given MCP
// server by its own metadata.
// covers: T-RLY-01
func TestUnboundTargets(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"https://victim.example.com/token",
		"https://victim.example.com/",
		"https://as.example.com/",
		"https://as.example.com/token/",
		"https://as.example.com/token/x",
		"https://as.example.com/Token",
		"https://as.example.com/token?x=1",
		"https://as.example.com/token?",
		"https://as.example.com/tok%65n",
		"https://as.example.com/x/../token",
		"https://as.example.com/./token",
		"https://as.example.com//token",
		"https://as.example.com/token;x",
		"https://as.example.com/%2e/token",
		"https://as.example.com./token",
		"https://as.example.com:8443/token",
		"https://as.example.com.victim.example.com/token",
		"https://a.as.example.com/token",
		"https://as.example.com/authorize",
		"https://as.example.com/userinfo",
		"https://as.example.com/jwks",
		"https://mcp.example.com/mcp",
		"https://mcp.example.com/token",
		"https://app.example.com/oauth/proxy",
	} {
		t.Run("refuses to post to "+target, func(t *testing.T) {
			t.Parallel()
			n, listeners := attacked(t)
			n.host("app.example.com", jsonAnswer(http.StatusOK, object{}))
			r := n.relay(t)
			wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, target))), http.StatusForbidden)
			got := send(t, r, metadataRequest(serverURL, target))
			wantStatus(t, got, http.StatusForbidden)
			unharmed(t, n, listeners)
			if len(n.arrived("app.example.com", "")) != 0 {
				t.Error("the relay called its own server")
			}
		})
	}
	t.Run("refuses an endpoint of an authorization server that only another MCP server names", func(t *testing.T) {
		t.Parallel()
		n, listeners := attacked(t)
		n.mcp("other.example.com", resourceMetadata("https://other.example.com/mcp", "https://as2.example.com"))
		n.authorizationServer("as2.example.com")
		r := n.relay(t)
		wantStatus(t, send(t, r, proxyRequest(tokenOrder("https://other.example.com/mcp", "https://as2.example.com/token"))), 200)
		wantStatus(t, send(t, r, proxyRequest(tokenOrder("https://other.example.com/mcp", "https://as.example.com/token"))), 403)
		wantStatus(t, send(t, r, metadataRequest("https://other.example.com/mcp", "https://as.example.com/.well-known/oauth-authorization-server")), 403)
		unharmed(t, n, listeners)
	})
	t.Run("refuses what metadata for another resource names", func(t *testing.T) {
		t.Parallel()
		n, listeners := attacked(t)
		n.mcp("evil.example.com", resourceMetadata(serverURL, "https://as.example.com"))
		r := n.relay(t)
		wantStatus(t, send(t, r, proxyRequest(tokenOrder("https://evil.example.com/mcp", "https://as.example.com/token"))), 502)
		unharmed(t, n, listeners)
	})
	t.Run("refuses what metadata of another issuer names", func(t *testing.T) {
		t.Parallel()
		n, listeners := attacked(t)
		n.mcp("evil.example.com", resourceMetadata("https://evil.example.com/mcp", "https://as3.example.com"))
		n.host("as3.example.com", jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com")))
		r := n.relay(t)
		wantStatus(t, send(t, r, proxyRequest(tokenOrder("https://evil.example.com/mcp", "https://as.example.com/token"))), 502)
		unharmed(t, n, listeners)
	})
	t.Run("refuses a server URL whose dot segments leave the resource", func(t *testing.T) {
		t.Parallel()
		n, listeners := attacked(t)
		n.host("shared.example.com", jsonAnswer(http.StatusOK, resourceMetadata("https://shared.example.com/tenant", "https://as.example.com")))
		r := n.relay(t)
		for _, path := range []string{"/tenant/../other", "/tenant/./x", "/tenant/%2e%2E/other"} {
			wantStatus(t, send(t, r, proxyRequest(tokenOrder("https://shared.example.com"+path, "https://as.example.com/token"))), 502)
		}
		unharmed(t, n, listeners)
	})
	t.Run("refuses a document with a member twice", func(t *testing.T) {
		t.Parallel()
		n, listeners := attacked(t)
		n.host("as.example.com", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"issuer":"https://as.example.com","token_endpoint":"https://as.example.com/token","token_endpoint":"https://victim.example.com/"}`)
		})
		wantStatus(t, send(t, n.relay(t), proxyRequest(tokenOrder(serverURL, "https://victim.example.com/"))), 502)
		unharmed(t, n, listeners)
	})
	t.Run("refuses one URL for two kinds of endpoint", func(t *testing.T) {
		t.Parallel()
		n, listeners := attacked(t)
		metadata := serverMetadata("https://as.example.com")
		metadata["token_endpoint"] = metadata["registration_endpoint"]
		n.host("as.example.com", jsonAnswer(http.StatusOK, metadata))
		wantStatus(t, send(t, n.relay(t), proxyRequest(tokenOrder(serverURL, "https://as.example.com/register"))), 502)
		unharmed(t, n, listeners)
	})
	t.Run("does not read members whose names differ in case", func(t *testing.T) {
		t.Parallel()
		n, listeners := attacked(t)
		n.host("as.example.com", jsonAnswer(http.StatusOK, object{"issuer": "https://as.example.com", "Token_Endpoint": "https://victim.example.com/"}))
		wantStatus(t, send(t, n.relay(t), proxyRequest(tokenOrder(serverURL, "https://victim.example.com/"))), 403)
		unharmed(t, n, listeners)
	})
}

// TestSpecialAddresses: threats.md, "Browser relay": private and special addresses in every
// spelling.
// covers: T-RLY-02
func TestSpecialAddresses(t *testing.T) {
	t.Parallel()
	n, listeners := attacked(t)
	r := n.relay(t)
	urls := func(host string) []string {
		return []string{
			"https://" + host + "/mcp", "https://" + host + ":" + listeners.port + "/mcp", "http://" + host + ":" + listeners.port + "/mcp",
			"https://user@" + host + ":" + listeners.port + "/mcp",
		}
	}
	for _, host := range specialHosts() {
		for _, special := range urls(host) {
			wantStatus(t, send(t, r, metadataRequest(special, special)), http.StatusBadRequest)
			wantStatus(t, send(t, r, proxyRequest(tokenOrder(special, special))), http.StatusBadRequest)
			for _, got := range []result{
				send(t, r, metadataRequest(serverURL, special)),
				send(t, r, proxyRequest(tokenOrder(serverURL, special))),
			} {
				// A name that only leads to a special address is not resolved at all: it is not
				// bound.
				if got.status != http.StatusBadRequest && got.status != http.StatusForbidden {
					t.Errorf("target %s: status %d with %s", special, got.status, got.body)
				}
			}
		}
	}
	unharmed(t, n, listeners)
}

// The same without the test's internet: the system's resolver and dialer get nothing to do.
// covers: T-RLY-02
func TestSpecialAddressesOfTheRealNetwork(t *testing.T) {
	t.Parallel()
	listeners := listenSilently(t)
	var n internet
	r := n.relay(t, func(c *relay.Config) {
		c.Egress = egress.Policy{OnDial: func(addr netip.AddrPort) { t.Errorf("dialled %s", addr) }}
	})
	for _, host := range specialHosts() {
		if strings.HasSuffix(host, ".example.com") {
			continue // a name of the test's internet
		}
		for _, scheme := range []string{"https://", "http://"} {
			special := scheme + host + ":" + listeners.port + "/mcp"
			wantStatus(t, send(t, r, metadataRequest(special, special)), http.StatusBadRequest)
			wantStatus(t, send(t, r, proxyRequest(tokenOrder(special, special))), http.StatusBadRequest)
		}
	}
	listeners.check(t)
}

// The attacker writes the metadata: the special address stands where the relay would follow it by
// itself.
// covers: T-RLY-02
func TestSpecialAddressesInMetadata(t *testing.T) {
	t.Parallel()
	const evil = "https://evil.example.com/mcp"
	places := map[string]func(n *internet, special string){
		"the challenge": func(n *internet, special string) {
			n.host("evil.example.com", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", "Bearer resource_metadata="+quote(special))
				w.WriteHeader(http.StatusUnauthorized)
			})
		},
		"the authorization servers": func(n *internet, special string) {
			n.mcp("evil.example.com", resourceMetadata(evil, special))
		},
		"the resource": func(n *internet, special string) {
			n.mcp("evil.example.com", resourceMetadata(special, "https://as.example.com"))
		},
		"an endpoint": func(n *internet, special string) {
			n.mcp("evil.example.com", resourceMetadata(evil, "https://evilas.example.com"))
			n.host("evilas.example.com", jsonAnswer(http.StatusOK, object{"issuer": "https://evilas.example.com", "token_endpoint": special}))
		},
	}
	for place, plant := range places {
		t.Run("in "+place, func(t *testing.T) {
			t.Parallel()
			n := newInternet(t)
			n.authorizationServer("as.example.com")
			n.nameSpecials()
			for _, host := range specialHosts() {
				special := "https://" + host + ":8443/mcp"
				plant(n, special)
				r := n.relay(t) // with nothing remembered
				for _, req := range []*http.Request{
					proxyRequest(tokenOrder(evil, special)),
					proxyRequest(tokenOrder(evil, "https://as.example.com/token")),
					metadataRequest(evil, special),
				} {
					if got := send(t, r, req); got.status < 400 {
						t.Errorf("%s %s: status %d with %s", req.Method, special, got.status, got.body)
					}
				}
				// The relay may pass on what the document says, and may not follow where the document leads.
				send(t, r, metadataRequest(evil, "https://evil.example.com/.well-known/oauth-protected-resource/mcp"))
				n.checkDials(t)
				if arrived := n.arrived("as.example.com", "/token"); len(arrived) != 0 {
					t.Errorf("%s: the token endpoint saw a request", special)
				}
			}
		})
	}
}

// TestRebinding: threats.md, "Browser relay": DNS rebinding.
// covers: T-RLY-03
func TestRebinding(t *testing.T) {
	t.Parallel()
	n, listeners := attacked(t)
	port := listeners.port
	n.mcp("evil.example.com", resourceMetadata("https://evil.example.com/mcp", "https://evilas.example.com:"+port))
	metadata := serverMetadata("https://evilas.example.com:" + port)
	n.host("evilas.example.com", jsonAnswer(http.StatusOK, metadata))
	r := n.relay(t)
	order := tokenOrder("https://evil.example.com/mcp", "https://evilas.example.com:"+port+"/token")
	wantStatus(t, send(t, r, proxyRequest(order)), http.StatusOK) // public: the binding is made

	n.name("evilas.example.com", "127.0.0.1")
	n.tls.CloseClientConnections()
	r.Close()
	wantStatus(t, send(t, r, proxyRequest(order)), http.StatusBadRequest)
	n.name("evil.example.com", "10.0.0.1")
	r.Close()
	wantStatus(t, send(t, r, metadataRequest("https://evil.example.com/mcp", "https://evil.example.com/.well-known/oauth-protected-resource/mcp")), http.StatusBadRequest)
	unharmed(t, n, listeners)
}

// TestRedirectedUpstreams: threats.md, "Browser relay": redirects.
// covers: T-RLY-04
func TestRedirectedUpstreams(t *testing.T) {
	t.Parallel()
	for _, status := range []int{300, 301, 302, 303, 305, 307, 308} {
		for _, location := range []string{
			"https://victim.example.com/", "https://127.0.0.1/", "http://as.example.com/token", "/elsewhere", "https://as.example.com/revoke", "",
		} {
			t.Run(fmt.Sprintf("refuses a %d to %q", status, location), func(t *testing.T) {
				t.Parallel()
				n, listeners := attacked(t)
				redirect := func(w http.ResponseWriter, _ *http.Request) {
					if location != "" {
						w.Header().Set("Location", location)
					}
					w.WriteHeader(status)
				}
				n.mcp("evil.example.com", resourceMetadata("https://evil.example.com/mcp", "https://evilas.example.com"))
				n.host("evilas.example.com", func(w http.ResponseWriter, r *http.Request) {
					if strings.HasPrefix(r.URL.Path, "/.well-known/oauth-") {
						jsonAnswer(http.StatusOK, serverMetadata("https://evilas.example.com"))(w, r)
						return
					}
					redirect(w, r)
				})
				r := n.relay(t)
				got := send(t, r, proxyRequest(tokenOrder("https://evil.example.com/mcp", "https://evilas.example.com/token")))
				wantStatus(t, got, http.StatusBadGateway)
				if strings.Contains(got.body, "victim") || got.header.Get("Location") != "" {
					t.Errorf("the redirect went through: %s %v", got.body, got.header)
				}
				got = send(t, r, metadataRequest("https://evil.example.com/mcp", "https://evilas.example.com/.well-known/openid-configuration"))
				wantStatus(t, got, http.StatusBadGateway)
				n.host("evil.example.com", redirect)
				got = send(t, n.relay(t), metadataRequest("https://evil.example.com/mcp", "https://evil.example.com/.well-known/oauth-protected-resource"))
				wantStatus(t, got, http.StatusNotFound)
				unharmed(t, n, listeners)
			})
		}
	}
}

// TestHeaderSmuggling: threats.md, "Browser relay": header smuggling. TestProxy has the headers
// that are dropped.
// covers: T-RLY-05
func TestHeaderSmuggling(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]any{
		"a line feed":                object{"Authorization": "Bearer x\nHost: internal"},
		"a carriage return":          object{"Authorization": "Bearer x\rX: y"},
		"both":                       object{"Accept": "a\r\n\r\nPOST / HTTP/1.1"},
		"NUL":                        object{"DPoP": "a\u0000b"},
		"another control character":  object{"DPoP": "a\u007fb"},
		"a letter beyond ASCII":      object{"DPoP": "a\u0130b"},
		"a space in front":           object{"DPoP": " a"},
		"one header in two cases":    object{"Authorization": "Bearer x", "authorization": "Bearer y"},
		"a list of values":           object{"Authorization": []string{"Bearer x", "Bearer y"}},
		"a number":                   object{"Authorization": 1},
		"a type with a line feed":    object{"Content-Type": "application/json\n"},
		"a type of another kind":     object{"Content-Type": "text/html"},
		"a type that cannot be read": object{"Content-Type": "application/json; charset"},
		"two types":                  object{"Content-Type": "application/json, text/html"},
		"headers that are a list":    []string{"Authorization: Bearer x"},
		"headers that are a text":    "Authorization: Bearer x",
		"headers that are true":      true,
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			n, listeners := attacked(t)
			order := tokenOrder(serverURL, "https://as.example.com/token")
			if given, ok := headers.(object); ok && given["Content-Type"] == nil {
				given["Content-Type"] = "application/x-www-form-urlencoded"
			}
			order["headers"] = headers
			wantStatus(t, send(t, n.relay(t), proxyRequest(order)), http.StatusBadRequest)
			unharmed(t, n, listeners)
		})
	}
}

// TestMalformedRequests: threats.md, "Browser relay": oversized bodies, other methods.
// covers: T-RLY-07, T-RLY-08
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	whole := func(order object) string {
		text, err := json.Marshal(order)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	usualOrder := whole(tokenOrder(serverURL, "https://as.example.com/token"))
	huge := tokenOrder(serverURL, "https://as.example.com/token")
	huge["body"] = object{"code": strings.Repeat("x", 70<<10)}
	growing := tokenOrder(serverURL, "https://as.example.com/token")
	growing["body"] = object{"code": strings.Repeat("%", 30<<10)} // three times as long as a form
	for _, test := range []struct {
		name, method, path, contentType, body string
		want                                  int
	}{
		{"a body over the limit", "POST", "/oauth/proxy", "application/json", whole(huge), 413},
		{"a body that grows over the limit", "POST", "/oauth/proxy", "application/json", whole(growing), 413},
		{"no body", "POST", "/oauth/proxy", "application/json", "", 400},
		{"an array", "POST", "/oauth/proxy", "application/json", "[]", 400},
		{"half an object", "POST", "/oauth/proxy", "application/json", usualOrder[:20], 400},
		{"two objects", "POST", "/oauth/proxy", "application/json", usualOrder + usualOrder, 400},
		{"a URL twice", "POST", "/oauth/proxy", "application/json", `{"url":"https://as.example.com/token",` + usualOrder[1:], 400},
		{"deep nesting", "POST", "/oauth/proxy", "application/json", strings.Repeat(`{"body":`, 5_000), 400},
		{"a form", "POST", "/oauth/proxy", "application/x-www-form-urlencoded", usualOrder, 400},
		{"text, which needs no preflight", "POST", "/oauth/proxy", "text/plain", usualOrder, 400},
		{"no type", "POST", "/oauth/proxy", "", usualOrder, 400},
		{"no server", "POST", "/oauth/proxy", "application/json", `{"url":"https://as.example.com/token"}`, 400},
		{"a server that is no text", "POST", "/oauth/proxy", "application/json", `{"serverUrl":["` + serverURL + `"],"url":"https://as.example.com/token"}`, 400},
		{"no URL", "POST", "/oauth/proxy", "application/json", `{"serverUrl":"` + serverURL + `"}`, 400},
		{"a fragment", "POST", "/oauth/proxy", "application/json", `{"serverUrl":"` + serverURL + `#x","url":"https://as.example.com/token"}`, 400},
		{"an endless URL", "POST", "/oauth/proxy", "application/json", `{"serverUrl":"` + serverURL + strings.Repeat("x", 4000) + `","url":"https://as.example.com/token"}`, 400},
		{"GET to an endpoint", "POST", "/oauth/proxy", "application/json", strings.Replace(usualOrder, `"POST"`, `"GET"`, 1), 405},
		{"DELETE to an endpoint", "POST", "/oauth/proxy", "application/json", strings.Replace(usualOrder, `"POST"`, `"DELETE"`, 1), 405},
		{"a method with a line feed", "POST", "/oauth/proxy", "application/json", strings.Replace(usualOrder, `"POST"`, `"POST /\n"`, 1), 405},
		{"GET of the proxy route", "GET", "/oauth/proxy", "", "", 405},
		{"PUT of the proxy route", "PUT", "/oauth/proxy", "application/json", usualOrder, 405},
		{"POST of the metadata route", "POST", "/oauth/metadata", "application/json", usualOrder, 405},
		{"HEAD of the metadata route", "HEAD", "/oauth/metadata?serverUrl=" + serverURL + "&url=" + serverURL, "", "", 405},
		{"TRACE", "TRACE", "/oauth/proxy", "", "", 405},
		{"metadata without parameters", "GET", "/oauth/metadata", "", "", 400},
		{"metadata with a server twice", "GET", "/oauth/metadata?serverUrl=" + serverURL + "&serverUrl=https://victim.example.com/&url=https://victim.example.com/", "", "", 400},
		{"metadata with a broken query", "GET", "/oauth/metadata?serverUrl=%zz;x", "", "", 400},
		{"another route", "GET", "/oauth/other", "", "", 404},
		{"a route below", "POST", "/oauth/proxy/x", "application/json", usualOrder, 404},
		{"the base path", "GET", "/oauth", "", "", 404},
	} {
		t.Run("refuses "+test.name, func(t *testing.T) {
			t.Parallel()
			n, listeners := attacked(t)
			req := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
			req.Header.Set("Origin", appURL)
			if test.contentType != "" {
				req.Header.Set("Content-Type", test.contentType)
			}
			got := send(t, n.relay(t), req)
			wantStatus(t, got, test.want)
			if test.want == 405 && req.URL.Path == "/oauth/proxy" && test.method != "POST" && got.header.Get("Allow") != "POST, OPTIONS" {
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			}
			unharmed(t, n, listeners)
		})
	}
}

func TestNoGoroutineIsLeftBehind(t *testing.T) { // not parallel: it counts the process's goroutines
	n := usual(t)
	n.host("slow.example.com", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	n.nameSpecials()
	round := func() {
		r := n.relay(t, func(c *relay.Config) { c.Timeout = 50 * time.Millisecond })
		for _, server := range []string{serverURL, "https://slow.example.com/mcp", "https://private.example.com/mcp", "https://nobody.example.com/"} {
			send(t, r, proxyRequest(tokenOrder(server, "https://as.example.com/token")))
		}
		r.Close()
	}
	round()
	n.tls.CloseClientConnections()
	before := waitForGoroutines(0)
	for range 5 {
		round()
	}
	n.tls.CloseClientConnections()
	if after := waitForGoroutines(before); after > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

// waitForGoroutines waits until no more than the wanted number of goroutines run; with none wanted,
// until the number stays the same for a while.
func waitForGoroutines(want int) int {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.Now().Add(5 * time.Second)
	last, since := runtime.NumGoroutine(), time.Now()
	for time.Now().Before(deadline) {
		<-poll.C
		n := runtime.NumGoroutine()
		if want > 0 && n <= want || want == 0 && time.Since(since) > 200*time.Millisecond {
			return n
		}
		if n != last {
			last, since = n, time.Now()
		}
	}
	return runtime.NumGoroutine()
}

func FuzzProxy(f *testing.F) {
	for _, seed := range []string{
		`{"serverUrl":"https://mcp.example.com/mcp","url":"https://as.example.com/token","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body":{"a":"b"}}`,
		`{"serverUrl":"https://mcp.example.com/mcp","url":"https://as.example.com/register","body":"{\"redirect_uris\":[\"https://app.example.com/oauth/callback\"]}"}`,
		`{"serverUrl":"https://127.0.0.1:1/","url":"https://0x7f.1/","body":[],"headers":{"authorization":"Basic YTpsYXRjaGtleS1yZWxheS54"}}`,
		`{"serverUrl":null}`, `[]`,
	} {
		f.Add([]byte(seed))
	}
	n := usual(f)
	r := n.relay(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		n.forget()
		got := send(t, r, proxyRequest(string(body)))
		if !json.Valid([]byte(got.body)) {
			t.Errorf("the answer is no JSON: %q", got.body)
		}
		n.checkDials(t)
		for _, s := range n.requests {
			if s.method == http.MethodPost && (s.host != "as.example.com" || strings.ContainsAny(s.header.Get("Authorization"), "\r\n")) {
				t.Errorf("%s%s saw %q with %v", s.host, s.path, s.body, s.header)
			}
		}
	})
}
