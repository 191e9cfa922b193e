package bench

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Width is how many requests are under way at once where forwarding is measured.
const Width = 8

// newTransport keeps enough idle connections that nobody measures dialling.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 8 * Width, MaxConnsPerHost: 8 * Width}
}

// startProxy starts net/http/httputil's reverse proxy, tuned: it uses connections and buffers
// again.
func startProxy(target string, transport *http.Transport) (*httptest.Server, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	return httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:  transport,
		BufferPool: &buffers{sync.Pool{New: func() any { return make([]byte, 32<<10) }}},
	}), nil
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().([]byte) } //nolint:forcetypeassert // nothing else is put in
func (b *buffers) Put(p []byte) { b.pool.Put(p) }                //nolint:staticcheck // as httputil.BufferPool wants it

// atOnce does a piece of work several times at the same time.
func atOnce(width int, work func(i int) error) error {
	errs := make([]error, width)
	var all sync.WaitGroup
	for i := range width {
		all.Go(func() { errs[i] = work(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// perRequest is the time of one of the requests that are under way at once.
func perRequest(results []Result) []Result {
	for i := range results {
		for run := range results[i].Nanos {
			results[i].Nanos[run] /= Width
		}
		results[i].Allocs /= Width
	}
	return results
}
