package egress_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// world is an internet for tests: names with addresses, and addresses that lead to servers on
// loopback. Whatever is not in it does not exist, so no test leaves the machine.
type world struct {
	mu      sync.Mutex
	names   map[string][]string
	servers map[string]string // "8.8.8.8:443" to the loopback address of a test server
	lookups map[string]int
	dialled []netip.AddrPort
}

func newWorld() *world {
	return &world{names: map[string][]string{}, servers: map[string]string{}, lookups: map[string]int{}}
}

// publicIP is some address of the public internet. The ranges for documentation would be refused.
const publicIP = "93.184.215.14"

// serve makes a test server reachable under a name and a public address.
func (w *world) serve(name, ip, port string, server *httptest.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name] = []string{ip}
	w.servers[net.JoinHostPort(ip, port)] = server.Listener.Addr().String()
}

func (w *world) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups[host]++
	texts, ok := w.names[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	addrs := make([]netip.Addr, len(texts))
	for i, text := range texts {
		addrs[i] = netip.MustParseAddr(text)
	}
	return addrs, nil
}

func (w *world) connect(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	target, ok := w.servers[addr.String()]
	w.mu.Unlock()
	if !ok && addr.Addr().IsLoopback() {
		target, ok = addr.String(), true
	}
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no such server in this world")}
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", target)
}

func (w *world) observe(addr netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialled = append(w.dialled, addr)
}

func (w *world) dials() []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.dialled)
}

// policy adds the world to a policy.
func (w *world) policy(p egress.Policy) egress.Policy {
	p.Resolver, p.Connect, p.OnDial = w, w.connect, w.observe
	return p
}

func (w *world) client(t *testing.T, p egress.Policy) *http.Client {
	t.Helper()
	client := egress.NewClient(w.policy(p))
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// trusting returns a pool with a test server's certificate, which is valid for example.com,
// *.example.com and loopback.
func trusting(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

func newTLSServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = discardLog()
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func newServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func hostOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func portOf(server *httptest.Server) string {
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return port
}

// silentListeners listen on loopback and count who connects.
type silentListeners struct {
	ports    []string
	accepted atomic.Int64
}

func listenSilently(t *testing.T) *silentListeners {
	t.Helper()
	s := &silentListeners{}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue // a machine without IPv6
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		s.ports = append(s.ports, port)
		var done sync.WaitGroup
		done.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				s.accepted.Add(1)
				_ = conn.Close()
			}
		})
		t.Cleanup(func() { _ = listener.Close(); done.Wait() })
	}
	return s
}

func (s *silentListeners) check(t *testing.T) {
	t.Helper()
	if n := s.accepted.Load(); n != 0 {
		t.Errorf("the loopback listeners got %d connections, want none", n)
	}
}

func get(t *testing.T, client *http.Client, rawURL string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rawURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := egress.Do(client, req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func wantKind(t *testing.T, err error, want egress.Kind) {
	t.Helper()
	if got := egress.KindOf(err); got != want {
		t.Errorf("error is %v (kind %q), want kind %q", err, got, want)
	}
}

func wantBody(t *testing.T, body string, err error, want string) {
	t.Helper()
	if err != nil {
		t.Fatalf("the request failed: %v", err)
	}
	if body != want {
		t.Errorf("body is %q, want %q", body, want)
	}
}

// kinds are what a refusal before any connection may be called.
func isRefusal(err error) bool {
	switch egress.KindOf(err) {
	case egress.KindAddress, egress.KindURL, egress.KindScheme:
		return true
	}
	return false
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, text) }
}

func joinURL(scheme, host, port string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host + ":" + port + "/"
}
