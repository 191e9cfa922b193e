package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/gateway"
)

// rawUpstream answers each request with bytes as they are, and hangs up.
func rawUpstream(t *testing.T, answer string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				r, err := http.ReadRequest(bufio.NewReader(connection))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(connection, answer)
			}()
		}
	}()
	return "http://" + listener.Addr().String() + "/mcp"
}

// covers: T-GW-06
func TestAnUpstreamSpeaksForItselfAlone(t *testing.T) {
	t.Parallel()
	const fine = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		answer string
		status int
	}{
		"cookies":               {fine + "Set-Cookie: a=mallory\r\nSet-Cookie2: a=mallory\r\nContent-Length: 2\r\n\r\n{}", 200},
		"a challenge":           {fine + "WWW-Authenticate: Bearer resource_metadata=\"https://mallory/\"\r\nProxy-Authenticate: mallory\r\nContent-Length: 2\r\n\r\n{}", 200},
		"what pages may do":     {fine + "Access-Control-Allow-Origin: mallory\r\nAccess-Control-Allow-Credentials: mallory\r\naccess-control-expose-headers: mallory\r\nContent-Length: 2\r\n\r\n{}", 200},
		"rules for browsers":    {fine + "Clear-Site-Data: mallory\r\nStrict-Transport-Security: mallory\r\nRefresh: 0;url=mallory\r\nAlt-Svc: mallory\r\nLink: mallory\r\nContent-Length: 2\r\n\r\n{}", 200},
		"a cache's rules":       {fine + "Cache-Control: public, mallory\r\nVary: mallory\r\nContent-Length: 2\r\n\r\n{}", 200},
		"a place elsewhere":     {"HTTP/1.1 201 Created\r\nLocation: http://mallory/\r\nContent-Location: http://mallory/\r\nContent-Length: 2\r\n\r\n{}", 201},
		"an announced trailer":  {fine + "Trailer: Mallory\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nMallory: mallory\r\n\r\n", 200},
		"a trailer":             {fine + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nSet-Cookie: mallory\r\n\r\n", 200},
		"an early hint":         {"HTTP/1.1 103 Early Hints\r\nLink: mallory\r\nSet-Cookie: mallory\r\n\r\n" + fine + "Content-Length: 2\r\n\r\n{}", 200},
		"two types":             {fine + "Content-Type: mallory\r\nContent-Length: 2\r\n\r\n{}", 200},
		"a refusal of its own":  {"HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: mallory\r\nContent-Length: 2\r\n\r\n{}", 403},
		"an unknown session":    {"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", 404},
		"a failure":             {"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}", 500},
		"401":                   {"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer resource_metadata=\"https://mallory/\"\r\nContent-Length: 7\r\n\r\nmallory", 502},
		"407":                   {"HTTP/1.1 407 Proxy\r\nProxy-Authenticate: mallory\r\nContent-Length: 7\r\n\r\nmallory", 502},
		"a redirect":            {"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/mallory\r\nContent-Length: 0\r\n\r\n", 502},
		"not modified":          {"HTTP/1.1 304 Not Modified\r\n\r\n", 502},
		"another protocol":      {"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: mallory\r\n\r\nmallory", 502},
		"a protocol of no name": {"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\nmallory", 502},
		"no status":             {"HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n", 502},
		"a status of no class":  {"HTTP/1.1 700 Mallory\r\nContent-Length: 0\r\n\r\n", 502},
		"no HTTP":               {"mallory\r\n\r\n", 502},
		"two lengths":           {fine + "Content-Length: 2\r\nContent-Length: 7\r\n\r\nmallory", 502},
		"headers without end":   {fine + "X-Mallory: " + strings.Repeat("a", 100<<10) + "\r\nContent-Length: 2\r\n\r\n{}", 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := rawUpstream(t, c.answer)
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				server, _ := newGateway(t, gateway.Config{Upstream: to}) // whose connections are its own: the upstream hangs up
				r := request(t, method, server.URL+"/mcp", "alice", "{}")
				r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
					t.Errorf("%s: the client gets the informational answer %d", method, code)
					return nil
				}}))
				answer, body := do(t, r)
				if answer.StatusCode != c.status {
					t.Errorf("%s: %s", method, answer.Status)
				}
				if all := fmt.Sprint(answer.Header, answer.Trailer, body); strings.Contains(strings.ToLower(all), "mallory") {
					t.Errorf("%s: the client gets %s", method, all)
				}
				if c.status == http.StatusOK && (body != "{}" || answer.Header.Get("Cache-Control") != "no-store, no-transform" || answer.Header.Get("X-Content-Type-Options") != "nosniff") {
					t.Errorf("%s: the client gets %v %s", method, answer.Header, body)
				}
			}
		})
	}
}

