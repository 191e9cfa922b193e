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
	close(p.closed)
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
			}), slog.New(slog.DiscardHandler))
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
