package egress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/egress"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// soon is a time limit that a test waits for.
const soon = 50 * time.Millisecond

// covers: T-PRX-14, T-RLY-03, OUT-1
func TestDNSRebinding(t *testing.T) {
	t.Parallel()
	t.Run("a name that changes after the check leads to the checked address", func(t *testing.T) {
		t.Parallel()
		server := newTLSServer(t, say("public"))
		listeners := listenSilently(t)
		w := newWorld()
		w.serve("example.com", publicIP, "443", server)
		policy := w.policy(egress.Policy{RootCAs: trusting(server)})
		policy.OnDial = func(addr netip.AddrPort) {
			w.observe(addr)
			w.mu.Lock()
			w.names["example.com"] = []string{"127.0.0.1"} // the attacker's moment: checked, not yet connected
			w.mu.Unlock()
		}
		client := egress.NewClient(policy)
		t.Cleanup(client.CloseIdleConnections)
		body, err := get(t, client, "https://example.com/")
		wantBody(t, body, err, "public")
		if n := w.lookups["example.com"]; n != 1 {
			t.Errorf("the name was looked up %d times for one connection", n)
		}
		client.CloseIdleConnections()
		_, err = get(t, client, "https://example.com/")
		wantKind(t, err, egress.KindAddress)
		if dialled := w.dials(); len(dialled) != 1 || dialled[0].String() != publicIP+":443" {
			t.Errorf("dialled %v, want the public address once", dialled)
		}
		listeners.check(t)
	})
	t.Run("one private address among public ones refuses the name", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		w.names["example.com"] = []string{publicIP, "10.0.0.1"}
		_, err := get(t, w.client(t, egress.Policy{}), "https://example.com/")
		wantKind(t, err, egress.KindAddress)
		if dialled := w.dials(); len(dialled) != 0 {
			t.Errorf("dialled %v", dialled)
		}
	})
	t.Run("a mapped loopback address from the resolver is refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		w.names["example.com"] = []string{"::ffff:127.0.0.1"}
		_, err := get(t, w.client(t, egress.Policy{}), "https://example.com/")
		wantKind(t, err, egress.KindAddress)
	})
	t.Run("a zone from the resolver is refused", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		w.names["example.com"] = []string{"2606:4700::1%eth0"}
		_, err := get(t, w.client(t, egress.Policy{}), "https://example.com/")
		wantKind(t, err, egress.KindAddress)
	})
	t.Run("no more than eight addresses of a name are tried", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		for i := range 100 {
			w.names["example.com"] = append(w.names["example.com"], fmt.Sprintf("93.184.215.%d", i))
		}
		_, err := get(t, w.client(t, egress.Policy{}), "https://example.com/")
		wantKind(t, err, egress.KindConnect)
		if n := len(w.dials()); n != 8 {
			t.Errorf("%d addresses were dialled, want 8", n)
		}
	})
}