// An upstream that does not know its own length must not look whole.
// covers: T-GW-06
func TestAnAnswerThatBreaksOffLooksLikeIt(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a length":       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
		"chunks":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"a stream":       "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"an odd chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
		"a short length": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, seen := newGateway(t, gateway.Config{Upstream: rawUpstream(t, text)})
			answer, err := http.DefaultClient.Do(request(t, http.MethodPost, server.URL+"/mcp", "alice", "{}"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = answer.Body.Close() }()
			body, err := io.ReadAll(answer.Body)
			if name == "a short length" {
				if err != nil || string(body) != "{" {
					t.Errorf("got %q, %v", body, err)
				}
				return
			}
			if err == nil || string(body) != "{}" {
				t.Errorf("got %q, %v", body, err)
			}
			if !strings.Contains(seen.text(), "broke off") {
				t.Errorf("the operator is told %q", seen.text())
			}
		})
	}
}

// The events of a stream come one by one, and the client's end is the upstream's.
// covers: T-GW-06
func TestAStreamIsPassedOnAsItComes(t *testing.T) {
	t.Parallel()
	next, gone := make(chan struct{}), make(chan struct{})
	to := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
				_, _ = io.WriteString(w, "id: 7\ndata: "+r.Header.Get("Last-Event-ID")+"\n\n")
			case <-r.Context().Done():
				return
			}
		}
	})
	server, _ := newGateway(t, gateway.Config{Upstream: to})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := request(t, http.MethodPost, server.URL+"/mcp", "alice", "{}").WithContext(ctx)
	answer, err := http.DefaultClient.Do(r) // returns with the headers alone: nothing was written yet
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewReader(answer.Body)
	for range 3 {
		next <- struct{}{}
		var event string
		for !strings.HasSuffix(event, "\n\n") {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			event += line
		}
		if event != "id: 7\ndata: \n\n" {
			t.Fatalf("the event is %q", event)
		}
	}
	cancel()
	<-gone
}

// A client that reads nothing stops the upstream, and the gateway holds a bounded part.
// covers: T-GW-06
func TestASlowReaderHoldsTheUpstreamUp(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	stuck, gone := make(chan struct{}), make(chan struct{})
	to := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		chunk := []byte("data: " + strings.Repeat("a", 64<<10) + "\n\n")
		for {
			wrote := make(chan error, 1)
			go func() { _, err := w.Write(chunk); wrote <- err }()
			timer := time.NewTimer(500 * time.Millisecond)
			select {
			case err := <-wrote:
				timer.Stop()
				if err != nil {
					return
				}
				sent.Add(int64(len(chunk)))
			case <-timer.C: // nobody reads
				close(stuck)
				<-wrote
				return
			}
		}
	})
	server, _ := newGateway(t, gateway.Config{Upstream: to})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer, err := http.DefaultClient.Do(request(t, http.MethodPost, server.URL+"/mcp", "alice", "{}").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	<-stuck
	if held := sent.Load(); held > 64<<20 { // what the kernel's buffers of four sockets take
		t.Errorf("%d bytes were taken from the upstream", held)
	}
	var memory runtime.MemStats
	if runtime.ReadMemStats(&memory); memory.HeapAlloc > 64<<20 {
		t.Errorf("%d bytes are held", memory.HeapAlloc)
	}
	cancel()
	<-gone
}

func TestConnectionsToTheUpstreamAreUsedAgain(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	front, _ := newGateway(t, gateway.Config{Upstream: server.URL})
	for range 20 {
		if _, body := do(t, request(t, http.MethodPost, front.URL+"/mcp", "alice", "{}")); body != "{}" {
			t.Fatalf("got %q", body)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestAnUpstreamOnAUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+" "+r.RequestURI+" "+r.Header.Get("X-Auth-Subject"))
	})}}
	server.Start()
	t.Cleanup(server.Close)
	front, _ := newGateway(t, gateway.Config{Upstream: "unix:" + socket + ":/mcp"})
	if _, body := do(t, request(t, http.MethodPost, front.URL+"/mcp", "alice", "{}")); body != "localhost /mcp alice" {
		t.Errorf("the upstream sees %q", body)
	}
}

