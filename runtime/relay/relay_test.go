package relay_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/relay"
)

// covers: AS-1, AS-2, AS-3, AS-4, AS-5
func TestMetadata(t *testing.T) {
	t.Parallel()
	const (
		inserted = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
		rootForm = "https://mcp.example.com/.well-known/oauth-protected-resource"
		asForm   = "https://as.example.com/.well-known/oauth-authorization-server"
	)
	for _, target := range []string{inserted, rootForm, asForm} {
		t.Run("passes on "+target, func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			got := send(t, n.relay(t), metadataRequest(serverURL, target))
			wantStatus(t, got, http.StatusOK)
			var document object
			if err := json.Unmarshal([]byte(got.body), &document); err != nil {
				t.Fatal(err)
			}
			want := "resource"
			if target == asForm {
				want = "token_endpoint"
			}
			if document[want] == nil {
				t.Errorf("the document is %s", got.body)
			}
			if got.header.Get("Content-Type") != "application/json" || got.header.Get("X-Content-Type-Options") != "nosniff" ||
				got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("the headers are %v", got.header)
			}
		})
	}
	t.Run("finds the document where the challenge says, whatever standard place the browser asks for", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		n.host("mcp.example.com", func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/mcp":
				w.Header().Add("WWW-Authenticate", `Basic realm="x"`)
				w.Header().Add("WWW-Authenticate", `DPoP algs="ES256", Bearer error="invalid_token", resource_metadata="https://mcp.example.com/custom/place"`)
				w.WriteHeader(http.StatusUnauthorized)
			case "/custom/place":
				jsonAnswer(http.StatusOK, object{"resource": serverURL, "authorization_servers": []string{"https://as.example.com"}, "custom": true})(w, r)
			case "/.well-known/oauth-protected-resource/mcp":
				jsonAnswer(http.StatusOK, resourceMetadata(serverURL, "https://other.example.com"))(w, r)
			default:
				http.NotFound(w, r)
			}
		})
		for _, target := range []string{inserted, rootForm, "https://mcp.example.com/custom/place"} {
			got := send(t, n.relay(t), metadataRequest(serverURL, target))
			wantStatus(t, got, http.StatusOK)
			if !strings.Contains(got.body, "custom") {
				t.Errorf("%s gave %s", target, got.body)
			}
		}
	})
	t.Run("finds the document in the standard places without a challenge", func(t *testing.T) {
		t.Parallel()
		for _, place := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"} {
			n := usual(t)
			mux := http.NewServeMux()
			mux.HandleFunc(place, jsonAnswer(http.StatusOK, resourceMetadata(serverURL, "https://as.example.com")))
			n.host("mcp.example.com", mux.ServeHTTP)
			wantStatus(t, send(t, n.relay(t), metadataRequest(serverURL, inserted)), http.StatusOK)
		}
	})
	t.Run("survives a challenge that points nowhere useful", func(t *testing.T) {
		t.Parallel()
		for _, pointer := range []string{
			"http://mcp.example.com/x", "https://127.0.0.1/x", "https://missing.example.com/x", "https://as.example.com/404", "::", "",
		} {
			n := usual(t)
			mux := http.NewServeMux()
			mux.HandleFunc("/mcp", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", `Bearer resource_metadata=`+quote(pointer))
				w.WriteHeader(http.StatusUnauthorized)
			})
			mux.HandleFunc("/.well-known/oauth-protected-resource", jsonAnswer(http.StatusOK, resourceMetadata(serverURL, "https://as.example.com")))
			n.host("mcp.example.com", mux.ServeHTTP)
			wantStatus(t, send(t, n.relay(t), metadataRequest(serverURL, inserted)), http.StatusOK)
			n.checkDials(t)
		}
	})
	t.Run("an event stream in place of a challenge does not hold it up", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		mux := http.NewServeMux()
		mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		mux.HandleFunc("/.well-known/oauth-protected-resource", jsonAnswer(http.StatusOK, resourceMetadata(serverURL, "https://as.example.com")))
		n.host("mcp.example.com", mux.ServeHTTP)
		wantStatus(t, send(t, n.relay(t), metadataRequest(serverURL, inserted)), http.StatusOK)
	})
	t.Run("a parent of the MCP server on its origin is the MCP server's resource", func(t *testing.T) {
		t.Parallel()
		for resource, want := range map[string]int{
			serverURL: 200, "https://mcp.example.com": 200, "https://mcp.example.com/": 200, "HTTPS://MCP.example.com:443/mcp/": 200,
			"https://mcp.example.com/mc": 502, "https://mcp.example.com/mcp/x": 502, "https://mcp.example.com/other": 502,
			"https://example.com/mcp": 502, "http://mcp.example.com/mcp": 502, "https://mcp.example.com:8443/mcp": 502,
			"https://u@mcp.example.com/mcp": 502, "https://mcp.example.com/mcp#x": 502, "https://mcp.example.com/a/../mcp": 502,
			"": 502, "mcp": 502,
		} {
			n := newInternet(t)
			n.mcp("mcp.example.com", resourceMetadata(resource, "https://as.example.com"))
			got := send(t, n.relay(t), metadataRequest(serverURL, inserted))
			if got.status != want {
				t.Errorf("resource %q gives %d, want %d", resource, got.status, want)
			}
		}
	})
	t.Run("all forms of an issuer with a path are its own", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		n.mcp("mcp.example.com", resourceMetadata(serverURL, "https://kc.example.com/realms/x"))
		n.host("kc.example.com", jsonAnswer(http.StatusOK, serverMetadata("https://kc.example.com/realms/x")))
		r := n.relay(t)
		for path, want := range map[string]int{
			"/.well-known/oauth-authorization-server/realms/x": 200,
			"/.well-known/openid-configuration/realms/x":       200,
			"/realms/x/.well-known/openid-configuration":       200,
			"/realms/x/.well-known/oauth-authorization-server": 200,
			"/.well-known/openid-configuration":                403,
			"/realms/y/.well-known/openid-configuration":       403,
			"/admin": 403,
		} {
			got := send(t, r, metadataRequest(serverURL, "https://kc.example.com"+path))
			wantStatus(t, got, want)
		}
	})
	t.Run("a document that is not there is a 404, on which clients try the next form", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		got := send(t, n.relay(t), metadataRequest(serverURL, "https://as.example.com/.well-known/openid-configuration"))
		wantStatus(t, got, http.StatusNotFound)
		n.host("bare.example.com", http.NotFound)
		got = send(t, n.relay(t), metadataRequest("https://bare.example.com/mcp", "https://bare.example.com/.well-known/oauth-protected-resource/mcp"))
		wantStatus(t, got, http.StatusNotFound)
	})
	t.Run("the issuer in the metadata must be the announced one", func(t *testing.T) {
		t.Parallel()
		for issuer, want := range map[string]int{
			"https://as.example.com": 200, "https://as.example.com/": 200, "https://evil.example.com": 502, "https://AS.example.com": 502,
			"https://as.example.com/x": 502, "": 502,
		} {
			n := usual(t)
			n.host("as.example.com", jsonAnswer(http.StatusOK, serverMetadata(issuer)))
			wantStatus(t, send(t, n.relay(t), metadataRequest(serverURL, asForm)), want)
		}
	})
}

