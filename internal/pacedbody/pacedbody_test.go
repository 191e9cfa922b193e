package pacedbody_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/pacedbody"
)

// oneConnection is a listener that has one connection.
type oneConnection struct {
	conn chan net.Conn
	done chan struct{}
}

func (l *oneConnection) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *oneConnection) Close() error   { close(l.done); return nil }
func (l *oneConnection) Addr() net.Addr { return &net.TCPAddr{} }

// send sends a body, a piece at a time, and returns how long the connection was open and the
// answer's first line.
func send(t *testing.T, h http.Handler, pieces, size int, every time.Duration) (open time.Duration, status string) {
	t.Helper()
	client, server := net.Pipe()
	l := &oneConnection{make(chan net.Conn, 1), make(chan struct{})}
	l.conn <- server
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	begin := time.Now()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		answer, _ := io.ReadAll(client)
		status = string(answer[:min(len(answer), len("HTTP/1.1 200"))])
		open = time.Since(begin)
	}()
	_, _ = fmt.Fprintf(client, "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", pieces*size)
	for range pieces {
		if _, err := client.Write(make([]byte, size)); err != nil {
			break
		}
		select {
		case <-gone:
		case <-time.After(every):
		}
	}
	<-gone
	_ = s.Close()
	_ = client.Close()
	return open, status
}

// TestBodies sends bodies that are slow, and bodies that never end.
// covers: A3
func TestBodies(t *testing.T) {
	t.Parallel()
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "unread", http.StatusBadRequest)
		}
	})
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			http.Error(w, "the deadline of the body ended the request", http.StatusInternalServerError)
		case <-time.After(time.Hour):
			_, _ = io.WriteString(w, "late")
		}
	})
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "refused", http.StatusUnauthorized) })
	for name, c := range map[string]struct {
		handler      http.Handler
		pieces, size int
		every        time.Duration
		status       string
		within       time.Duration
	}{
		"A3: a byte every four seconds":                    {read, 1000, 1, 4 * time.Second, "HTTP/1.1 400", 75 * time.Second},
		"A3: nothing at all":                               {read, 2, 1, time.Hour, "HTTP/1.1 400", 75 * time.Second},
		"A3: a byte every four seconds, refused":           {refuse, 1000, 1, 4 * time.Second, "HTTP/1.1 401", time.Second},
		"A3: 256 bytes a second pass":                      {read, 256, 256, time.Second, "HTTP/1.1 200", 257 * time.Second},
		"A3: not for more than ten minutes":                {read, 1000, 256, time.Second, "HTTP/1.1 400", 601 * time.Second},
		"A3: a burst is no credit":                         {read, 2, 60 << 10, time.Hour, "HTTP/1.1 400", 75 * time.Second},
		"A3: a handler may take its time once it has read": {late, 1, 10, time.Second, "HTTP/1.1 200", time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				open, status := send(t, pacedbody.Handler(c.handler), c.pieces, c.size, c.every)
				if open > c.within || status != c.status {
					t.Errorf("%q after %s, want %q within %s", status, open, c.status, c.within)
				}
			})
		})
	}
}
