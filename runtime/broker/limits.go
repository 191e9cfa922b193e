package broker

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Rate is a token bucket: Burst at once, then PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Limits bounds what one client address may do; a zero Rate means its default. IPv6 addresses count by their /64 network.
type Limits struct {
	// Register is for registrations. The default is 2 per second after 60 at once.
	Register Rate
	// Authorize is for authorization requests, answered consent pages, and revocations that only the provider can judge. The
	// default is 5 per second after 120 at once.
	Authorize Rate
	// Documents is for fetches of client metadata documents that are not cached. The default is 1 per second after 20 at
	// once. All addresses together may cause ten times that.
	Documents Rate
}

// maxAddresses is how many client addresses are kept per limit.
const maxAddresses = 8192

// limiters are the compiled limits.
type limiters struct {
	register, authorize, documents *limiter
	// allDocuments keeps many addresses from using the server to flood others.
	allDocuments *rate.Limiter
}

func newLimiters(l Limits) limiters {
	documents := l.Documents.or(Rate{PerSecond: 1, Burst: 20})
	return limiters{
		register:     newLimiter(l.Register.or(Rate{PerSecond: 2, Burst: 60})),
		authorize:    newLimiter(l.Authorize.or(Rate{PerSecond: 5, Burst: 120})),
		documents:    newLimiter(documents),
		allDocuments: rate.NewLimiter(rate.Limit(10*documents.PerSecond), 10*documents.Burst),
	}
}

func (r Rate) or(fallback Rate) Rate {
	if r.PerSecond <= 0 || r.Burst <= 0 {
		return fallback
	}
	return r
}

// limiter has a bucket per client address.
type limiter struct {
	rate    Rate
	mu      sync.Mutex
	buckets *recent[string, *rate.Limiter]
}

func newLimiter(r Rate) *limiter {
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

func tooMany() *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusTooManyRequests, Reason: reasonRateLimited,
		Description: "Too many requests, try again in a moment", RetryAfter: 10 * time.Second,
	}
}