func TestProxy(t *testing.T) {
	t.Parallel()
	t.Run("forwards to every kind of endpoint, and answers in the seed's shape", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		r := n.relay(t)
		for _, path := range []string{"/token", "/revoke", "/introspect"} {
			got := send(t, r, proxyRequest(tokenOrder(serverURL, "https://as.example.com"+path))).reply(t)
			if got.Status != 200 || got.StatusText != "OK" || got.Headers["content-type"] != "application/json" ||
				!strings.Contains(string(got.Body), path) {
				t.Errorf("%s gives %+v", path, got)
			}
			arrived := n.arrived("as.example.com", path)
			if len(arrived) != 1 || arrived[0].body != "code=test-code&grant_type=authorization_code" ||
				arrived[0].header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("%s saw %+v", path, arrived)
			}
		}
		n.checkDials(t)
	})
	t.Run("a fresh replica finds the endpoint by itself, once for many requests", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		r := n.relay(t)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://as.example.com/token"))), http.StatusOK)
			})
		}
		all.Wait()
		if probes := n.arrived("mcp.example.com", "/mcp"); len(probes) != 1 {
			t.Errorf("the MCP server was asked %d times", len(probes))
		}
		if fetches := n.arrived("as.example.com", "/.well-known/oauth-authorization-server"); len(fetches) != 1 {
			t.Errorf("the authorization server was asked %d times", len(fetches))
		}
	})
	t.Run("a probe and a fetch carry no credentials of the browser", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		order := tokenOrder(serverURL, "https://as.example.com/token")
		order["headers"] = object{"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer test-token"}
		req := proxyRequest(order)
		req.Header.Set("Cookie", "session=test")
		req.Header.Set("Authorization", "Bearer for-the-relay")
		wantStatus(t, send(t, n.relay(t), req), http.StatusOK)
		for _, s := range n.requests {
			if s.path != "/token" && s.header.Get("Authorization") != "" || s.header.Get("Cookie") != "" {
				t.Errorf("%s%s saw %v", s.host, s.path, s.header)
			}
		}
		if got := n.arrived("as.example.com", "/token")[0].header.Get("Authorization"); got != "Bearer test-token" {
			t.Errorf("the endpoint saw Authorization %q", got)
		}
	})
	t.Run("the second authorization server's endpoints are bound as well", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		n.authorizationServer("second.example.com")
		n.authorizationServer("fifth.example.com")
		n.mcp("mcp.example.com", resourceMetadata(serverURL, "https://as.example.com", "https://second.example.com", "https://third.example.com", "https://fourth.example.com", "https://fifth.example.com"))
		n.host("third.example.com", http.NotFound)
		r := n.relay(t)
		wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://second.example.com/token"))), http.StatusOK)
		wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://fifth.example.com/token"))), http.StatusBadGateway)
		if len(n.arrived("fifth.example.com", "")) != 0 {
			t.Error("more than three authorization servers were asked")
		}
	})
	t.Run("the request goes to the endpoint as the metadata spells it", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		wantStatus(t, send(t, n.relay(t), proxyRequest(tokenOrder("https://MCP.example.com:443/mcp", "HTTPS://AS.EXAMPLE.COM:443/token"))), http.StatusOK)
		if len(n.arrived("as.example.com", "/token")) != 1 {
			t.Error("the endpoint saw nothing")
		}
	})
}

func TestForwardedBodies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		contentType string // of the order's headers; empty for none
		body        any
		wantType    string
		wantBody    string
		path        string
		want        int
	}{
		{"an object as a form", "application/x-www-form-urlencoded", object{"a": "1 &=", "b": 2, "c": true, "d": nil}, "application/x-www-form-urlencoded", "a=1+%26%3D&b=2&c=true", "/token", 200},
		{"a form as it is", "application/x-www-form-urlencoded", "a=1&b=%20x", "application/x-www-form-urlencoded", "a=1&b=+x", "/token", 200},
		{"a form with a charset", "application/x-www-form-urlencoded;charset=UTF-8", "a=1", "application/x-www-form-urlencoded", "a=1", "/token", 200},
		{"a text without type as a form", "", "a=1", "application/x-www-form-urlencoded", "a=1", "/token", 200},
		{"no body at all", "", nil, "", "", "/token", 200},
		{"an object without type as JSON", "", object{"redirect_uris": []string{appURL + "/oauth/callback"}}, "application/json", `{"redirect_uris":["https://app.example.com/oauth/callback"]}`, "/register", 200},
		{"a JSON text as JSON", "", `{"redirect_uris":["https://app.example.com/oauth/callback"]}`, "application/json", `{"redirect_uris":["https://app.example.com/oauth/callback"]}`, "/register", 200},
		{"not a form with a nested value", "application/x-www-form-urlencoded", object{"a": object{}}, "", "", "/token", 400},
		{"not a form with a parameter twice", "application/x-www-form-urlencoded", "client_id=a&client_id=b", "", "", "/token", 400},
		{"not a form with a parameter twice in disguise", "application/x-www-form-urlencoded", "client_id=a&client%5fid=b", "", "", "/token", 400},
		{"not a broken form", "application/x-www-form-urlencoded", "a=%zz", "", "", "/token", 400},
		{"not an array as a form", "application/x-www-form-urlencoded", []string{"a"}, "", "", "/token", 400},
		{"not JSON to a form endpoint", "application/json", object{"a": "b"}, "", "", "/token", 400},
		{"not a form to the registration endpoint", "application/x-www-form-urlencoded", "redirect_uris=" + appURL + "/oauth/callback", "", "", "/register", 400},
		{"not another type", "text/plain", "a=1", "", "", "/token", 400},
		{"not a multipart body", "multipart/form-data; boundary=x", "a=1", "", "", "/token", 400},
	} {
		t.Run("forwards "+test.name, func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			order := object{"serverUrl": serverURL, "url": "https://as.example.com" + test.path, "body": test.body}
			if test.contentType != "" {
				order["headers"] = object{"content-type": test.contentType}
			}
			if test.path == "/register" {
				n.host("as.example.com", func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/register" {
						jsonAnswer(http.StatusCreated, object{"client_id": "c"})(w, r)
						return
					}
					jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com"))(w, r)
				})
			}
			wantStatus(t, send(t, n.relay(t), proxyRequest(order)), test.want)
			arrived := n.arrived("as.example.com", test.path)
			if test.want != http.StatusOK {
				if len(arrived) != 0 {
					t.Errorf("the endpoint saw %+v", arrived[0])
				}
				return
			}
			if arrived[0].body != test.wantBody || arrived[0].header.Get("Content-Type") != test.wantType {
				t.Errorf("the endpoint saw %q of type %q", arrived[0].body, arrived[0].header.Get("Content-Type"))
			}
		})
	}
}