func TestOperatorHosts(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, say("idp"))
	plain := newServer(t, say("plain"))
	port, plainPort := portOf(server), portOf(plain)
	for _, test := range []struct {
		name  string
		hosts []string
		url   string
		want  egress.Kind // empty: reaches the server
	}{
		{"reaches exactly the host and port", []string{"kc.internal:8443"}, "https://kc.internal:8443/", egress.KindTLS},
		{"does not reach another port of the host", []string{"kc.internal:8443"}, "https://kc.internal:9443/", egress.KindAddress},
		{"does not reach the default port of a host with a port", []string{"kc.internal:8443"}, "https://kc.internal/", egress.KindAddress},
		{"means the default port without a port", []string{"kc.internal"}, "https://kc.internal:8443/", egress.KindAddress},
		{"does not reach a name below the host", []string{"kc.internal:8443"}, "https://a.kc.internal:8443/", egress.KindAddress},
		{"does not reach the host's address by number", []string{"kc.internal:8443"}, "https://10.0.0.7:8443/", egress.KindAddress},
		{"ignores case and a trailing dot", []string{"KC.internal.:8443"}, "https://kc.INTERNAL.:8443/", egress.KindTLS},
		{"takes the port from a URL's scheme", []string{"https://kc.internal/realms/x"}, "https://kc.internal:8443/", egress.KindAddress},
		{"refuses plain http to a private host", []string{"kc.internal:8443"}, "http://kc.internal:8443/", egress.KindScheme},
		{"refuses link-local addresses", []string{"link.internal"}, "https://link.internal/", egress.KindAddress},
		{"refuses a metadata service", []string{"169.254.169.254"}, "https://169.254.169.254/", egress.KindAddress},
		{"refuses a metadata service behind a name", []string{"aws.internal"}, "https://aws.internal/", egress.KindAddress},
		{"permits plain http on loopback", []string{"localhost:" + plainPort}, "http://localhost:" + plainPort + "/", ""},
		{"permits plain http on 127.0.0.1", []string{"http://127.0.0.1:" + plainPort}, "http://127.0.0.1:" + plainPort + "/", ""},
		{"keeps other loopback ports closed", []string{"localhost:" + plainPort}, "http://localhost:" + port + "/", egress.KindScheme},
		{"keeps loopback's other name closed", []string{"localhost:" + plainPort}, "http://127.0.0.1:" + plainPort + "/", egress.KindScheme},
		{"permits https on loopback", []string{"127.0.0.1:" + port}, "https://127.0.0.1:" + port + "/", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.names["kc.internal"] = []string{"10.0.0.7"}
			w.names["a.kc.internal"] = []string{"10.0.0.7"}
			w.names["link.internal"] = []string{"169.254.1.1"}
			w.names["aws.internal"] = []string{"fd00:ec2::254"}
			w.servers["10.0.0.7:8443"] = server.Listener.Addr().String()
			client := w.client(t, egress.Policy{OperatorHosts: test.hosts, RootCAs: trusting(server)})
			_, err := get(t, client, test.url)
			wantKind(t, err, test.want) // KindTLS: the server was reached, whose certificate names other hosts
		})
	}
	for _, host := range []string{
		"", "a b", "kc:port", "kc:0", "kc:70000", "bücher.example", "ftp://kc", "fe80::1%eth0", "2130706433", "user@kc", "kc/path",
	} {
		t.Run(fmt.Sprintf("an entry %q is an error of every request", host), func(t *testing.T) {
			t.Parallel()
			policy := egress.Policy{OperatorHosts: []string{host}}
			if policy.Validate() == nil {
				t.Error("Validate finds nothing wrong")
			}
			_, err := get(t, egress.NewClient(policy), "https://example.com/")
			wantKind(t, err, egress.KindPolicy)
		})
	}
	t.Run("a negative limit is an error", func(t *testing.T) {
		t.Parallel()
		if (egress.Policy{MaxResponseBytes: -1}).Validate() == nil {
			t.Error("Validate finds nothing wrong")
		}
	})
	t.Run("an IPv6 entry needs no brackets", func(t *testing.T) {
		t.Parallel()
		w := newWorld()
		client := w.client(t, egress.Policy{OperatorHosts: []string{"fd00::7", "[fd00::8]:8443"}})
		_, err := get(t, client, "https://[fd00::7]/")
		wantKind(t, err, egress.KindConnect)
		_, err = get(t, client, "https://[FD00:0::8]:8443/")
		wantKind(t, err, egress.KindConnect)
	})
}

func TestInsecureAllowLoopback(t *testing.T) {
	t.Parallel()
	server := newServer(t, say("dev"))
	w := newWorld()
	w.names["rebound.example.com"] = []string{"127.0.0.1"}
	client := w.client(t, egress.Policy{InsecureAllowLoopback: true})
	for _, host := range []string{"localhost", "127.0.0.1", "mcp.localhost"} {
		body, err := get(t, client, joinURL("http", host, portOf(server)))
		wantBody(t, body, err, "dev")
	}
	if len(w.lookups) != 0 {
		t.Errorf("DNS was asked for %v", w.lookups)
	}
	for url, want := range map[string]egress.Kind{
		"https://rebound.example.com:8443/": egress.KindAddress,
		"https://10.0.0.1/":                 egress.KindAddress,
		"http://10.0.0.1/":                  egress.KindScheme,
		"http://example.com/":               egress.KindScheme,
	} {
		_, err := get(t, client, url)
		wantKind(t, err, want)
	}
}

func TestConnectsWhenOneFamilyLeadsNowhere(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, say("reached"))
	w := newWorld()
	w.serve("example.com", publicIP, "443", server)
	w.names["example.com"] = []string{"2606:4700::1", "2606:4700::2", publicIP}
	policy := w.policy(egress.Policy{RootCAs: trusting(server)})
	policy.Connect = func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		if addr.Addr().Is6() {
			<-ctx.Done() // a black hole
			return nil, ctx.Err()
		}
		return w.connect(ctx, addr)
	}
	client := egress.NewClient(policy)
	t.Cleanup(client.CloseIdleConnections)
	body, err := get(t, client, "https://example.com/")
	wantBody(t, body, err, "reached")
}

