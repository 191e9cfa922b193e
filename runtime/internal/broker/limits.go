package broker

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// maxAddresses is how many client addresses are kept per limit.
const maxAddresses = 8192

// limiters are the compiled limits.
type limiters struct {
	register, authorize, documents *limiter
	// allDocuments keeps many addresses from using the server to flood others.
	allDocuments *rate.Limiter
	// addressOf names the client of a request.
	addressOf func(*http.Request) string
	now       func() time.Time
}

func newLimiters(l proxy.Limits, addressOf func(*http.Request) string, now func() time.Time) *limiters {
	documents := rateOr(l.Documents, proxy.Rate{PerSecond: 1, Burst: 20})
	if addressOf == nil {
		addressOf = func(r *http.Request) string { return r.RemoteAddr }
	}
	return &limiters{
		addressOf: addressOf, now: now,
		register:     newLimiter(rateOr(l.Register, proxy.Rate{PerSecond: 2, Burst: 60})),
		authorize:    newLimiter(rateOr(l.Authorize, proxy.Rate{PerSecond: 5, Burst: 120})),
		documents:    newLimiter(documents),
		allDocuments: rate.NewLimiter(rate.Limit(10*documents.PerSecond), 10*documents.Burst),
	}
}

// rateOr is the rate, or the default where none is set.
func rateOr(r, fallback proxy.Rate) proxy.Rate {
	if r.PerSecond <= 0 || r.Burst <= 0 {
		return fallback
	}
	return r
}

// limiter has a bucket per client address.
type limiter struct {
	rate    proxy.Rate
	mu      sync.Mutex
	buckets *recent[string, *rate.Limiter]
}

func newLimiter(r proxy.Rate) *limiter {
	return &limiter{rate: r, buckets: newRecent[string, *rate.Limiter](maxAddresses)}
}

func (l *limiter) allow(address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.buckets.get(address)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
		l.buckets.put(address, bucket)
	}
	return bucket.AllowN(now, 1)
}

// mayRegister reports whether the client of a request may register.
func (l *limiters) mayRegister(r *http.Request) bool { return l.register.allow(l.address(r), l.now()) }

// mayAuthorize reports whether the client of a request may go on with a login, or cause a question to the provider.
func (l *limiters) mayAuthorize(r *http.Request) bool {
	return l.authorize.allow(l.address(r), l.now())
}

// mayFetch reports whether the client at an address may cause the fetch of a document.
func (l *limiters) mayFetch(address string, now time.Time) bool {
	return l.documents.allow(address, now) && l.allDocuments.AllowN(now, 1)
}

// address returns what the limits count a request under.
func (l *limiters) address(r *http.Request) string {
	address := l.addressOf(r)
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is6() {
		if network, err := ip.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}
