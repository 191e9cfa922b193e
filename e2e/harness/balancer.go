package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Served is a request that a replica got.
type Served struct {
	Method, Path string
	// Replica counts from 0.
	Replica int
}

// balancer is a reverse proxy that sends each request, not each connection, to the next server.
type balancer struct {
	server  *http.Server
	targets []*url.URL

	mu     sync.Mutex
	next   int
	served []Served
}

func newBalancer(ctx context.Context, port int, replicas []int) (*balancer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	b := &balancer{}
	for _, replica := range replicas {
		b.targets = append(b.targets, &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", replica)})
	}
	b.server = &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: quiet(), Handler: ReverseProxy(b.choose)}
	go func() { _ = b.server.Serve(listener) }()
	return b, nil
}

// ReverseProxy sends requests on to the servers that choose names, with the host that the client
// named. It reads a request before it sends it on, as reverse proxies do by default: without that
// Go's now and then cuts off the answer of a server that is faster than the end of the request's
// body.
func ReverseProxy(choose func(*http.Request) *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(choose(r.In))
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		// A connection to a server that was killed must not be used again: not every request can be
		// repeated.
		Transport: &http.Transport{DisableKeepAlives: true}, ErrorLog: quiet(),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})
}

// quiet is for complaints about clients that go away, and servers that were killed.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// choose returns whose turn it is.
func (b *balancer) choose(r *http.Request) *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	replica := b.next
	b.next = (b.next + 1) % len(b.targets)
	b.served = append(b.served, Served{r.Method, r.URL.Path, replica})
	return b.targets[replica]
}

func (b *balancer) turn(replica int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = replica
}

func (b *balancer) all() []Served {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.served)
}

func (b *balancer) stop() { _ = b.server.Close() }