// covers: OUT-1
func TestRedirects(t *testing.T) {
	var reached atomic.Int64
	var headers atomic.Pointer[http.Header]
	mux := http.NewServeMux()
	answer := func(path string, status int, location string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(status)
		})
	}
	mux.HandleFunc("/end", func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		clone := r.Header.Clone()
		headers.Store(&clone)
		_, _ = io.WriteString(w, "end")
	})
	answer("/same", 302, "/end")
	answer("/other", 307, "https://b.example.com/end")
	answer("/loop", 301, "/loop")
	answer("/downgrade", 302, "http://b.example.com/end")
	answer("/downgrade-loopback", 302, "http://localhost:8080/end")
	answer("/private", 302, "https://private.example.com/end")
	answer("/operator", 302, "https://kc.internal/end")
	answer("/metadata", 302, "https://169.254.169.254/")
	answer("/decimal", 302, "https://2852039166/")
	answer("/user", 302, "https://u:p@b.example.com/end")
	answer("/nowhere", 302, "")
	answer("/unreadable", 302, "https://b.example.com/%zz?secret=hush")
	answer("/multiple", 300, "/end")
	answer("/use-proxy", 305, "https://b.example.com/")
	answer("/unchanged", 304, "")
	server := newTLSServer(t, mux.ServeHTTP)
	w := newWorld()
	w.serve("a.example.com", publicIP, "443", server)
	w.serve("b.example.com", "93.184.215.15", "443", server)
	w.serve("kc.internal", "10.0.0.7", "443", server)
	w.names["private.example.com"] = []string{"10.0.0.8"}
	off := w.client(t, egress.Policy{RootCAs: trusting(server)})
	on := w.client(t, egress.Policy{RootCAs: trusting(server), MaxRedirects: 3, OperatorHosts: []string{"kc.internal", "localhost:8080"}})

	for _, path := range []string{"/same", "/other", "/nowhere", "/multiple", "/use-proxy", "/private"} {
		t.Run("an answer "+path+" is an error while redirects are off", func(t *testing.T) {
			_, err := get(t, off, "https://a.example.com"+path)
			wantKind(t, err, egress.KindRedirect)
			if reached.Load() != 0 {
				t.Error("the redirect was followed")
			}
		})
	}
	t.Run("304 is no redirect", func(t *testing.T) {
		_, err := get(t, off, "https://a.example.com/unchanged")
		wantKind(t, err, "")
	})
	for path, want := range map[string]egress.Kind{
		"/same": "", "/other": "", "/loop": egress.KindRedirect, "/downgrade": egress.KindRedirect,
		"/downgrade-loopback": egress.KindRedirect, "/private": egress.KindAddress, "/operator": egress.KindRedirect,
		"/metadata": egress.KindAddress, "/decimal": egress.KindAddress, "/user": egress.KindURL, "/nowhere": egress.KindRedirect,
		"/unreadable": egress.KindRedirect, "/multiple": egress.KindRedirect, "/use-proxy": egress.KindRedirect,
	} {
		t.Run("a redirect "+path+" when allowed", func(t *testing.T) {
			_, err := get(t, on, "https://a.example.com"+path)
			wantKind(t, err, want)
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error quotes the location: %v", err)
			}
		})
	}
	t.Run("a redirect within the operator's network is followed", func(t *testing.T) {
		insecure := w.client(t, egress.Policy{OperatorHosts: []string{"kc.internal"}, MaxRedirects: 1})
		_, err := get(t, insecure, "https://kc.internal/same")
		wantKind(t, err, egress.KindTLS) // reached, and its certificate is not trusted
	})
	t.Run("POST does not follow redirects", func(t *testing.T) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://a.example.com/other", strings.NewReader("x"))
		_, err := egress.Do(on, req)
		wantKind(t, err, egress.KindRedirect)
	})
	t.Run("credentials and referer stay behind when the origin changes", func(t *testing.T) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example.com/other?secret=hush", nil)
		req.Header.Set("Authorization", "Bearer test-token")
		req.Header.Set("DPoP", "test-proof")
		req.Header.Set("Accept", "application/json")
		resp, err := egress.Do(on, req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		got := *headers.Load()
		for _, name := range []string{"Authorization", "Dpop", "Referer", "Cookie"} {
			if got.Get(name) != "" {
				t.Errorf("%s went along: %q", name, got.Get(name))
			}
		}
		if got.Get("Accept") == "" {
			t.Error("Accept was lost")
		}
	})
	t.Run("no refused hop was dialled", func(t *testing.T) {
		for _, addr := range w.dials() {
			if addr.Addr().Is4() && addr.Addr().String() != publicIP && addr.Addr().String() != "93.184.215.15" && addr.Addr().String() != "10.0.0.7" {
				t.Errorf("dialled %s", addr)
			}
		}
	})
}

