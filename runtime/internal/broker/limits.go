package broker

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/latchkey-auth/latchkey/internal/ratelimit"
	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// maxAddresses is how many client addresses are kept per limit.
const maxAddresses = 8192

// limiters are the compiled limits.
type limiters struct {
	register, authorize, documents *ratelimit.Limiter
	// allDocuments keeps many addresses from using the server to flood others.
	allDocuments *rate.Limiter
	// addressOf names the client of a request.
	addressOf func(*http.Request) string
	now       func() time.Time
	events    *events.Sender
	// warn tells once that clients cannot be told apart.
	warn sync.Once
}

func newLimiters(l proxy.Limits, addressOf func(*http.Request) string, now func() time.Time, sender *events.Sender) *limiters {
	l = withDefaults(l)
	if addressOf == nil {
		addressOf = func(r *http.Request) string { return r.RemoteAddr }
	}
	return &limiters{
		addressOf: addressOf, now: now, events: sender,
		register: perAddress(l.Register), authorize: perAddress(l.Authorize), documents: perAddress(l.Documents),
		allDocuments: rate.NewLimiter(rate.Limit(10*l.Documents.PerSecond), 10*l.Documents.Burst),
	}
}

func perAddress(r proxy.Rate) *ratelimit.Limiter {
	return ratelimit.New(r.PerSecond, r.Burst, maxAddresses)
}

// withDefaults fills in the limits that are not set.
func withDefaults(l proxy.Limits) proxy.Limits {
	return proxy.Limits{
		Register:         rateOr(l.Register, proxy.Rate{PerSecond: 2, Burst: 60}),
		Authorize:        rateOr(l.Authorize, proxy.Rate{PerSecond: 5, Burst: 120}),
		Documents:        rateOr(l.Documents, proxy.Rate{PerSecond: 1, Burst: 20}),
		Reserved:         rateOr(l.Reserved, proxy.Rate{PerSecond: 5.0 / 60, Burst: 5}),
		LoginTokens:      rateOr(l.LoginTokens, proxy.Rate{PerSecond: 0.25, Burst: 40}),
		LoginRevocations: rateOr(l.LoginRevocations, proxy.Rate{PerSecond: 1.0 / 60, Burst: 10}),
		AddressTokens:    rateOr(l.AddressTokens, proxy.Rate{PerSecond: 10, Burst: 300}),
		AllTokens:        rateOr(l.AllTokens, proxy.Rate{PerSecond: 50, Burst: 1000}),
	}
}

// providerLimits are those that bound what reaches the provider.
func providerLimits(l proxy.Limits) upstream.Limits {
	l = withDefaults(l)
	return upstream.Limits{
		Reserved: upstream.Limit(l.Reserved), Tokens: upstream.Limit(l.LoginTokens), Revocations: upstream.Limit(l.LoginRevocations),
		Address: upstream.Limit(l.AddressTokens), All: upstream.Limit(l.AllTokens),
	}
}

// rateOr is the rate, or the default where none is set.
func rateOr(r, fallback proxy.Rate) proxy.Rate {
	if r.PerSecond <= 0 || r.Burst <= 0 {
		return fallback
	}
	return r
}

// mayRegister reports whether the client of a request may register.
func (l *limiters) mayRegister(r *http.Request) bool {
	return l.register.Take(l.address(r), l.now()) == 0
}

// mayAuthorize reports whether the client of a request may go on with a login, or cause a question
// to the provider.
func (l *limiters) mayAuthorize(r *http.Request) bool {
	return l.authorize.Take(l.address(r), l.now()) == 0
}

// mayFetch reports whether the client at an address may cause the fetch of a document.
func (l *limiters) mayFetch(address string, now time.Time) bool {
	return l.documents.Take(address, now) == 0 && l.allDocuments.AllowN(now, 1)
}

// address returns what the limits count a request under.
func (l *limiters) address(r *http.Request) string { return clientaddr.Key(l.addressOf(r)) }

// budgetAddress is the address that what a client asks of the provider counts under. It is empty
// while all that is known is a private address, which may be that of a reverse proxy that nobody
// named: all its clients would share one budget.
func (l *limiters) budgetAddress(r *http.Request) string {
	address := l.address(r)
	if address != clientaddr.Key(r.RemoteAddr) || !private(r.RemoteAddr) {
		return address
	}
	l.warn.Do(func() {
		l.events.Observe(r.Context(), observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn,
			Message: "clients connect from a private address, which may be a reverse proxy's: budgets per client address are off until ClientAddress (--trusted-proxy) says which proxies there are",
			Details: []slog.Attr{slog.String("address", address)},
		})
	})
	return ""
}

// private reports whether the peer of a connection has an address of no use on the Internet.
func private(peer string) bool {
	from, err := netip.ParseAddrPort(peer)
	a := from.Addr().Unmap()
	return err == nil && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || sharedSpace().Contains(a))
}

// sharedSpace is for carriers' networks (RFC 6598).
func sharedSpace() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) }
