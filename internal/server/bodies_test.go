package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBodiesOfRefusedRequestsAreNotWaitedFor announces bodies that never come.
// covers: A3
func TestBodiesOfRefusedRequestsAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(newServer(t))
	t.Cleanup(s.Close)
	for path, status := range map[string]int{"/mcp": 401, "/whoami": 405, "/nowhere": 404, "/oauth/metadata": 405} {
		t.Run("A3: "+path, func(t *testing.T) {
			t.Parallel()
			closesAfter(t, s.Listener.Addr().String(), path, "127.0.0.1:8080", status)
		})
	}
}

// TestBodiesAreBounded sends more than the MCP endpoint takes, announced and not.
// covers: A3
func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]int64{"A3: announced": 5 << 20, "A3: as it comes": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(strings.Repeat(" ", 5<<20)))
			r.ContentLength, r.Host = length, "127.0.0.1:8080"
			for name, value := range map[string]string{
				"Authorization": "Bearer good", "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
			} {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			newServer(t).ServeHTTP(w, r)
			if w.Code != http.StatusRequestEntityTooLarge && w.Code != http.StatusBadRequest {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if rest, _ := io.Copy(io.Discard, r.Body); rest == 0 {
				t.Error("all of it was read")
			}
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