// covers: T-RLY-05
func TestForwardedHeaders(t *testing.T) {
	t.Parallel()
	t.Run("safe headers go through in both directions and no others", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		n.host("as.example.com", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/token" {
				jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com"))(w, r)
				return
			}
			for _, name := range []string{
				"Cache-Control", "DPoP-Nonce", "Expires", "Pragma", "Retry-After", "Set-Cookie", "Access-Control-Allow-Origin", "Location",
				"Server", "X-Powered-By", "Content-Security-Policy", "Link",
			} {
				w.Header().Set(name, "test-"+name)
			}
			w.Header().Add("WWW-Authenticate", "Basic")
			w.Header().Add("WWW-Authenticate", "Bearer")
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "short <b>and</b> stout")
		})
		order := tokenOrder(serverURL, "https://as.example.com/token")
		order["headers"] = object{
			"ACCEPT": "application/json", "Authorization": "Basic dGVzdDp0ZXN0", "DPoP": "test-proof", "content-type": "application/x-www-form-urlencoded",
			"Host": "internal.example.com", "Cookie": "a=b", "X-Forwarded-For": "127.0.0.1", "Content-Length": "0", "Transfer-Encoding": "chunked",
			"Connection": "close", "Expect": "100-continue", "Upgrade": "h2c", "Origin": "https://evil.example.com", "Te": "trailers", "X-HTTP-Method-Override": "DELETE",
		}
		got := send(t, n.relay(t), proxyRequest(order))
		decoded := got.reply(t)
		if decoded.Status != http.StatusTeapot || decoded.StatusText != "I'm a teapot" || string(decoded.Body) != `"short \u003cb\u003eand\u003c/b\u003e stout"` {
			t.Errorf("the answer is %+v", decoded)
		}
		want := map[string]string{
			"cache-control": "test-Cache-Control", "dpop-nonce": "test-DPoP-Nonce", "expires": "test-Expires", "pragma": "test-Pragma",
			"retry-after": "test-Retry-After", "content-type": "text/plain", "www-authenticate": "Basic, Bearer",
		}
		if len(decoded.Headers) != len(want) {
			t.Errorf("the headers are %v, want %v", decoded.Headers, want)
		}
		for name, value := range want {
			if decoded.Headers[name] != value {
				t.Errorf("%s is %q, want %q", name, decoded.Headers[name], value)
			}
		}
		if got.header.Get("Set-Cookie") != "" || got.header.Get("Location") != "" {
			t.Errorf("the upstream's headers became the relay's: %v", got.header)
		}
		arrived := n.arrived("as.example.com", "/token")[0]
		for _, name := range []string{"Cookie", "X-Forwarded-For", "Expect", "Upgrade", "Origin", "Te", "X-Http-Method-Override"} {
			if arrived.header.Get(name) != "" {
				t.Errorf("the endpoint saw %s: %q", name, arrived.header.Get(name))
			}
		}
		if arrived.header.Get("DPoP") != "test-proof" || arrived.header.Get("Accept") != "application/json" || arrived.body == "" {
			t.Errorf("the endpoint saw %v with %q", arrived.header, arrived.body)
		}
	})
}

