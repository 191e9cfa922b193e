package harness

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// dripPace is the time between two bytes of a dripping answer.
const dripPace = 200 * time.Millisecond

// SlowProxy stands in front of one address of a server, and is as slow as it is told.
type SlowProxy struct {
	http    *httptest.Server
	path    string
	delay   atomic.Int64
	drip    atomic.Bool
	waiting atomic.Int64
}

// NewSlowProxy starts a proxy in front of target, at first no slower than target.
func NewSlowProxy(target string) (*SlowProxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	p := &SlowProxy{path: u.Path}
	origin := &url.URL{Scheme: u.Scheme, Host: u.Host}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(origin) }}
	p.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.waiting.Add(1)
		defer p.waiting.Add(-1)
		if p.drip.Load() {
			dribble(w, r)
		} else if wait(r, time.Duration(p.delay.Load())) {
			pass.ServeHTTP(w, r)
		}
	}))
	return p, nil
}

// wait reports whether the client is still there after a time.
func wait(r *http.Request, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// dribble answers a byte at a time, all of them white space, until the client has had enough.
func dribble(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	control := http.NewResponseController(w)
	for wait(r, dripPace) {
		_, _ = w.Write([]byte(" "))
		_ = control.Flush()
	}
}

// Delay makes answers late.
func (p *SlowProxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Drip makes answers come a byte at a time, without end.
func (p *SlowProxy) Drip(on bool) { p.drip.Store(on) }

// Waiting is how many requests are not answered yet.
func (p *SlowProxy) Waiting() int { return int(p.waiting.Load()) }

// URL is the proxy's address for the target.
func (p *SlowProxy) URL() string { return p.http.URL + p.path }

// Stop ends it.
func (p *SlowProxy) Stop() {
	p.http.CloseClientConnections()
	p.http.Close()
}
