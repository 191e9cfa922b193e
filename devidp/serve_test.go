package devidp_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	good := devidp.Config{Issuer: "http://127.0.0.1:9400"}
	change := func(f func(*devidp.Config)) devidp.Config {
		c := good
		f(&c)
		return c
	}
	tests := map[string]devidp.Config{
		"no users at all":          change(func(c *devidp.Config) { c.Users = []devidp.User{} }),
		"a user without a name":    change(func(c *devidp.Config) { c.Users = []devidp.User{{ID: "x"}} }),
		"a username twice":         change(func(c *devidp.Config) { c.Users = []devidp.User{{Username: "x"}, {Username: "x", ID: "y"}} }),
		"an ID twice":              change(func(c *devidp.Config) { c.Users = []devidp.User{{Username: "x", ID: "1"}, {Username: "y", ID: "1"}} }),
		"too many users":           change(func(c *devidp.Config) { c.Users = make([]devidp.User, 201) }),
		"the algorithm none":       change(func(c *devidp.Config) { c.Algorithm = "none" }),
		"an HMAC algorithm":        change(func(c *devidp.Config) { c.Algorithm = "HS256" }),
		"an unknown token format":  change(func(c *devidp.Config) { c.AccessTokens = "paseto" }),
		"a scope with a space":     change(func(c *devidp.Config) { c.Scopes = []string{"a b"} }),
		"a relative resource":      change(func(c *devidp.Config) { c.Resources = []string{"/mcp"} }),
		"a negative lifetime":      change(func(c *devidp.Config) { c.AccessTokenLifetime = -1 }),
		"the scheme javascript":    change(func(c *devidp.Config) { c.RedirectSchemes = []string{"javascript"} }),
		"a scheme with its colon":  change(func(c *devidp.Config) { c.RedirectSchemes = []string{"cursor:"} }),
		"a client without ID":      change(func(c *devidp.Config) { c.Clients = []devidp.Client{{RedirectURIs: []string{testRedirect}}} }),
		"a client without address": change(func(c *devidp.Config) { c.Clients = []devidp.Client{{ID: "x"}} }),
		"a client with a foreign http address": change(func(c *devidp.Config) {
			c.Clients = []devidp.Client{{ID: "x", RedirectURIs: []string{"http://app.example.com/"}}}
		}),
		"a client with a method but no secret": change(func(c *devidp.Config) {
			c.Clients = []devidp.Client{{ID: "x", RedirectURIs: []string{testRedirect}, AuthMethod: "client_secret_basic"}}
		}),
		"a client with a secret for nothing": change(func(c *devidp.Config) {
			c.Clients = []devidp.Client{{ID: "x", RedirectURIs: []string{testRedirect}, AuthMethod: "none", Secret: "test"}}
		}),
	}
	for _, issuer := range []string{
		"", "https://login.example.com", "http://192.168.0.10:9400", "http://0.0.0.0:9400", "http://[::]:9400", "localhost:9400",
		"http://localhost.example.com", "http://127.0.0.1@evil.example", "http://user@127.0.0.1", "ftp://127.0.0.1",
		"http://127.0.0.1/?x", "http://127.0.0.1/#x", "http://127.0.0.1/a//b", "http://127.0.0.1/{x}", "http://127.0.0.1/../x",
		"http://127.0.0.1/%41", "http://127.0.0.1/" + strings.Repeat("x", 600), "http://127.0.0.1/a b", "http://10.0.0.1",
	} {
		tests[fmt.Sprintf("the issuer %.40q", issuer)] = devidp.Config{Issuer: issuer}
	}
	for name, config := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config.Logger = discard()
			if _, err := devidp.New(config); err == nil {
				t.Error("it was accepted")
			} else if !strings.HasPrefix(err.Error(), "devidp: ") {
				t.Errorf("error is %q", err)
			}
		})
	}
}

func TestConfigurationIsAccepted(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{
		"http://127.0.0.1:9400", "http://localhost", "https://localhost:8443/auth", "http://[::1]:9400/", "http://idp.localhost:80/a/b/",
	} {
		t.Run(issuer, func(t *testing.T) {
			t.Parallel()
			s, err := devidp.New(devidp.Config{Issuer: issuer, Logger: discard()})
			if err != nil {
				t.Fatal(err)
			}
			if s.Issuer() != issuer || s.URL("/token") != strings.TrimSuffix(issuer, "/")+"/token" {
				t.Errorf("issuer %q, token %q", s.Issuer(), s.URL("/token"))
			}
		})
	}
}

func TestNewWarns(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	if _, err := devidp.New(devidp.Config{Issuer: "http://127.0.0.1:9400", Logger: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "for development and tests only") {
		t.Errorf("log is %q", text)
	}
}

func newServer(t *testing.T) *devidp.Server {
	t.Helper()
	s, err := devidp.New(devidp.Config{Issuer: "http://127.0.0.1:9400", Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestListenerThatIsNotLoopbackIsRefused(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "evil.example:0", "no-port"} {
		t.Run(addr, func(t *testing.T) {
			t.Parallel()
			if err := newServer(t).ListenAndServe(t.Context(), addr); err == nil {
				t.Error("it listened")
			}
		})
	}
	t.Run("as a listener, which is closed", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel() // were it accepted, it would end at once
		if err := newServer(t).Serve(ended, listener); err == nil || !strings.Contains(err.Error(), "development only") {
			t.Errorf("error is %v", err)
		}
		if _, err := listener.Accept(); err == nil {
			t.Error("the listener is still open")
		}
	})
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	serve := func(t *testing.T) (s *devidp.Server, base string, cancel context.CancelFunc, ended chan error) {
		t.Helper()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s = newServer(t)
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		ended = make(chan error, 1)
		go func() { ended <- s.Serve(ctx, listener) }()
		return s, "http://" + listener.Addr().String(), cancel, ended
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Run("and says nothing", func(t *testing.T) {
		t.Parallel()
		_, base, cancel, ended := serve(t)
		if answer := do(t, client, newRequest(t, http.MethodGet, base+"/jwks", "", "")); answer.status != http.StatusOK {
			t.Fatalf("status %d", answer.status)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Run("even when a delayed answer is under way", func(t *testing.T) {
		t.Parallel()
		s, base, cancel, ended := serve(t)
		s.SetFaults(devidp.Faults{Delay: time.Hour})
		var request sync.WaitGroup
		request.Go(func() {
			response, err := client.Do(newRequest(t, http.MethodGet, base+"/jwks", "", ""))
			if err == nil {
				_ = response.Body.Close()
			}
		})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		request.Wait()
	})
	t.Run("and fails when its address is taken", func(t *testing.T) {
		t.Parallel()
		_, base, _, _ := serve(t)
		if err := newServer(t).ListenAndServe(t.Context(), strings.TrimPrefix(base, "http://")); err == nil {
			t.Error("it listened")
		}
	})
}

// covers: T-OPS-03
func TestServersPrintNoSecret(t *testing.T) {
	t.Parallel()
	const hidden = "test-secret-that-nobody-may-read"
	idp := devidp.Start(t, func(c *devidp.Config) {
		c.Clients = []devidp.Client{{ID: "c", Secret: hidden, RedirectURIs: []string{"http://127.0.0.1/callback"}}}
	})
	for _, value := range []any{idp, idp.Server} {
		if printed := fmt.Sprintf("%[1]v %+[1]v %#[1]v %[1]s", value); strings.Contains(printed, hidden) {
			t.Errorf("%T prints %s", value, printed)
		}
	}
}