func TestBindingsExpireAndAreReviewed(t *testing.T) {
	t.Parallel()
	n := usual(t)
	var now atomic.Int64
	now.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	r := n.relay(t, func(c *relay.Config) { c.Now = func() time.Time { return time.Unix(0, now.Load()) } })
	exchange := func(path string, want int) {
		t.Helper()
		wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://as.example.com"+path))), want)
	}
	probes := func(want int) {
		t.Helper()
		if got := len(n.arrived("mcp.example.com", "/mcp")); got != want {
			t.Errorf("the MCP server was asked %d times, want %d", got, want)
		}
	}
	exchange("/token", 200)
	now.Add(int64(9 * time.Minute))
	exchange("/token", 200)
	probes(1)
	now.Add(int64(2 * time.Minute))
	exchange("/token", 200)
	probes(2)

	// The authorization server moves its endpoint.
	n.host("as.example.com", func(w http.ResponseWriter, req *http.Request) {
		metadata := serverMetadata("https://as.example.com")
		metadata["token_endpoint"] = "https://as.example.com/token2"
		jsonAnswer(http.StatusOK, metadata)(w, req)
	})
	exchange("/token2", 403)
	probes(2)
	now.Add(int64(31 * time.Second))
	exchange("/token2", 200)
	probes(3)
	exchange("/token", 403)
	probes(3)

	// A document that the browser fetches through the relay is the binding at once.
	n.host("as.example.com", jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com")))
	wantStatus(t, send(t, r, metadataRequest(serverURL, "https://as.example.com/.well-known/oauth-authorization-server")), 200)
	exchange("/token", 200)
}

func TestBindingsAreBounded(t *testing.T) {
	t.Parallel()
	n := usual(t)
	n.host("many.example.com", func(w http.ResponseWriter, r *http.Request) {
		path, isMetadata := strings.CutPrefix(r.URL.Path, "/.well-known/oauth-protected-resource")
		if !isMetadata {
			http.NotFound(w, r)
			return
		}
		jsonAnswer(http.StatusOK, resourceMetadata("https://many.example.com"+path, "https://as.example.com"))(w, r)
	})
	r := n.relay(t)
	ask := func(path string) {
		t.Helper()
		wantStatus(t, send(t, r, proxyRequest(tokenOrder("https://many.example.com"+path, "https://as.example.com/token"))), 200)
	}
	ask("/first")
	for i := range 300 {
		ask("/" + strings.Repeat("x", i+1))
	}
	before := len(n.arrived("many.example.com", "/first"))
	ask("/first")
	if after := len(n.arrived("many.example.com", "/first")); after != before+1 {
		t.Errorf("300 later servers did not displace the first one")
	}
}

func TestClientSecrets(t *testing.T) {
	t.Parallel()
	const secret = "test-secret-of-the-client"
	registrationOrder := object{
		"serverUrl": serverURL, "url": "https://as.example.com/register",
		"body": object{"redirect_uris": []string{appURL + "/oauth/callback"}, "client_name": "test"},
	}
	setUp := func(t *testing.T, adjust ...func(*relay.Config)) (*internet, *relay.Relay) {
		n := usual(t)
		n.host("as.example.com", func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/register":
				jsonAnswer(http.StatusCreated, object{
					"client_id": "test-client", "client_secret": secret, "client_secret_expires_at": 0, "token_endpoint_auth_method": "client_secret_basic",
					"registration_access_token": "test-management", "registration_client_uri": "https://as.example.com/register/test-client",
				})(w, r)
			case "/token":
				jsonAnswer(http.StatusOK, object{"access_token": "test-token", "token_type": "Bearer"})(w, r)
			default:
				jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com"))(w, r)
			}
		})
		n.mcp("other.example.com", resourceMetadata("https://other.example.com/mcp", "https://as.example.com"))
		return n, n.relay(t, adjust...)
	}
	register := func(t *testing.T, r http.Handler) (sealed string) {
		got := send(t, r, proxyRequest(registrationOrder)).reply(t)
		var client map[string]any
		if err := json.Unmarshal(got.Body, &client); err != nil {
			t.Fatal(err)
		}
		for _, hidden := range []string{secret, "test-management", "registration_client_uri"} {
			if strings.Contains(string(got.Body), hidden) {
				t.Errorf("the browser got %s", hidden)
			}
		}
		if client["client_id"] != "test-client" || client["token_endpoint_auth_method"] != "client_secret_basic" || got.Status != http.StatusCreated {
			t.Errorf("the registration is %s", got.Body)
		}
		sealed, _ = client["client_secret"].(string)
		return sealed
	}
	exchange := func(t *testing.T, r http.Handler, server, id, sealed string, basic bool) reply {
		order := tokenOrder(server, "https://as.example.com/token")
		if basic {
			req := httptest.NewRequest(http.MethodPost, "/", nil)
			req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(sealed))
			order["headers"] = object{"Content-Type": "application/x-www-form-urlencoded", "Authorization": req.Header.Get("Authorization")}
		} else {
			order["body"] = object{"grant_type": "authorization_code", "client_id": id, "client_secret": sealed}
		}
		return send(t, r, proxyRequest(order)).reply(t)
	}
	for _, basic := range []bool{true, false} {
		name := map[bool]string{true: "Basic credentials", false: "the form"}[basic]
		t.Run("a sealed secret becomes the real one in "+name, func(t *testing.T) {
			t.Parallel()
			n, r := setUp(t)
			got := exchange(t, r, serverURL, "test-client", register(t, r), basic)
			if got.Status != http.StatusOK {
				t.Fatalf("the token endpoint answered %+v", got)
			}
			arrived := n.arrived("as.example.com", "/token")[0]
			form, _ := url.ParseQuery(arrived.body)
			req := http.Request{Header: arrived.header}
			_, password, _ := req.BasicAuth()
			if basic && password != secret || !basic && form.Get("client_secret") != secret {
				t.Errorf("the token endpoint saw %q and the form %v", password, form)
			}
		})
		t.Run("a sealed secret is of no use elsewhere, in "+name, func(t *testing.T) {
			t.Parallel()
			n, r := setUp(t)
			_, stranger := setUp(t)
			sealed := register(t, r)
			for name, got := range map[string]reply{
				"another client":       exchange(t, r, serverURL, "another-client", sealed, basic),
				"another MCP server":   exchange(t, r, "https://other.example.com/mcp", "test-client", sealed, basic),
				"another relay's keys": exchange(t, stranger, serverURL, "test-client", sealed, basic),
				"a flipped character":  exchange(t, r, serverURL, "test-client", sealed[:len(sealed)-2]+"AA", basic),
			} {
				if got.Status != http.StatusUnauthorized || !strings.Contains(string(got.Body), "invalid_client") {
					t.Errorf("%s: the answer is %+v, want invalid_client", name, got)
				}
			}
			if arrived := n.arrived("as.example.com", "/token"); len(arrived) != 0 {
				t.Errorf("the token endpoint saw %+v", arrived[0])
			}
		})
	}
	t.Run("replicas with the same keys open each other's secrets, also after rotation", func(t *testing.T) {
		t.Parallel()
		first, second := newKey(), newKey()
		keys := func(keys ...oauth.Secret) func(*relay.Config) {
			return func(c *relay.Config) { c.SealingKeys = keys }
		}
		_, a := setUp(t, keys(first))
		_, b := setUp(t, keys(second, first))
		if got := exchange(t, b, serverURL, "test-client", register(t, a), false); got.Status != http.StatusOK {
			t.Errorf("the answer is %+v", got)
		}
	})
	t.Run("a secret expires when the authorization server says", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		n.host("as.example.com", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/register" {
				jsonAnswer(http.StatusCreated, object{"client_id": "c", "client_secret": secret, "client_secret_expires_at": now.Unix() + 60})(w, r)
				return
			}
			jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com"))(w, r)
		})
		clock := now
		r := n.relay(t, func(c *relay.Config) { c.Now = func() time.Time { return clock } })
		var client struct {
			Secret string `json:"client_secret"`
		}
		_ = json.Unmarshal(send(t, r, proxyRequest(registrationOrder)).reply(t).Body, &client)
		if got := exchange(t, r, serverURL, "c", client.Secret, false); got.Status != http.StatusOK {
			t.Errorf("before the expiry: %+v", got)
		}
		clock = now.Add(61 * time.Second)
		if got := exchange(t, r, serverURL, "c", client.Secret, false); got.Status != http.StatusUnauthorized {
			t.Errorf("after the expiry: %+v", got)
		}
	})
	t.Run("a sealed secret is of no use at another authorization server of the same MCP server", func(t *testing.T) {
		t.Parallel()
		n, r := setUp(t)
		n.authorizationServer("second.example.com")
		n.mcp("mcp.example.com", resourceMetadata(serverURL, "https://as.example.com", "https://second.example.com"))
		order := tokenOrder(serverURL, "https://second.example.com/token")
		order["body"] = object{"client_id": "test-client", "client_secret": register(t, r)}
		if got := send(t, r, proxyRequest(order)).reply(t); got.Status != http.StatusUnauthorized {
			t.Errorf("the answer is %+v", got)
		}
		if len(n.arrived("second.example.com", "/token")) != 0 {
			t.Error("the other authorization server saw the request")
		}
	})
	t.Run("Basic credentials and form must name the same client", func(t *testing.T) {
		t.Parallel()
		n, r := setUp(t)
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		req.SetBasicAuth("test-client", register(t, r))
		order := tokenOrder(serverURL, "https://as.example.com/token")
		order["headers"] = object{"Content-Type": "application/x-www-form-urlencoded", "Authorization": req.Header.Get("Authorization")}
		order["body"] = object{"client_id": "another-client"}
		if got := send(t, r, proxyRequest(order)).reply(t); got.Status != http.StatusUnauthorized || len(n.arrived("as.example.com", "/token")) != 0 {
			t.Errorf("the answer is %+v", got)
		}
	})
	t.Run("a secret from elsewhere passes untouched", func(t *testing.T) {
		t.Parallel()
		n, r := setUp(t)
		exchange(t, r, serverURL, "static", "test-static-secret", false)
		form, _ := url.ParseQuery(n.arrived("as.example.com", "/token")[0].body)
		if form.Get("client_secret") != "test-static-secret" {
			t.Errorf("the token endpoint saw %v", form)
		}
	})
}

