package relay_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
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
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/relay"
)

// internet is a public internet for tests: every host is a handler behind one TLS server, under one
// public address. No test leaves the machine.
type internet struct {
	tls *httptest.Server

	mu       sync.Mutex
	hosts    map[string]http.HandlerFunc
	names    map[string][]string // names with special addresses
	requests []*seen
	dialled  []netip.AddrPort
}

// seen is a request that arrived somewhere.
type seen struct {
	host, method, path, query, body string
	header                          http.Header
}

const publicIP = "93.184.215.14"

func newInternet(t testing.TB) *internet {
	t.Helper()
	n := &internet{hosts: map[string]http.HandlerFunc{}, names: map[string][]string{}}
	n.tls = httptest.NewUnstartedServer(http.HandlerFunc(n.serve))
	n.tls.EnableHTTP2 = true
	n.tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	n.tls.StartTLS()
	t.Cleanup(n.tls.Close)
	return n
}

func (n *internet) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	n.mu.Lock()
	n.requests = append(n.requests, &seen{host, r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
	handler := n.hosts[host]
	n.mu.Unlock()
	if handler == nil {
		http.NotFound(w, r)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	handler(w, r)
}

func (n *internet) host(name string, handler http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name] = handler
}

func (n *internet) name(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = addresses
}

// LookupNetIP implements egress.Resolver.
func (n *internet) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if special, ok := n.names[host]; ok {
		var addrs []netip.Addr
		for _, text := range special {
			addrs = append(addrs, netip.MustParseAddr(text))
		}
		return addrs, nil
	}
	if n.hosts[host] == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr(publicIP)}, nil
}

func (n *internet) connect(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	switch {
	case addr.Addr().String() == publicIP:
		return d.DialContext(ctx, "tcp", n.tls.Listener.Addr().String())
	case addr.Addr().IsLoopback():
		return d.DialContext(ctx, "tcp", addr.String())
	default:
		return nil, errors.New("no such server in this internet")
	}
}

func (n *internet) policy() egress.Policy {
	if n.tls == nil {
		return egress.Policy{}
	}
	pool := x509.NewCertPool()
	pool.AddCert(n.tls.Certificate())
	return egress.Policy{RootCAs: pool, Resolver: n, Connect: n.connect, OnDial: func(addr netip.AddrPort) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.dialled = append(n.dialled, addr)
	}}
}

// arrived returns the requests that reached a host's path; an empty path is any.
func (n *internet) arrived(host, path string) []*seen {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []*seen
	for _, s := range n.requests {
		if s.host == host && (path == "" || s.path == path) {
			found = append(found, s)
		}
	}
	return found
}

// forget drops what was recorded.
func (n *internet) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests, n.dialled = nil, nil
}

// checkDials fails when anything but the public address was dialled.
func (n *internet) checkDials(t *testing.T) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, addr := range n.dialled {
		if addr.Addr().String() != publicIP {
			t.Errorf("dialled %s", addr)
		}
	}
}

func jsonAnswer(status int, value any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(value)
	}
}

// object is a JSON object.
type object = map[string]any

// mcp adds an MCP server whose challenge names its metadata, at https://{name}/mcp.
func (n *internet) mcp(name string, metadata any) {
	mux := http.NewServeMux()
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="https://`+name+`/.well-known/oauth-protected-resource/mcp"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("/.well-known/oauth-protected-resource/mcp", jsonAnswer(http.StatusOK, metadata))
	n.host(name, mux.ServeHTTP)
}

// authorizationServer adds one with the usual endpoints, which answer what they are.
func (n *internet) authorizationServer(name string) {
	issuer := "https://" + name
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-authorization-server", jsonAnswer(http.StatusOK, serverMetadata(issuer)))
	for _, path := range []string{"/register", "/token", "/revoke", "/introspect"} {
		mux.HandleFunc("POST "+path, jsonAnswer(http.StatusOK, object{"endpoint": path}))
	}
	n.host(name, mux.ServeHTTP)
}

func serverMetadata(issuer string) object {
	return object{
		"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
		"registration_endpoint": issuer + "/register", "revocation_endpoint": issuer + "/revoke",
		"introspection_endpoint": issuer + "/introspect", "jwks_uri": issuer + "/jwks", "userinfo_endpoint": issuer + "/userinfo",
	}
}

func resourceMetadata(resource string, servers ...string) object {
	return object{"resource": resource, "authorization_servers": servers}
}

const (
	appURL    = "https://app.example.com"
	serverURL = "https://mcp.example.com/mcp"
)

// usual is an internet with an MCP server and its authorization server.
func usual(t testing.TB) *internet {
	t.Helper()
	n := newInternet(t)
	n.mcp("mcp.example.com", resourceMetadata(serverURL, "https://as.example.com"))
	n.authorizationServer("as.example.com")
	return n
}