// covers: R6
func TestProxy(t *testing.T) {
	var connects atomic.Int64
	idp := newTLSServer(t, say("through the proxy"))
	direct := newTLSServer(t, say("direct"))
	proxy := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		connects.Add(1)
		upstream, err := net.Dial("tcp", idp.Listener.Addr().String())
		if err != nil || r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, buffered, _ := w.(http.Hijacker).Hijack()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(upstream, buffered); _ = upstream.Close() }()
		_, _ = io.Copy(conn, upstream)
		_ = conn.Close()
	})
	t.Setenv("HTTPS_PROXY", proxy.URL)
	useProxy, err := egress.EnvironmentProxy(os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.serve("idp.example.com", publicIP, "443", direct)
	w.serve("www.example.com", "93.184.215.15", "443", direct)
	w.serve("kc.internal", "10.0.0.7", "8080", newServer(t, say("plain")))
	alwaysProxy := func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	pool := trusting(idp)
	pool.AddCert(direct.Certificate())

	for _, test := range []struct {
		name, url, want string
		policy          egress.Policy
		connects        int64
	}{
		{"the environment's proxy is ignored", "https://idp.example.com/", "direct",
			egress.Policy{OperatorHosts: []string{"idp.example.com"}}, 0},
		{"an operator's host is reached through the proxy", "https://idp.example.com/", "through the proxy",
			egress.Policy{OperatorHosts: []string{"idp.example.com"}, Proxy: useProxy}, 1},
		{"R6: a provider's host is reached through the proxy", "https://idp.example.com/", "through the proxy",
			egress.Policy{ProviderHosts: []string{"https://idp.example.com"}, Proxy: useProxy}, 1},
		{"R6: a stranger's host is reached directly", "https://www.example.com/", "direct",
			egress.Policy{OperatorHosts: []string{"idp.example.com"}, ProviderHosts: []string{"idp.example.com"}, Proxy: useProxy}, 0},
		{"R18: a host of plain http is reached directly", "http://kc.internal:8080/", "plain",
			egress.Policy{OperatorHosts: []string{"kc.internal:8080"}, InsecureHTTPHosts: []string{"kc.internal"}, Proxy: alwaysProxy}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			connects.Store(0)
			test.policy.RootCAs = pool
			client := w.client(t, test.policy)
			body, err := get(t, client, test.url)
			wantBody(t, body, err, test.want)
			if connects.Load() != test.connects {
				t.Errorf("the proxy saw %d requests, want %d", connects.Load(), test.connects)
			}
			client.CloseIdleConnections()
		})
	}
	t.Run("R6: NO_PROXY excepts hosts", func(t *testing.T) {
		choose, err := egress.EnvironmentProxy(func(name string) (string, bool) {
			value, ok := map[string]string{"https_proxy": proxy.URL, "NO_PROXY": ".example.com"}[name]
			return value, ok
		})
		if err != nil {
			t.Fatal(err)
		}
		connects.Store(0)
		client := w.client(t, egress.Policy{OperatorHosts: []string{"idp.example.com"}, Proxy: choose, RootCAs: pool})
		body, err := get(t, client, "https://idp.example.com/")
		wantBody(t, body, err, "direct")
		if connects.Load() != 0 {
			t.Error("the proxy was used")
		}
	})
	t.Run("a failing proxy setting fails the request", func(t *testing.T) {
		client := w.client(t, egress.Policy{
			OperatorHosts: []string{"idp.example.com"},
			Proxy:         func(*http.Request) (*url.URL, error) { return nil, errors.New("bad setting") },
		})
		_, err := get(t, client, "https://idp.example.com/")
		wantKind(t, err, egress.KindPolicy)
	})
}

// covers: R6, R18
func TestThreeClassesOfHosts(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.serve("idp.example.com", "10.0.0.8", "443", newTLSServer(t, say("private")))
	w.serve("kc.internal", "10.0.0.7", "8080", newServer(t, say("plain")))
	for _, test := range []struct {
		name, url string
		policy    egress.Policy
		want      egress.Kind
	}{
		{"R6: a provider's host has no private address", "https://idp.example.com/",
			egress.Policy{ProviderHosts: []string{"idp.example.com"}}, egress.KindAddress},
		{"R6: nor does a stranger's", "https://idp.example.com/", egress.Policy{}, egress.KindAddress},
		{"R6: a provider's host is on no odd port", "https://idp.example.com:25/",
			egress.Policy{ProviderHosts: []string{"idp.example.com:25"}}, egress.KindAddress},
		{"R18: plain http is for operators' hosts", "http://kc.internal:8080/",
			egress.Policy{ProviderHosts: []string{"kc.internal:8080"}, InsecureHTTPHosts: []string{"kc.internal"}}, egress.KindScheme},
		{"R18: that are named for it", "http://kc.internal:8080/",
			egress.Policy{OperatorHosts: []string{"kc.internal:8080"}, InsecureHTTPHosts: []string{"kc"}}, egress.KindScheme},
		{"R18: at the port of its name", "http://kc.internal:8080/",
			egress.Policy{OperatorHosts: []string{"kc.internal:8080"}, InsecureHTTPHosts: []string{"kc.internal:80"}}, egress.KindScheme},
		{"R18: then it works", "http://kc.internal:8080/",
			egress.Policy{OperatorHosts: []string{"kc.internal:8080"}, InsecureHTTPHosts: []string{"kc.internal:8080"}}, ""},
		{"R18: a name is no URL", "http://kc.internal:8080/",
			egress.Policy{OperatorHosts: []string{"kc.internal:8080"}, InsecureHTTPHosts: []string{"http://kc.internal:8080"}}, egress.KindPolicy},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := get(t, w.client(t, test.policy), test.url)
			wantKind(t, err, test.want)
		})
	}
}