func TestRegistrationAnswers(t *testing.T) {
	t.Parallel()
	const secret = "test-secret-of-the-client"
	registrationOrder := object{
		"serverUrl": serverURL, "url": "https://as.example.com/register",
		"body": object{"redirect_uris": []string{appURL + "/oauth/callback"}},
	}
	t.Run("an answer in which the secret cannot be found reliably does not reach the browser", func(t *testing.T) {
		t.Parallel()
		for _, body := range []string{
			`{"client_id":"c","client_secret":"x","client_secret":"` + secret + `"}`, `[{"client_secret":"` + secret + `"}]`, `"` + secret + `"`, secret,
		} {
			n := usual(t)
			n.host("as.example.com", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/register" {
					jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com"))(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, body)
			})
			got := send(t, n.relay(t), proxyRequest(registrationOrder))
			wantStatus(t, got, http.StatusBadGateway)
			if strings.Contains(got.body, secret) {
				t.Error("the browser got the secret")
			}
		}
	})
	t.Run("a refused registration passes on the reason", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		n.host("as.example.com", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/register" {
				jsonAnswer(http.StatusBadRequest, object{"error": "invalid_client_metadata"})(w, r)
				return
			}
			jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com"))(w, r)
		})
		got := send(t, n.relay(t), proxyRequest(registrationOrder)).reply(t)
		if got.Status != http.StatusBadRequest || !strings.Contains(string(got.Body), "invalid_client_metadata") {
			t.Errorf("the answer is %+v", got)
		}
	})
}

func newKey() oauth.Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return oauth.Secret(base64.StdEncoding.EncodeToString(key))
}

func TestRegistrationRedirects(t *testing.T) {
	t.Parallel()
	const callback = appURL + "/oauth/callback"
	for _, test := range []struct {
		name   string
		origin string
		uris   any
		want   int
	}{
		{"accepts the callback page", appURL, []string{callback}, 200},
		{"accepts the callback page of a listed origin that calls", "https://second.example.com", []string{"https://second.example.com/oauth/callback"}, 200},
		{"accepts our own callback page for a listed origin", "https://second.example.com", []string{callback}, 200},
		{"refuses the page of a listed origin that does not call", appURL, []string{"https://second.example.com/oauth/callback"}, 400},
		{"refuses another site", appURL, []string{"https://evil.example.com/oauth/callback"}, 400},
		{"refuses another site beside the callback page", appURL, []string{callback, "https://evil.example.com/oauth/callback"}, 400},
		{"refuses another path", appURL, []string{appURL + "/open-redirect"}, 400},
		{"refuses dot segments", appURL, []string{appURL + "/oauth/callback/../../x"}, 400},
		{"refuses a query", appURL, []string{callback + "?next=https://evil.example.com"}, 400},
		{"refuses a fragment", appURL, []string{callback + "#x"}, 400},
		{"refuses credentials", appURL, []string{"https://app.example.com@evil.example.com/oauth/callback"}, 400},
		{"refuses a script", appURL, []string{"javascript:alert(1)"}, 400},
		{"refuses plain http", appURL, []string{"http://app.example.com/oauth/callback"}, 400},
		{"refuses no redirects", appURL, []string{}, 400},
		{"refuses missing redirects", appURL, nil, 400},
		{"refuses a list with something else in it", appURL, []any{callback, 1}, 400},
		{"refuses an object", appURL, object{"0": callback}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			r := n.relay(t, func(c *relay.Config) { c.AllowedOrigins = []string{"https://second.example.com"} })
			req := proxyRequest(object{
				"serverUrl": serverURL, "url": "https://as.example.com/register", "body": object{"redirect_uris": test.uris},
			})
			req.Header.Set("Origin", test.origin)
			wantStatus(t, send(t, r, req), test.want)
			if arrived := len(n.arrived("as.example.com", "/register")); (arrived == 1) != (test.want == 200) {
				t.Errorf("the registration endpoint saw %d requests", arrived)
			}
		})
	}
	for name, more := range map[string]string{
		"A7: a member in another case":              `"Redirect_URIs":["https://evil.example.com/"]`,
		"A7: a member with a long s":                `"redirect_uri\u017f":["https://evil.example.com/"]`,
		"A7: a member that an escape disguises":     `"\u0052edirect_uris":["https://evil.example.com/"]`,
		"A7: a software statement":                  `"software_statement":"eyJhbGciOiJub25lIn0.eyJyZWRpcmVjdF91cmlzIjpbXX0."`,
		"A7: another list of places to go to":       `"post_logout_redirect_uris":["https://evil.example.com/"]`,
		"A7: a document that the server would read": `"sector_identifier_uri":"https://evil.example.com/"`,
	} {
		t.Run(name+" does not go on", func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			wantStatus(t, send(t, n.relay(t), proxyRequest(object{
				"serverUrl": serverURL, "url": "https://as.example.com/register",
				"body": `{"redirect_uris":["` + callback + `"],"client_name":"Page",` + more + `}`,
			})), 200)
			arrived := n.arrived("as.example.com", "/register")
			if want := `{"redirect_uris":["` + callback + `"],"client_name":"Page"}`; len(arrived) != 1 || arrived[0].body != want {
				t.Errorf("the registration endpoint saw %+v, want %s", arrived, want)
			}
		})
	}
	t.Run("the path is an option", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		r := n.relay(t, func(c *relay.Config) { c.CallbackPath = "/inspector/oauth/callback" })
		for uri, want := range map[string]int{appURL + "/inspector/oauth/callback": 200, callback: 400} {
			wantStatus(t, send(t, r, proxyRequest(object{
				"serverUrl": serverURL, "url": "https://as.example.com/register", "body": object{"redirect_uris": []string{uri}},
			})), want)
		}
	})
}