func (n *internet) relay(t testing.TB, adjust ...func(*relay.Config)) *relay.Relay {
	t.Helper()
	config := relay.Config{
		PublicURL: appURL, Egress: n.policy(), Observer: observe.Slog(slog.New(slog.DiscardHandler)), RequestsPerMinute: -1,
	}
	for _, a := range adjust {
		a(&config)
	}
	r, err := relay.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// result is a relay's answer.
type result struct {
	status int
	header http.Header
	body   string
}

// reply is a decoded answer to …/proxy.
type reply struct {
	Status     int               `json:"status"`
	StatusText string            `json:"statusText"`
	Headers    map[string]string `json:"headers"`
	Body       json.RawMessage   `json:"body"`
}

func (r result) reply(t *testing.T) reply {
	t.Helper()
	var decoded reply
	if r.status != http.StatusOK {
		t.Fatalf("the relay answered %d: %s", r.status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), &decoded); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return decoded
}

func send(t *testing.T, handler http.Handler, req *http.Request) result {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, req.WithContext(t.Context()))
	return result{recorder.Code, recorder.Header(), recorder.Body.String()}
}

func metadataRequest(server, target string) *http.Request {
	query := url.Values{"serverUrl": {server}, "url": {target}}
	req := httptest.NewRequest(http.MethodGet, "/oauth/metadata?"+query.Encode(), nil)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return req
}

func proxyRequest(body any) *http.Request {
	text, isText := body.(string)
	if !isText {
		encoded, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		text = string(encoded)
	}
	req := httptest.NewRequest(http.MethodPost, "/oauth/proxy", strings.NewReader(text))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", appURL)
	return req
}

// tokenOrder is a request to exchange a code.
func tokenOrder(server, target string) object {
	return object{
		"serverUrl": server, "url": target, "method": "POST",
		"headers": object{"Content-Type": "application/x-www-form-urlencoded"},
		"body":    object{"grant_type": "authorization_code", "code": "test-code"},
	}
}

func wantStatus(t *testing.T, got result, want int) {
	t.Helper()
	if got.status != want {
		t.Errorf("status %d with %s, want %d", got.status, got.body, want)
	}
	if want >= 400 {
		var refused struct{ Error string }
		if err := json.Unmarshal([]byte(got.body), &refused); err != nil || refused.Error == "" {
			t.Errorf("the refusal's body is %q, want {error}", got.body)
		}
	}
}

// silentListeners listen on loopback and count who connects.
type silentListeners struct {
	port     string
	accepted atomic.Int64
}

func listenSilently(t *testing.T) *silentListeners {
	t.Helper()
	s := &silentListeners{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(listener.Addr().String())
	listeners := []net.Listener{listener}
	if six, err := net.Listen("tcp", "[::1]:"+s.port); err == nil {
		listeners = append(listeners, six)
	}
	var done sync.WaitGroup
	for _, l := range listeners {
		done.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				s.accepted.Add(1)
				_ = conn.Close()
			}
		})
	}
	t.Cleanup(func() {
		for _, l := range listeners {
			_ = l.Close()
		}
		done.Wait()
	})
	return s
}

func (s *silentListeners) check(t *testing.T) {
	t.Helper()
	if n := s.accepted.Load(); n != 0 {
		t.Errorf("the loopback listeners got %d connections, want none", n)
	}
}

// specialHosts are hosts of URLs that lead, in one parser's eyes or another's, to a special
// address.
func specialHosts() []string {
	hosts := []string{
		"127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0x7f000001", "017700000001", "0x7f.1", "0177.0.0.1", "127.000.000.001",
		"localhost", "LOCALHOST", "localhost.", "a.localhost", "ⓛocalhost", "１２７.０.０.１", "127。0。0。1", "127.0.0.1%2e",
		"0.0.0.0", "0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "2852039166", "0xa9fea9fe",
		"168.63.129.16", "100.100.100.200", "192.0.0.192", "198.18.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255",
		"[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]",
		"[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::10.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:7f00:1::1]", "[fe80::1]",
		"[fe80::1%25eth0]", "[::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[100::1]",
		"private.example.com", "metadata.example.com", "mapped.example.com", "mixed.example.com",
	}
	return slices.Clip(hosts)
}

// nameSpecials gives the names of specialHosts their addresses.
func (n *internet) nameSpecials() {
	n.name("private.example.com", "10.0.0.1")
	n.name("metadata.example.com", "169.254.169.254")
	n.name("mapped.example.com", "::ffff:127.0.0.1")
	n.name("mixed.example.com", publicIP, "127.0.0.1")
}

func quote(value string) string { return fmt.Sprintf("%q", value) }
