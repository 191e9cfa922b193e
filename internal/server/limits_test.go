package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/server"
)

// pipes is a listener in memory, whose connections know the bubble's clock.
type pipes struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.incoming:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.incoming <- theirs
	return ours
}

func TestAClientThatNeverEndsItsHeadersIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{incoming: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- server.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNoContent)
			}), server.Lifecycle{Logger: slog.New(slog.DiscardHandler)})
		}()

		slow := listener.dial()
		var writer sync.WaitGroup
		writer.Go(func() {
			_, _ = io.WriteString(slow, "GET / HTTP/1.1\r\nHost: a\r\n")
			for { // a header every second, for ever
				time.Sleep(time.Second)
				if _, err := io.WriteString(slow, "X-More: x\r\n"); err != nil {
					return
				}
			}
		})
		began := time.Now()
		if _, err := bufio.NewReader(slow).ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the slow client gets %v, want the end of the connection", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("the slow client is cut off after %s, want 10 s", took)
		}
		writer.Wait()

		fine := listener.dial()
		if _, err := io.WriteString(fine, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
			t.Error(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(fine), nil)
		if err != nil || response.StatusCode != http.StatusNoContent {
			t.Errorf("another client gets %v, %v", response, err)
		} else {
			_ = response.Body.Close()
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// net/http's own shutdown drops a request that arrives on an open connection just then: the client
// cannot know whether it was handled.
// covers: T-OPS-05
func TestARequestThatArrivesDuringTheStopIsAnsweredAndTheLastOfItsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{incoming: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- server.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusNoContent)
			}), server.Lifecycle{Logger: slog.New(slog.DiscardHandler)})
		}()
		ask := func(conn net.Conn, reader *bufio.Reader) *http.Response {
			t.Helper()
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			return response
		}
		busy, idle, silent := listener.dial(), listener.dial(), listener.dial()
		busyReader, idleReader := bufio.NewReader(busy), bufio.NewReader(idle)
		for conn, reader := range map[net.Conn]*bufio.Reader{busy: busyReader, idle: idleReader} {
			if ask(conn, reader).Close {
				t.Error("a connection is closed before the stop")
			}
		}
		stop()
		synctest.Wait()
		select {
		case <-listener.closed:
		default:
			t.Error("the listener is open after the stop")
		}
		stopped := time.Now()
		time.Sleep(500 * time.Millisecond)
		if !ask(busy, busyReader).Close {
			t.Error("the client is not told that this was the last answer")
		}
		_ = silent.Close()
		if _, err := idleReader.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the idle connection ends with %v", err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(stopped); took < time.Second || took > 2*time.Second {
			t.Errorf("the stop took %s, want one second for connections that are kept open", took)
		}
	})
}

func TestAStopWithoutConnectionsTakesNoTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{incoming: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		began := time.Now()
		if err := server.Run(ctx, listener, http.NotFoundHandler(), server.Lifecycle{Logger: slog.New(slog.DiscardHandler)}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("took %s", took)
		}
	})
}