// covers: T-RLY-06
func TestOrigins(t *testing.T) {
	t.Parallel()
	listed := []string{"https://second.example.com:8443"}
	for _, test := range []struct {
		name    string
		origins []string
		header  http.Header
		want    int
		cors    string
	}{
		{"our own", nil, http.Header{"Origin": {appURL}}, 200, appURL},
		{"a listed one", listed, http.Header{"Origin": {"https://second.example.com:8443"}}, 200, "https://second.example.com:8443"},
		{"any when any is listed", []string{"*"}, http.Header{"Origin": {"https://evil.example.com"}}, 200, "https://evil.example.com"},
		{"none at all, from no browser", nil, nil, 200, ""},
		{"none of the same origin", nil, http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200, ""},
		{"none of a navigation by hand", nil, http.Header{"Sec-Fetch-Site": {"none"}}, 200, ""},
		{"not a foreign one", listed, http.Header{"Origin": {"https://evil.example.com"}}, 403, ""},
		{"not another port", listed, http.Header{"Origin": {"https://second.example.com"}}, 403, ""},
		{"not plain http", nil, http.Header{"Origin": {"http://app.example.com"}}, 403, ""},
		{"not a prefix", nil, http.Header{"Origin": {appURL + ".evil.example"}}, 403, ""},
		{"not a name below", nil, http.Header{"Origin": {"https://a.app.example.com"}}, 403, ""},
		{"not null", nil, http.Header{"Origin": {"null"}}, 403, ""},
		{"not an empty one", nil, http.Header{"Origin": {""}}, 403, ""},
		{"not two", nil, http.Header{"Origin": {appURL, appURL}}, 403, ""},
		{"not the host that the request names", nil, http.Header{"Origin": {"http://example.com"}, "X-Forwarded-Host": {"example.com"}}, 403, ""},
		{"not a page that embeds the URL", nil, http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, ""},
		{"not a sibling's page that embeds the URL", []string{"*"}, http.Header{"Sec-Fetch-Site": {"same-site"}}, 403, ""},
	} {
		t.Run("serves "+test.name, func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			r := n.relay(t, func(c *relay.Config) { c.AllowedOrigins = test.origins })
			target := url.Values{"serverUrl": {serverURL}, "url": {"https://as.example.com/.well-known/oauth-authorization-server"}}
			for method, want := range map[string]int{http.MethodGet: test.want, http.MethodOptions: max(test.want, 204)} {
				req := httptest.NewRequest(method, "/oauth/metadata?"+target.Encode(), nil)
				req.Header = test.header.Clone()
				if req.Header == nil {
					req.Header = http.Header{}
				}
				got := send(t, r, req)
				wantStatus(t, got, want)
				if got.header.Get("Access-Control-Allow-Origin") != test.cors || got.header.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("the CORS headers are %v", got.header)
				}
				if got.header.Get("Vary") != "Origin" {
					t.Errorf("Vary is %q", got.header.Get("Vary"))
				}
				if method == http.MethodOptions && test.want == 200 && got.header.Get("Access-Control-Allow-Methods") != "GET, POST, OPTIONS" {
					t.Errorf("the preflight's headers are %v", got.header)
				}
			}
			if test.want != 200 && len(n.requests) != 0 {
				t.Errorf("the internet saw %+v", n.requests[0])
			}
		})
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	refuse := errors.New("hush: the reason")
	for _, test := range []struct {
		name   string
		adjust func(*relay.Config)
		want   int
	}{
		{"Authenticate", func(c *relay.Config) { c.Authenticate = func(*http.Request) error { return refuse } }, 401},
		{"ValidateServerURL", func(c *relay.Config) {
			c.ValidateServerURL = func(_ *http.Request, server string) error {
				if server != serverURL {
					t.Errorf("asked about %s", server)
				}
				return refuse
			}
		}, 403},
	} {
		t.Run(test.name+" refuses before anything is fetched", func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			var logged bytes.Buffer
			r := n.relay(t, test.adjust, func(c *relay.Config) { c.Observer = observe.Slog(slog.New(slog.NewTextHandler(&logged, nil))) })
			for _, req := range []*http.Request{
				metadataRequest(serverURL, "https://as.example.com/.well-known/oauth-authorization-server"),
				proxyRequest(tokenOrder(serverURL, "https://as.example.com/token")),
			} {
				got := send(t, r, req)
				wantStatus(t, got, test.want)
				if strings.Contains(got.body, "hush") {
					t.Errorf("the reason went out: %s", got.body)
				}
			}
			if len(n.requests) != 0 {
				t.Errorf("the internet saw %+v", n.requests[0])
			}
			if !strings.Contains(logged.String(), "hush") {
				t.Errorf("the log has no reason: %s", logged.String())
			}
		})
		t.Run(test.name+" lets pass", func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			r := n.relay(t, func(c *relay.Config) {
				c.Authenticate = func(*http.Request) error { return nil }
				c.ValidateServerURL = func(r *http.Request, _ string) error {
					if _, limited := r.Context().Deadline(); !limited {
						t.Error("the request has no time limit")
					}
					return nil
				}
			})
			wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://as.example.com/token"))), 200)
		})
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	n := usual(t)
	r := n.relay(t, func(c *relay.Config) {
		c.RequestsPerMinute = 4
		c.Now = func() time.Time { return now }
	})
	ask := func(remote string) result {
		req := metadataRequest(serverURL, "https://as.example.com/.well-known/oauth-authorization-server")
		req.RemoteAddr = remote
		return send(t, r, req)
	}
	wantStatus(t, ask("192.0.2.1:1"), 200)
	wantStatus(t, ask("192.0.2.1:2"), 200)
	got := ask("192.0.2.1:3")
	wantStatus(t, got, 429)
	if got.header.Get("Retry-After") != "15" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	wantStatus(t, ask("192.0.2.2:1"), 200)
	wantStatus(t, ask("[2001:db8::1]:1"), 200)
	wantStatus(t, ask("[2001:db8::2]:1"), 200)
	wantStatus(t, ask("[2001:db8::3]:1"), 429) // one /64 is one client
	wantStatus(t, ask("[2001:db8:0:1::3]:1"), 200)
	now = now.Add(15 * time.Second)
	wantStatus(t, ask("192.0.2.1:4"), 200)
	wantStatus(t, ask("192.0.2.1:5"), 429)
	preflight := httptest.NewRequest(http.MethodOptions, "/oauth/metadata", nil)
	preflight.RemoteAddr = "192.0.2.1:6"
	wantStatus(t, send(t, r, preflight), 204)
}

// The table in the docs says what the relay does where nothing is configured.
func TestTheDocumentedRateLimitIsTheDefault(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := usual(t).relay(t, func(c *relay.Config) {
		c.RequestsPerMinute = 0
		c.Now = func() time.Time { return now }
	})
	passed := func() (n int) {
		for send(t, r, metadataRequest(serverURL, "https://as.example.com/.well-known/oauth-authorization-server")).status != 429 {
			n++
		}
		return n
	}
	atOnce := passed()
	now = now.Add(10 * time.Second)
	row := fmt.Sprintf("| `RequestsPerMinute` | %d | %d |", atOnce, 6*passed())
	text, err := os.ReadFile("../../docs/proxy-mode.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), row) {
		t.Errorf("docs/proxy-mode.md has no row that begins %q", row)
	}
}

func TestRateLimitRemembersABoundedNumberOfClients(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	n := newInternet(t)
	var key string
	r := n.relay(t, func(c *relay.Config) {
		c.RequestsPerMinute = 2
		c.Now = func() time.Time { return now }
		c.ClientAddress = func(*http.Request) string { return key }
		c.Authenticate = func(*http.Request) error { return errors.New("no") }
	})
	ask := func(k string) int {
		key = k
		return send(t, r, metadataRequest(serverURL, serverURL)).status
	}
	if ask("first") != 401 || ask("first") != 429 {
		t.Fatal("the limit does not work")
	}
	for i := range 10_000 {
		ask(strings.Repeat("x", i%100) + time.Duration(i).String())
	}
	if ask("first") != 401 {
		t.Error("the client that was quiet for longest is still remembered")
	}
}

