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
}

func newLimiters(l proxy.Limits) limiters {
	documents := rateOr(l.Documents, proxy.Rate{PerSecond: 1, Burst: 20})
	return limiters{
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

// address returns what the limits count a request under.
func (b *Broker) address(r *http.Request) string {
	address := r.RemoteAddr
	if b.config.ClientAddress != nil {
		address = b.config.ClientAddress(r)
	}
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