// covers: T-TOK-19, OUT-2
func TestTimeLimits(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	hang := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}
	slowLoris := func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, "x"); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts by the kernel's backlog and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	muteServer := &httptest.Server{Listener: mute}

	for _, test := range []struct {
		name    string
		server  *httptest.Server
		policy  egress.Policy
		resolve bool
	}{
		{"resolving", nil, egress.Policy{DialTimeout: soon}, true},
		{"connecting", nil, egress.Policy{DialTimeout: soon}, false},
		{"the handshake", muteServer, egress.Policy{TLSHandshakeTimeout: soon}, false},
		{"the headers", newTLSServer(t, hang), egress.Policy{ResponseHeaderTimeout: soon}, false},
		{"the whole exchange before the headers", newTLSServer(t, hang), egress.Policy{Timeout: soon}, false},
		{"a body that drips", newTLSServer(t, slowLoris), egress.Policy{Timeout: soon}, false},
	} {
		t.Run(test.name+" is limited", func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.names["example.com"] = []string{publicIP}
			policy := w.policy(test.policy)
			if test.server == nil {
				policy.Connect = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}
			} else {
				w.serve("example.com", publicIP, "443", test.server)
				if test.server.TLS != nil {
					policy.RootCAs = trusting(test.server)
				}
			}
			if test.resolve {
				policy.Resolver = hangingResolver{}
			}
			client := egress.NewClient(policy)
			t.Cleanup(client.CloseIdleConnections)
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/?secret=hush", nil)
			_, err := egress.Fetch(client, req, 1<<20)
			wantKind(t, err, egress.KindTimeout)
			if timeout, ok := err.(interface{ Timeout() bool }); !ok || !timeout.Timeout() {
				t.Errorf("%v does not say that it is a timeout", err)
			}
		})
	}
	t.Run("a caller that gives up is not a timeout", func(t *testing.T) {
		t.Parallel()
		server := newTLSServer(t, hang)
		w := newWorld()
		w.serve("example.com", publicIP, "443", server)
		ctx, cancel := context.WithCancel(t.Context())
		policy := w.policy(egress.Policy{RootCAs: trusting(server)})
		policy.OnDial = func(netip.AddrPort) { cancel() }
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com/", nil)
		_, err := egress.Do(egress.NewClient(policy), req)
		wantKind(t, err, egress.KindCanceled)
	})
}

type hangingResolver struct{}

func (hangingResolver) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// covers: T-TOK-19, OUT-2, R21
func TestSizeLimits(t *testing.T) {
	t.Parallel()
	body := func(n int, declared bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if declared {
				w.Header().Set("Content-Length", fmt.Sprint(n))
			}
			_, _ = w.Write(bytes.Repeat([]byte("x"), n))
		}
	}
	compressed := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				t.Error("gzip was not asked for")
			}
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			_, _ = zip.Write(bytes.Repeat([]byte("x"), n))
			_ = zip.Close()
		}
	}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		want    egress.Kind
	}{
		{"a body of exactly the limit passes", body(1000, true), ""},
		{"a chunked body of exactly the limit passes", body(1000, false), ""},
		{"one byte more is too large", body(1001, true), egress.KindTooLarge},
		{"one byte more in chunks is too large", body(1001, false), egress.KindTooLarge},
		{"a compressed body of exactly the limit passes", compressed(1000), ""},
		{"a compressed body counts as what it becomes", compressed(1001), egress.KindTooLarge},
		{"an encoding that was not asked for is refused", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = io.WriteString(w, "xx")
		}, egress.KindContent},
		{"an unknown encoding is refused", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "utf-8, zstd")
			_, _ = io.WriteString(w, "xx")
		}, egress.KindContent},
		{"a charset in place of an encoding changes nothing", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "UTF-8")
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}, ""},
		{"a framing that was taken off changes nothing", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "aws-chunked, identity")
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}, ""},
		{"two layers of compression are refused", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip, gzip")
			_, _ = io.WriteString(w, "xx")
		}, egress.KindContent},
		{"large headers are refused", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 8<<10))
		}, egress.KindFailed},
		{"many headers are refused", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				w.Header().Set(fmt.Sprintf("X-Header-%d", i), "x")
			}
		}, egress.KindFailed},
	} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(test.name+" over "+protocol, func(t *testing.T) {
				t.Parallel()
				server := httptest.NewUnstartedServer(test.handler)
				server.EnableHTTP2 = protocol == "HTTP/2.0"
				server.Config.ErrorLog = discardLog()
				server.StartTLS()
				t.Cleanup(server.Close)
				w := newWorld()
				w.serve("example.com", publicIP, "443", server)
				client := w.client(t, egress.Policy{RootCAs: trusting(server), MaxResponseBytes: 1000, MaxResponseHeaderBytes: 4 << 10})
				text, err := get(t, client, "https://example.com/")
				wantKind(t, err, test.want)
				if err == nil && len(text) != 1000 {
					t.Errorf("got %d bytes", len(text))
				}
			})
		}
	}
}

