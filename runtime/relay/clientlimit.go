package relay

import (
	"container/list"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxClients bounds the memory of the rate limit; beyond it the client that was quiet for longest is forgotten.
const maxClients = 10_000

// clientLimits gives every client a budget of requests.
type clientLimits struct {
	perMinute int
	now       func() time.Time

	mu      sync.Mutex
	byKey   map[string]*list.Element
	recency *list.List // of *clientBudget, the latest first
}

type clientBudget struct {
	key     string
	limiter *rate.Limiter
}

func newClientLimits(perMinute int, now func() time.Time) *clientLimits {
	return &clientLimits{perMinute: perMinute, now: now, byKey: map[string]*list.Element{}, recency: list.New()}
}

// take spends one request of a client's budget. A positive result is how long the client has to wait; nothing was spent.
func (c *clientLimits) take(key string) time.Duration {
	if c.perMinute < 0 {
		return 0
	}
	now := c.now()
	reservation := c.budget(key).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait
}

func (c *clientLimits) budget(key string) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.byKey[key]; ok {
		c.recency.MoveToFront(element)
		return element.Value.(*clientBudget).limiter //nolint:forcetypeassert // the list holds nothing else
	}
	if c.recency.Len() >= maxClients {
		oldest := c.recency.Back()
		delete(c.byKey, c.recency.Remove(oldest).(*clientBudget).key) //nolint:forcetypeassert // as above
	}
	limiter := rate.NewLimiter(rate.Limit(float64(c.perMinute)/60), max(1, c.perMinute/2))
	c.byKey[key] = c.recency.PushFront(&clientBudget{key, limiter})
	return limiter
}

// connectionKey names a client by the address of its connection. A network that hands out IPv6 gives each customer a /64.
func connectionKey(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return req.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() {
		return host
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return prefix.String()
}

func setRetryAfter(header http.Header, wait time.Duration) {
	header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}
