package devidp

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
)

// TB is the part of [testing.TB] that [Start] needs. This package does not import testing, so
// programs can use it too.
type TB interface {
	Helper()
	Cleanup(f func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// TestServer is a [Server] on a free port that ends with its test.
type TestServer struct {
	*Server

	t      TB
	client *http.Client
}

// Start runs a server on a free loopback port until the test ends. Each function may change the
// configuration; the issuer is set already, so a path can be added to it:
//
//	idp := devidp.Start(t, func(c *devidp.Config) { c.Issuer += "/realms/dev" })
//
// Refusals are logged to the test.
func Start(t TB, configure ...func(*Config)) *TestServer {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("devidp: %v", err)
	}
	log := &testLog{t: t}
	config := Config{Issuer: "http://" + listener.Addr().String(), Logger: slog.New(slog.NewTextHandler(log, nil))}
	for _, f := range configure {
		f(&config)
	}
	s, err := New(config)
	if err != nil {
		_ = listener.Close()
		t.Fatalf("%v", err)
	}
	transport := &http.Transport{}
	server := s.httpServer()
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		s.stop()
		transport.CloseIdleConnections()
		_ = server.Close()
		running.Wait()
		log.end()
	})
	return &TestServer{Server: s, t: t, client: &http.Client{Transport: transport}}
}

// Client returns an HTTP client whose connections end with the test. It follows redirects as usual
// and keeps no cookies.
func (s *TestServer) Client() *http.Client { return s.client }

// Token is [Server.Mint]; a problem ends the test.
func (s *TestServer) Token(request TokenRequest) string {
	s.t.Helper()
	token, err := s.Mint(request)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	return token
}

// testLog writes to a test's log until the test ends: after that, Logf would panic.
type testLog struct {
	mu    sync.Mutex
	t     TB
	ended bool
}

func (l *testLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.t.Logf("%s", strings.TrimSuffix(string(line), "\n"))
	}
	return len(line), nil
}

func (l *testLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}
