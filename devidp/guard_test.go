package devidp_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

var everyPath = []string{
	"/", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/jwks", "/authorize", "/login",
	"/consent", "/token", "/register", "/userinfo", "/introspect", "/revoke", "/no-such-path",
}

// Threats, "Operations": DNS rebinding.
// covers: T-OPS-01
func TestForeignHostIsForbidden(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	for _, host := range []string{
		"evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.10", "0.0.0.0", "[::]",
		"169.254.169.254", "127.0.0.1:80@evil.example", "evil.example@127.0.0.1", "2130706433", "0x7f.1", "[fe80::1]", "127.1",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			for _, path := range everyPath {
				request := newRequest(t, http.MethodGet, idp.URL(path), "", "")
				request.Host = host
				answer := do(t, unfollowing(idp.Client()), request)
				if answer.status != http.StatusForbidden && answer.status != http.StatusBadRequest { // net/http refuses some itself
					t.Errorf("%s: status %d", path, answer.status)
				}
			}
		})
	}
	for _, host := range []string{"localhost", "localhost:1234", "127.0.0.1", "[::1]:9400", "app.localhost:9400", "LOCALHOST"} {
		t.Run("but not "+host, func(t *testing.T) {
			t.Parallel()
			request := newRequest(t, http.MethodGet, idp.URL("/jwks"), "", "")
			request.Host = host
			if answer := do(t, idp.Client(), request); answer.status != http.StatusOK {
				t.Errorf("status %d", answer.status)
			}
		})
	}
}

// covers: T-OPS-01
func TestForeignOriginIsForbidden(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	for _, origin := range []string{
		"https://evil.example", "http://evil.example", "null", "file://", "http://127.0.0.1.evil.example", "http://localhost@evil.example",
		"chrome-extension://abcdefgh", "http://192.168.0.10:3000", "", "localhost", "http://localhost/../x",
	} {
		t.Run(origin, func(t *testing.T) {
			t.Parallel()
			for _, path := range everyPath {
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
					request := newRequest(t, method, idp.URL(path), "", "")
					request.Header["Origin"] = []string{origin}
					answer := do(t, unfollowing(idp.Client()), request)
					if answer.status != http.StatusForbidden {
						t.Errorf("%s %s: status %d", method, path, answer.status)
					}
					if answer.header.Get("Access-Control-Allow-Origin") != "" {
						t.Errorf("%s %s: the origin may read the answer", method, path)
					}
				}
			}
		})
	}
	t.Run("whatever its faults say", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t)
		idp.SetFaults(devidp.Faults{ErrorsAsSuccess: true, HTML: true})
		request := newRequest(t, http.MethodGet, idp.URL("/jwks"), "", "")
		request.Header.Set("Origin", "https://evil.example")
		do(t, idp.Client(), request).wantError(t, 403, oauth.CodeAccessDenied)
	})
}

func TestScriptsOfLoopbackOriginsCanCall(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t)
	const origin = "http://localhost:6274"
	for path, methods := range map[string]string{
		"/.well-known/oauth-authorization-server": "GET, HEAD, OPTIONS", "/.well-known/openid-configuration": "GET, HEAD, OPTIONS",
		"/jwks": "GET, HEAD, OPTIONS", "/token": "POST, OPTIONS", "/register": "POST, OPTIONS", "/revoke": "POST, OPTIONS",
		"/userinfo": "GET, HEAD, POST, OPTIONS",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			preflight := newRequest(t, http.MethodOptions, idp.URL(path), "", "")
			preflight.Header.Set("Origin", origin)
			preflight.Header.Set("Access-Control-Request-Method", "POST")
			answer := do(t, idp.Client(), preflight)
			if answer.status != http.StatusNoContent || answer.header.Get("Access-Control-Allow-Origin") != origin ||
				answer.header.Get("Access-Control-Allow-Methods") != methods {
				t.Errorf("preflight: %d %v", answer.status, answer.header)
			}
			for _, name := range []string{"Authorization", "Content-Type", "MCP-Protocol-Version"} {
				if !strings.Contains(answer.header.Get("Access-Control-Allow-Headers"), name) {
					t.Errorf("header %s is not allowed", name)
				}
			}
			method, _, _ := strings.Cut(methods, ",")
			request := newRequest(t, method, idp.URL(path), "", "")
			request.Header.Set("Origin", origin)
			answer = do(t, idp.Client(), request)
			if answer.header.Get("Access-Control-Allow-Origin") != origin || answer.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("headers %v", answer.header)
			}
			if !strings.Contains(answer.header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
				t.Error("the challenge cannot be read")
			}
		})
	}
	for _, path := range []string{"/authorize", "/login", "/consent", "/"} {
		t.Run("but not "+path, func(t *testing.T) {
			t.Parallel()
			request := newRequest(t, http.MethodGet, idp.URL(path), "", "")
			request.Header.Set("Origin", origin)
			if answer := do(t, unfollowing(idp.Client()), request); answer.header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("scripts may read a page")
			}
		})
	}
}

// The handler, mounted by somebody on a server that listens to the world.
func TestRequestFromAnotherMachineIsForbidden(t *testing.T) {
	t.Parallel()
	s, err := devidp.New(devidp.Config{Issuer: "http://127.0.0.1:9400", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = r.Header.Get("Test-Remote-Addr")
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	for remote, want := range map[string]int{
		"192.0.2.7:5000": 403, "[2001:db8::1]:5000": 403, "[::ffff:192.0.2.7]:5000": 403,
		"127.0.0.1:5000": 200, "[::1]:5000": 200, "[::ffff:127.0.0.1]:5000": 200,
	} {
		t.Run(remote, func(t *testing.T) {
			t.Parallel()
			request := newRequest(t, http.MethodGet, server.URL+"/jwks", "", "")
			request.Header.Set("Test-Remote-Addr", remote)
			if answer := do(t, server.Client(), request); answer.status != want {
				t.Errorf("status %d, want %d", answer.status, want)
			}
		})
	}
}
