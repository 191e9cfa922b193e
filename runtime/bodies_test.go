package runtime_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestBodiesOfRefusedRequestsAreNotWaitedFor announces bodies that never come to what applications
// mount.
// covers: A3, T-BUD-03
func TestBodiesOfRefusedRequestsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	g := newGuard(t, alice(), nil)
	mux := http.NewServeMux()
	mux.Handle("/", g.Handler())
	mux.Handle("/mcp", g.Protect(whoever))
	mux.Handle("/route", g.Routes()[0].Handler)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for path, status := range map[string]int{"/mcp": 401, "/nowhere": 404, "/route": 405} {
		t.Run("A3: "+path, func(t *testing.T) {
			t.Parallel()
			closesAfter(t, s.Listener.Addr().String(), path, "mcp.example.com", status)
		})
	}
}

// closesAfter sends a request whose body never comes, and demands an answer after which the
// connection is closed.
func closesAfter(t *testing.T, address, path, host string, status int) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\nx", path, host)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if _, err := io.ReadAll(conn); err != nil || answer.StatusCode != status {
		t.Errorf("%s, want %d; the connection ends with %v", answer.Status, status, err)
	}
}