// allocated returns how many bytes f allocates; other tests must not run meanwhile.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestAHundredMegabytesCostLittleMemory(t *testing.T) { // not parallel: it measures the process
	const size = 100 << 20
	zeros := make([]byte, 1<<20)
	var member bytes.Buffer
	zip := gzip.NewWriter(&member)
	_, _ = zip.Write(zeros)
	_ = zip.Close()
	bomb := bytes.Repeat(member.Bytes(), size/len(zeros)) // members in a row are one stream (RFC 1952 section 2.2)
	var sent atomic.Int64
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"in chunks", func(w http.ResponseWriter, _ *http.Request) {
			for range size / len(zeros) {
				n, err := w.Write(zeros)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}},
		{"as a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sent.Store(0)
			server := newServer(t, test.handler)
			client := egress.NewClient(egress.Policy{OperatorHosts: []string{hostOf(t, server.URL)}})
			defer client.CloseIdleConnections()
			bytes := allocated(func() {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
				_, err := egress.Fetch(client, req, 1<<30)
				wantKind(t, err, egress.KindTooLarge)
			})
			if bytes > 16<<20 {
				t.Errorf("%d bytes were allocated for a body that is refused at 1 MiB", bytes)
			}
			if sent.Load() > 50<<20 {
				t.Errorf("the server could send %d bytes", sent.Load())
			}
		})
	}
}

// covers: T-TOK-19
func TestTLS(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	old := httptest.NewUnstartedServer(say("old"))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = discardLog()
	old.StartTLS()
	t.Cleanup(old.Close)
	plain := newServer(t, say("plain"))
	w := newWorld()
	w.serve("example.com", publicIP, "443", server)
	w.serve("elsewhere.test", "93.184.215.15", "443", server)
	w.serve("old.example.com", "93.184.215.16", "443", old)
	w.serve("plain.example.com", "93.184.215.17", "443", plain)
	pool := trusting(server)
	pool.AddCert(old.Certificate())
	client := w.client(t, egress.Policy{RootCAs: pool})

	t.Run("trusts an authority of the operator and speaks HTTP/2", func(t *testing.T) {
		t.Parallel()
		body, err := get(t, client, "https://example.com/")
		wantBody(t, body, err, "HTTP/2.0")
	})
	for name, test := range map[string]struct {
		client *http.Client
		url    string
		want   egress.Kind
	}{
		"refuses an unknown authority":                    {w.client(t, egress.Policy{}), "https://example.com/", egress.KindTLS},
		"refuses a certificate for another name":          {client, "https://elsewhere.test/", egress.KindTLS},
		"refuses a certificate that lacks the address":    {client, "https://" + publicIP + "/", egress.KindTLS},
		"refuses TLS 1.1":                                 {client, "https://old.example.com/", egress.KindTLS},
		"refuses a server that does not speak TLS at all": {client, "https://plain.example.com/", egress.KindTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := get(t, test.client, test.url)
			wantKind(t, err, test.want)
		})
	}
}

func TestNothingRidesAlong(t *testing.T) {
	var seen []*http.Request
	var mu sync.Mutex
	server := newTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Clone(context.Background()))
		mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "track", Value: "you"})
	})
	w := newWorld()
	w.serve("example.com", publicIP, "443", server)
	client := w.client(t, egress.Policy{RootCAs: trusting(server)})
	for range 2 {
		if _, err := get(t, client, "https://example.com/"); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range seen {
		if r.Header.Get("Cookie") != "" || r.UserAgent() != "latchkey" || r.Host != "example.com" {
			t.Errorf("the server saw %v of host %s", r.Header, r.Host)
		}
	}
	t.Run("a caller's User-Agent wins, and its request is left alone", func(t *testing.T) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		req.Header.Set("User-Agent", "mine")
		if _, err := egress.Fetch(client, req, 10); err != nil {
			t.Fatal(err)
		}
		if got := seen[len(seen)-1].UserAgent(); got != "mine" {
			t.Errorf("User-Agent is %q", got)
		}
		plain, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		if _, err := egress.Fetch(client, plain, 10); err != nil {
			t.Fatal(err)
		}
		if len(plain.Header) != 0 {
			t.Errorf("the caller's request now has %v", plain.Header)
		}
	})
	t.Run("a Host header of another host is refused", func(t *testing.T) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		req.Host = "internal.example.com"
		_, err := egress.Do(client, req)
		wantKind(t, err, egress.KindURL)
	})
	t.Run("a refused request closes its body", func(t *testing.T) {
		body := &closeRecorder{Reader: strings.NewReader("x")}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://127.0.0.1/", body)
		_, err := egress.Do(client, req)
		wantKind(t, err, egress.KindAddress)
		if !body.closed {
			t.Error("the body is still open")
		}
	})
}

