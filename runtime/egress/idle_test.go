package egress_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// TestUnusedConnectionsAreClosedBeforeServersDo: Node.js and Apache close them after five seconds,
// and what is posted at that moment is lost.
func TestUnusedConnectionsAreClosedBeforeServersDo(t *testing.T) {
	t.Parallel()
	for pause, want := range map[time.Duration]int{time.Second: 1, 4 * time.Second: 2} {
		synctest.Test(t, func(t *testing.T) {
			connections := 0
			client := egress.NewClient(egress.Policy{
				OperatorHosts: []string{"http://127.0.0.1:8080"},
				Connect: func(context.Context, netip.AddrPort) (net.Conn, error) {
					connections++
					ours, theirs := net.Pipe()
					go answerAll(theirs)
					return ours, nil
				},
			})
			defer client.CloseIdleConnections()
			for range 2 {
				response, err := client.Post("http://127.0.0.1:8080/token", "text/plain", strings.NewReader("x"))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				time.Sleep(pause) // of the bubble's clock
			}
			if connections != want {
				t.Errorf("%d connections for two requests with %s between them, want %d", connections, pause, want)
			}
		})
	}
}

// answerAll answers requests on a connection until it ends.
func answerAll(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for reader := bufio.NewReader(conn); ; {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		if _, err := io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n"); err != nil {
			return
		}
	}
}
