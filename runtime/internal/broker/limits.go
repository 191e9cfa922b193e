package broker

import (
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/latchkey-auth/latchkey/internal/ratelimit"
	"github.com/latchkey-auth/latchkey/runtime/internal/peers"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// maxAddresses is how many client addresses are kept per limit.
const maxAddresses = 8192

// limiters are the compiled limits.
type limiters struct {
	register, authorize, documents *ratelimit.Limiter
	// allDocuments keeps many addresses from using the server to flood others.
	allDocuments *rate.Limiter
	// peers names the client of a request.
	peers *peers.Peers
	now   func() time.Time
}

func newLimiters(l proxy.Limits, clients *peers.Peers, now func() time.Time) *limiters {
	l = withDefaults(l)
	return &limiters{
		peers: clients, now: now,
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
	return l.register.Take(l.peers.Address(r), l.now()) == 0
}

// mayAuthorize reports whether the client of a request may go on with a login, or cause a question
// to the provider.
func (l *limiters) mayAuthorize(r *http.Request) bool {
	return l.authorize.Take(l.peers.Address(r), l.now()) == 0
}

// mayFetch reports whether the client at an address may cause the fetch of a document.
func (l *limiters) mayFetch(address string, now time.Time) bool {
	return l.documents.Take(address, now) == 0 && l.allDocuments.AllowN(now, 1)
}