// An upstream that wants to know who connects, by an authority of one's own, over both versions of
// HTTP.
func TestAnUpstreamWithTLS(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "%s with %d certificates, %s", r.Proto, len(r.TLS.PeerCertificates), r.Header.Get("X-Auth-Subject"))
		}))
		server.EnableHTTP2 = http2
		server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
		server.StartTLS()
		t.Cleanup(server.Close)
		dir := t.TempDir()
		certificate, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
		write(t, certificate, "CERTIFICATE", server.Certificate().Raw)
		der, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		write(t, key, "PRIVATE KEY", der)
		front, _ := newGateway(t, gateway.Config{Upstream: server.URL, CAFile: certificate, ClientCert: certificate, ClientKey: key})
		want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2] + " with 1 certificates, alice"
		if _, body := do(t, request(t, http.MethodPost, front.URL+"/mcp", "alice", "{}")); body != want {
			t.Errorf("the upstream answers %q, want %q", body, want)
		}
		stranger, _ := newGateway(t, gateway.Config{Upstream: server.URL, CAFile: certificate})
		if answer, _ := do(t, request(t, http.MethodPost, stranger.URL+"/mcp", "alice", "{}")); answer.StatusCode != http.StatusBadGateway {
			t.Errorf("without a certificate: %s", answer.Status)
		}
	}
}

func write(t *testing.T, name, kind string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMistakesInTheConfiguration(t *testing.T) {
	t.Parallel()
	const to = "http://127.0.0.1:3000/mcp"
	for name, c := range map[string]struct {
		config gateway.Config
		want   string
	}{
		"no URL":                          {gateway.Config{Upstream: "http://user:s3cret@%zz/"}, "is no URL"},
		"another scheme":                  {gateway.Config{Upstream: "ftp://a/"}, "an http or https URL"},
		"no host":                         {gateway.Config{Upstream: "http:///mcp"}, "an http or https URL"},
		"no scheme":                       {gateway.Config{Upstream: "127.0.0.1:3000/mcp"}, "--upstream"},
		"a password":                      {gateway.Config{Upstream: "http://user:s3cret@a/"}, "belong into --upstream-header"},
		"a fragment":                      {gateway.Config{Upstream: "http://a/#s3cret"}, "no fragment"},
		"dot segments":                    {gateway.Config{Upstream: "http://a/b/%2e%2e/c"}, "in two ways"},
		"a socket without a path":         {gateway.Config{Upstream: "unix:/run/a.sock"}, "unix:SOCKET:PATH"},
		"a relative socket":               {gateway.Config{Upstream: "unix:a.sock:/mcp"}, "unix:SOCKET:PATH"},
		"a header without a name":         {gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "X Y", Value: "s3cret"}}}, "no name of a header"},
		"a header of two lines":           {gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "X-Y", Value: "s3cret\r\nA: b"}}}, "one line"},
		"an empty header":                 {gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "X-Y"}}}, "not empty"},
		"an identity header":              {gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "x-auth-subject", Value: "s3cret"}}}, "who calls"},
		"a header of the connection":      {gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "content-length", Value: "3"}}}, "connection"},
		"a header twice":                  {gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "X-Y", Value: "a"}, {Name: "x-y", Value: "b"}}}, "twice"},
		"a header of both":                {gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "X-Y", Value: "a"}}, Pass: []string{"x-y"}}, "both"},
		"credentials of clients":          {gateway.Config{Upstream: to, Pass: []string{"authorization"}}, "credentials"},
		"cookies of clients":              {gateway.Config{Upstream: to, Pass: []string{"cookie"}}, "credentials"},
		"forwarding headers of clients":   {gateway.Config{Upstream: to, Pass: []string{"x-forwarded-for"}}, "what a proxy says"},
		"identity headers of clients":     {gateway.Config{Upstream: to, Pass: []string{"x-auth-roles"}}, "who calls"},
		"sessions of clients":             {gateway.Config{Upstream: to, Pass: []string{"mcp-session-id"}}, "MCP"},
		"an underscore":                   {gateway.Config{Upstream: to, Pass: []string{"x_auth_roles"}}, "letters, digits and hyphens"},
		"a certificate for plain http":    {gateway.Config{Upstream: to, ClientCert: "c.pem"}, "with https"},
		"a certificate without its key":   {gateway.Config{Upstream: "https://a/", ClientCert: "c.pem"}, "go together"},
		"a certificate that is not there": {gateway.Config{Upstream: "https://a/", ClientCert: "none.pem", ClientKey: "none.pem"}, "none.pem"},
		"an authority that is not there":  {gateway.Config{Upstream: "https://a/", CAFile: "none.pem"}, "none.pem"},
	} {
		c.config.Observer = &events{}
		if _, err := gateway.New(c.config); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlainHTTPToAnotherHostIsSaid(t *testing.T) {
	t.Parallel()
	for to, said := range map[string]bool{
		"http://mcp.internal:3000/mcp": true, "http://10.0.0.1/": true, "https://mcp.internal/mcp": false, "http://localhost:3000/": false,
		"http://[::1]:3000/": false, "unix:/run/a.sock:/mcp": false,
	} {
		seen := &events{}
		if _, err := gateway.New(gateway.Config{Upstream: to, Observer: seen}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(seen.text(), "plain http") != said {
			t.Errorf("%s: the operator is told %q", to, seen.text())
		}
	}
}