type closeRecorder struct {
	io.Reader

	closed bool
}

func (c *closeRecorder) Close() error { c.closed = true; return nil }

func TestConnections(t *testing.T) {
	t.Parallel()
	const parallel = 8
	newCounted := func(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
		var conns atomic.Int64
		server := httptest.NewUnstartedServer(handler)
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				conns.Add(1)
			}
		}
		server.StartTLS() // HTTP/1.1, where every request in flight needs a connection
		t.Cleanup(server.Close)
		return server, &conns
	}
	burst := func(t *testing.T, client *http.Client) {
		var done sync.WaitGroup
		for range parallel {
			done.Go(func() {
				if _, err := get(t, client, "https://example.com/"); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
	}
	t.Run("all connections of a burst are reused by the next", func(t *testing.T) {
		t.Parallel()
		var together sync.WaitGroup
		together.Add(parallel)
		server, conns := newCounted(t, func(http.ResponseWriter, *http.Request) {
			together.Done()
			together.Wait()
		})
		w := newWorld()
		w.serve("example.com", publicIP, "443", server)
		client := w.client(t, egress.Policy{RootCAs: trusting(server)})
		burst(t, client)
		together.Add(parallel)
		burst(t, client)
		if conns.Load() != parallel {
			t.Errorf("two bursts of %d requests took %d connections", parallel, conns.Load())
		}
	})
	t.Run("no more connections than the policy allows", func(t *testing.T) {
		t.Parallel()
		server, conns := newCounted(t, say(""))
		w := newWorld()
		w.serve("example.com", publicIP, "443", server)
		burst(t, w.client(t, egress.Policy{RootCAs: trusting(server), MaxConnsPerHost: 2}))
		if conns.Load() > 2 {
			t.Errorf("%d connections were opened, want 2 at most", conns.Load())
		}
	})
	t.Run("CloseIdleConnections closes them", func(t *testing.T) {
		t.Parallel()
		closed := make(chan struct{})
		server := httptest.NewUnstartedServer(say(""))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(closed)
			}
		}
		server.StartTLS()
		t.Cleanup(server.Close)
		w := newWorld()
		w.serve("example.com", publicIP, "443", server)
		client := w.client(t, egress.Policy{RootCAs: trusting(server)})
		if _, err := get(t, client, "https://example.com/"); err != nil {
			t.Fatal(err)
		}
		client.CloseIdleConnections()
		<-closed
	})
}

// covers: T-OPS-03
func TestErrorsNameTheHostAndNeverTheURL(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "https://example.com/?secret=hush", http.StatusFound)
		case "/status":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "hush")
			panic(http.ErrAbortHandler)
		case "/large":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(make([]byte, 200))
		}
	})
	w := newWorld()
	w.serve("example.com", publicIP, "443", server)
	w.names["nobody.example.com"] = []string{"93.184.215.20"}
	w.names["private.example.com"] = []string{"10.0.0.1"}
	client := w.client(t, egress.Policy{RootCAs: trusting(server), MaxResponseBytes: 100})
	for url, want := range map[string]egress.Kind{
		"https://example.com/redirect?secret=hush":   egress.KindRedirect,
		"https://example.com/status?secret=hush":     egress.KindStatus,
		"https://example.com/html?secret=hush":       egress.KindContent,
		"https://example.com/large?secret=hush":      egress.KindTooLarge,
		"https://nobody.example.com/?secret=hush":    egress.KindConnect,
		"https://unknown.example.com/?secret=hush":   egress.KindResolve,
		"https://private.example.com/?secret=hush":   egress.KindAddress,
		"http://example.com/?secret=hush":            egress.KindScheme,
		"https://user:hush@example.com/?secret=hush": egress.KindURL,
		"https://example.com/%zz?secret=hush":        egress.KindURL,
		"https://exa mple.com/?secret=hush":          egress.KindURL,
	} {
		_, _, err := egress.GetJSON(t.Context(), client, url, 1<<20)
		wantKind(t, err, want)
		if err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "secret") {
			t.Errorf("the error for a secret URL is %v", err)
		}
		if _, bare := err.(*egress.Error); !bare { //nolint:errorlint // a wrapper could add the URL
			t.Errorf("%v is no bare *egress.Error", err)
		}
		if want != egress.KindURL && !strings.Contains(err.Error(), "example.com") {
			t.Errorf("%v does not name the host", err)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/cut?secret=hush", nil)
	_, err := egress.Fetch(client, req, 1<<20)
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("the error for a cut answer is %v", err)
	}
	_, _, err = egress.GetJSON(t.Context(), client, "https://example.com/status", 1<<20)
	if e := egress.AsError(err); e.Status != http.StatusServiceUnavailable || e.RetryAfter != 7*time.Second {
		t.Errorf("status %d, retry after %s", e.Status, e.RetryAfter)
	}
}

func TestGetJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, contentType string
		status            int
		want              egress.Kind
	}{
		{"accepts application/json", "application/json", 200, ""},
		{"accepts parameters", "application/json; charset=utf-8", 200, ""},
		{"accepts a structured suffix", "application/jwk-set+json", 200, ""},
		{"accepts another case", "Application/JSON", 200, ""},
		{"refuses HTML", "text/html", 200, egress.KindContent},
		{"refuses text with JSON inside", "text/plain", 200, egress.KindContent},
		{"refuses a list of types", "application/json, text/html", 200, egress.KindContent},
		{"refuses a type that cannot be read", "application/json;;;=", 200, egress.KindContent},
		{"refuses 201", "application/json", 201, egress.KindStatus},
		{"refuses 204", "application/json", 204, egress.KindStatus},
		{"refuses 404", "application/json", 404, egress.KindStatus},
		{"refuses 500", "application/json", 500, egress.KindStatus},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept") != "application/json" {
					t.Errorf("Accept is %q", r.Header.Get("Accept"))
				}
				w.Header().Set("Content-Type", test.contentType)
				w.Header().Set("ETag", `"1"`)
				w.WriteHeader(test.status)
				if test.status != http.StatusNoContent {
					_, _ = io.WriteString(w, "{}")
				}
			})
			client := egress.NewClient(egress.Policy{OperatorHosts: []string{server.URL}})
			t.Cleanup(client.CloseIdleConnections)
			body, header, err := egress.GetJSON(t.Context(), client, server.URL, 2)
			wantKind(t, err, test.want)
			if err == nil && (string(body) != "{}" || header.Get("ETag") == "") {
				t.Errorf("body %q, headers %v", body, header)
			}
		})
	}
	t.Run("limits the body with anybody's client", func(t *testing.T) {
		t.Parallel()
		server := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"a":1}`)
		})
		_, _, err := egress.GetJSON(t.Context(), server.Client(), server.URL, 6)
		wantKind(t, err, egress.KindTooLarge)
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "30": 30 * time.Second, " 30 ": 30 * time.Second, "-1": 0, "soon": 0, "99999999999": 0,
		"86400":                         time.Hour,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
		"Sat, 02 Jan 2027 03:00:00 GMT": time.Hour,
	} {
		if got := egress.RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("Retry-After %q gives %s, want %s", value, got, want)
		}
	}
}

func TestNoGoroutineIsLeftBehind(t *testing.T) { // not parallel: it counts the process's goroutines
	release := make(chan struct{})
	server := newTLSServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			select {
			case <-r.Context().Done():
			case <-release:
			}
		case "/large":
			_, _ = w.Write(make([]byte, 4<<20))
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		}
	})
	defer close(release)
	w := newWorld()
	w.serve("example.com", publicIP, "443", server)
	w.names["blackhole.example.com"] = []string{"2606:4700::1", "93.184.215.99"}
	policy := w.policy(egress.Policy{RootCAs: trusting(server), Timeout: soon, DialTimeout: soon})
	policy.Connect = func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		if addr.Addr().String() == publicIP {
			return w.connect(ctx, addr)
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	round := func() {
		client := egress.NewClient(policy)
		for _, url := range []string{
			"https://example.com/", "https://example.com/hang", "https://example.com/large", "https://example.com/redirect",
			"https://blackhole.example.com/", "https://10.0.0.1/", "http://example.com/",
		} {
			_, _ = get(t, client, url)
		}
		client.CloseIdleConnections()
	}
	round()
	before := settledGoroutines(0)
	for range 5 {
		round()
	}
	if after := settledGoroutines(before); after > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines before, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

// settledGoroutines waits until no more than the wanted number of goroutines run; with none wanted,
// until the number stays the same for a while.
func settledGoroutines(want int) int {
	deadline := time.Now().Add(5 * time.Second)
	last, since := runtime.NumGoroutine(), time.Now()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for time.Now().Before(deadline) {
		<-poll.C
		n := runtime.NumGoroutine()
		if want > 0 && n <= want {
			return n
		}
		if n != last {
			last, since = n, time.Now()
		}
		if want == 0 && time.Since(since) > 4*soon {
			return n
		}
	}
	return runtime.NumGoroutine()
}

// Anybody can announce a long answer. No memory is kept for what does not come.
func TestAnAnnouncedAnswerTakesNoMemory(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	client := &http.Client{Transport: announcing(limit)}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://idp.example.com/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := egress.Fetch(client, r, limit)
	if err != nil || string(answer.Body) != "short" || cap(answer.Body) > limit/8 {
		t.Errorf("%v, %d bytes are kept", err, cap(answer.Body))
	}
}

// announcing answers with a short body that was said to have so many bytes.
type announcing int64

func (length announcing) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(length), Body: io.NopCloser(strings.NewReader("short")), Request: r}, nil
}