func TestOutages(t *testing.T) {
	t.Parallel()
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	large := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Repeat([]byte(" "), 3<<20))
	}
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.example.com/", http.StatusTemporaryRedirect)
	}
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<script>alert(1)</script>")
	}
	for _, test := range []struct {
		name             string
		handler          http.HandlerFunc
		metadata, answer int
	}{
		{"that hangs", hang, 504, 504},
		{"that sends too much", large, 502, 502},
		{"that redirects", redirect, 502, 502},
		{"that breaks off", abort, 502, 502},
		{"that sends HTML", html, 502, 200},
		{"that fails", jsonAnswer(http.StatusInternalServerError, object{}), 502, 200},
		{"that sends an array", jsonAnswer(http.StatusOK, []string{}), 502, 200},
	} {
		t.Run("an upstream "+test.name, func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			n.host("evil.example.com", jsonAnswer(http.StatusOK, object{}))
			quick := func(c *relay.Config) {
				if test.metadata == 504 {
					c.Timeout = 100 * time.Millisecond
				}
			}
			n.host("as.example.com", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					test.handler(w, r)
					return
				}
				jsonAnswer(http.StatusOK, serverMetadata("https://as.example.com"))(w, r)
			})
			got := send(t, n.relay(t, quick), proxyRequest(tokenOrder(serverURL, "https://as.example.com/token")))
			wantStatus(t, got, test.answer)

			n.host("as.example.com", test.handler)
			got = send(t, n.relay(t, quick), metadataRequest(serverURL, "https://as.example.com/.well-known/oauth-authorization-server"))
			wantStatus(t, got, test.metadata)
			if strings.Contains(got.body, "script") {
				t.Errorf("the answer is %s", got.body)
			}
			got = send(t, n.relay(t, quick), proxyRequest(tokenOrder(serverURL, "https://as.example.com/token")))
			wantStatus(t, got, test.metadata)
			if len(n.arrived("evil.example.com", "")) != 0 {
				t.Error("a redirect was followed")
			}
		})
	}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    int
	}{
		{"that hangs", hang, 504},
		{"that breaks off", abort, 502},
		{"that fails", jsonAnswer(http.StatusInternalServerError, object{}), 502},
		{"that redirects everything", redirect, 404},
		{"that sends HTML for everything", html, 404},
	} {
		t.Run("an MCP server "+test.name, func(t *testing.T) {
			t.Parallel()
			n := usual(t)
			n.host("mcp.example.com", test.handler)
			r := n.relay(t, func(c *relay.Config) {
				if test.want == 504 {
					c.Timeout = 100 * time.Millisecond
				}
			})
			wantStatus(t, send(t, r, metadataRequest(serverURL, "https://mcp.example.com/.well-known/oauth-protected-resource/mcp")), test.want)
			proxied := test.want
			if proxied == 404 {
				proxied = 403
			}
			wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://as.example.com/token"))), proxied)
		})
	}
	t.Run("a browser that gives up does not spoil the search for others", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		probed, release := make(chan struct{}), make(chan struct{})
		old := n.hosts["mcp.example.com"]
		n.host("mcp.example.com", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/mcp" {
				close(probed)
				<-release
			}
			old(w, r)
		})
		r := n.relay(t)
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan int)
		go func() {
			recorder := httptest.NewRecorder()
			r.ServeHTTP(recorder, proxyRequest(tokenOrder(serverURL, "https://as.example.com/token")).WithContext(ctx))
			first <- recorder.Code
		}()
		<-probed
		cancel()
		if status := <-first; status != http.StatusGatewayTimeout {
			t.Errorf("the browser that gave up was answered %d", status)
		}
		close(release)
		wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://as.example.com/token"))), 200)
		if probes := n.arrived("mcp.example.com", "/mcp"); len(probes) != 1 {
			t.Errorf("the MCP server was asked %d times", len(probes))
		}
	})
}

func TestLoopbackForDevelopment(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	mux := http.NewServeMux()
	dev := httptest.NewServer(mux)
	t.Cleanup(dev.Close)
	base := strings.Replace(dev.URL, "127.0.0.1", "localhost", 1)
	mux.HandleFunc("/.well-known/oauth-protected-resource/mcp", jsonAnswer(200, resourceMetadata(base+"/mcp", base)))
	mux.HandleFunc("/.well-known/oauth-authorization-server", jsonAnswer(200, serverMetadata(base)))
	mux.HandleFunc("POST /token", jsonAnswer(200, object{"ok": true}))
	order := tokenOrder(base+"/mcp", base+"/token")

	wantStatus(t, send(t, n.relay(t), proxyRequest(order)), 400)
	var logged bytes.Buffer
	r := n.relay(t, func(c *relay.Config) {
		c.InsecureAllowLoopback = true
		c.Observer = observe.Slog(slog.New(slog.NewTextHandler(&logged, nil)))
	})
	wantStatus(t, send(t, r, proxyRequest(order)), 200)
	wantStatus(t, send(t, r, proxyRequest(tokenOrder("https://10.0.0.1/mcp", "https://10.0.0.1/token"))), 400)
	if !strings.Contains(logged.String(), "level=WARN") || !strings.Contains(logged.String(), "InsecureAllowLoopback") {
		t.Errorf("the log has no warning: %s", logged.String())
	}

	// A public MCP server cannot lead to loopback by a name.
	listeners := listenSilently(t)
	as := "https://as.example.com:" + listeners.port
	n.mcp("mcp.example.com", resourceMetadata(serverURL, as))
	n.name("as.example.com", "127.0.0.1")
	wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, as+"/token"))), 502)
	listeners.check(t)
}

func TestOperatorHosts(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.mcp("mcp.internal.example.com", resourceMetadata("https://mcp.internal.example.com/mcp", "https://as.example.com"))
	n.authorizationServer("as.example.com")
	n.name("mcp.internal.example.com", "10.0.0.7")
	order := tokenOrder("https://mcp.internal.example.com/mcp", "https://as.example.com/token")
	wantStatus(t, send(t, n.relay(t), proxyRequest(order)), 400)

	policy := n.policy()
	policy.OperatorHosts = []string{"mcp.internal.example.com"}
	n.name("mcp.internal.example.com", "127.0.0.2") // the test's stand-in for a private address
	r := n.relay(t, func(c *relay.Config) { c.Egress = policy })
	got := send(t, r, proxyRequest(order))
	wantStatus(t, got, http.StatusBadGateway) // it may be reached, and nobody listens
	if !strings.Contains(got.body, "could not be reached") {
		t.Errorf("the answer is %s", got.body)
	}
}

func TestInsecureAnyTarget(t *testing.T) {
	t.Parallel()
	anyTarget := func(c *relay.Config) { c.InsecureAnyTarget = true }
	old := object{"url": "https://api.example.com/token", "method": "POST", "body": object{"a": "b"}, "headers": object{"Cookie": "x"}}
	t.Run("is off by default", func(t *testing.T) {
		t.Parallel()
		n := newInternet(t)
		n.host("api.example.com", jsonAnswer(200, object{}))
		wantStatus(t, send(t, n.relay(t), proxyRequest(old)), 400)
		wantStatus(t, send(t, n.relay(t), httptest.NewRequest(http.MethodGet, "/oauth/metadata?url=https://api.example.com/", nil)), 400)
		if len(n.requests) != 0 {
			t.Error("a request went out")
		}
	})
	t.Run("relays to any public target, warns, and asks ValidateTarget", func(t *testing.T) {
		t.Parallel()
		n := newInternet(t)
		n.host("api.example.com", jsonAnswer(200, object{"ok": true}))
		var logged bytes.Buffer
		r := n.relay(t, anyTarget, func(c *relay.Config) {
			c.Observer = observe.Slog(slog.New(slog.NewTextHandler(&logged, nil)))
			c.ValidateTarget = func(_ *http.Request, target string) error {
				if strings.HasSuffix(target, "/forbidden") {
					return errors.New("no")
				}
				return nil
			}
		})
		if !strings.Contains(logged.String(), "level=WARN") || !strings.Contains(logged.String(), "InsecureAnyTarget") {
			t.Errorf("the log has no warning: %s", logged.String())
		}
		got := send(t, r, proxyRequest(old)).reply(t)
		if got.Status != 200 || string(got.Body) != `{"ok":true}` {
			t.Errorf("the answer is %+v", got)
		}
		arrived := n.arrived("api.example.com", "/token")[0]
		if arrived.body != `{"a":"b"}` || arrived.header.Get("Content-Type") != "application/json" || arrived.header.Get("Cookie") != "" {
			t.Errorf("the target saw %+v", arrived)
		}
		send(t, r, proxyRequest(object{"url": "https://api.example.com/get"})).reply(t)
		if arrived := n.arrived("api.example.com", "/get")[0]; arrived.method != http.MethodGet || arrived.body != "" {
			t.Errorf("the target saw %+v", arrived)
		}
		wantStatus(t, send(t, r, httptest.NewRequest(http.MethodGet, "/oauth/metadata?url=https://api.example.com/.well-known/x", nil)), 200)
		wantStatus(t, send(t, r, proxyRequest(object{"url": "https://api.example.com/forbidden"})), 403)
		wantStatus(t, send(t, r, httptest.NewRequest(http.MethodGet, "/oauth/metadata?url=https://api.example.com/forbidden", nil)), 403)
		wantStatus(t, send(t, r, proxyRequest(object{"url": "https://api.example.com/", "method": "DELETE"})), 405)
		if len(n.arrived("api.example.com", "/forbidden")) != 0 {
			t.Error("a forbidden target saw a request")
		}
	})
	t.Run("keeps special addresses closed and bound requests bound", func(t *testing.T) {
		t.Parallel()
		n := usual(t)
		n.host("api.example.com", jsonAnswer(200, object{}))
		n.nameSpecials()
		r := n.relay(t, anyTarget)
		for _, host := range specialHosts() {
			got := send(t, r, proxyRequest(object{"url": "https://" + host + ":8443/"}))
			wantStatus(t, got, 400)
		}
		wantStatus(t, send(t, r, proxyRequest(tokenOrder(serverURL, "https://api.example.com/token"))), 403)
		n.checkDials(t)
	})
}

func TestConfigurationMistakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config relay.Config
		want   string
	}{
		"no public URL":             {relay.Config{}, "PublicURL"},
		"a public URL without host": {relay.Config{PublicURL: "app.example.com"}, "PublicURL"},
		"a plain public URL":        {relay.Config{PublicURL: "http://app.example.com"}, "https"},
		"a path as origin":          {relay.Config{PublicURL: appURL, AllowedOrigins: []string{"https://a.example.com/x"}}, "AllowedOrigins"},
		"a bare host as origin":     {relay.Config{PublicURL: appURL, AllowedOrigins: []string{"a.example.com"}}, "AllowedOrigins"},
		"a relative base path":      {relay.Config{PublicURL: appURL, BasePath: "oauth"}, "BasePath"},
		"the root as base path":     {relay.Config{PublicURL: appURL, BasePath: "/"}, "BasePath"},
		"a callback with a query":   {relay.Config{PublicURL: appURL, CallbackPath: "/x?y"}, "CallbackPath"},
		"a callback with dots":      {relay.Config{PublicURL: appURL, CallbackPath: "/x/../y"}, "CallbackPath"},
		"redirects":                 {relay.Config{PublicURL: appURL, Egress: egress.Policy{MaxRedirects: 1}}, "MaxRedirects"},
		"a bad operator host":       {relay.Config{PublicURL: appURL, Egress: egress.Policy{OperatorHosts: []string{"a b"}}}, "Egress"},
		"a short sealing key":       {relay.Config{PublicURL: appURL, SealingKeys: []oauth.Secret{"dGVzdA"}}, "SealingKeys"},
		"a negative limit":          {relay.Config{PublicURL: appURL, Timeout: -1}, "Timeout"},
	} {
		t.Run(name+" is an error that names the field", func(t *testing.T) {
			t.Parallel()
			test.config.Observer = observe.Slog(slog.New(slog.DiscardHandler))
			_, err := relay.New(test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one about %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "dGVzdA") {
				t.Error("the error shows the key")
			}
		})
	}
	t.Run("loopback may be plain, and paths are adjustable", func(t *testing.T) {
		t.Parallel()
		r, err := relay.New(relay.Config{PublicURL: "http://localhost:3000/app", BasePath: "/inspector/api/oauth/", Observer: observe.Slog(slog.New(slog.DiscardHandler))})
		if err != nil {
			t.Fatal(err)
		}
		if r.MetadataPath() != "/inspector/api/oauth/metadata" || r.ProxyPath() != "/inspector/api/oauth/proxy" {
			t.Errorf("the paths are %s and %s", r.MetadataPath(), r.ProxyPath())
		}
	})
}

// covers: T-OPS-03
func TestLogsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	n := usual(t)
	var logged bytes.Buffer
	r := n.relay(t, func(c *relay.Config) {
		c.Observer = observe.Slog(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	})
	order := tokenOrder(serverURL+"?key=hush", "https://as.example.com/token")
	order["headers"] = object{"Authorization": "Bearer hush", "Content-Type": "application/x-www-form-urlencoded"}
	order["body"] = object{"code": "hush", "client_secret": "latchkey-relay.hush", "client_id": "c"}
	send(t, r, proxyRequest(order))
	order["url"] = "https://as.example.com/other?code=hush"
	send(t, r, proxyRequest(order))
	order["url"] = "https://127.0.0.1/?code=hush"
	send(t, r, proxyRequest(order))
	send(t, r, proxyRequest(`{"serverUrl":"hush`))
	send(t, r, metadataRequest(serverURL, "https://nowhere.example.com/?hush"))
	if strings.Contains(logged.String(), "hush") {
		t.Errorf("the log is %s", logged.String())
	}
	if strings.Count(logged.String(), "\n") < 6 {
		t.Errorf("the log lacks requests: %s", logged.String())
	}
}
