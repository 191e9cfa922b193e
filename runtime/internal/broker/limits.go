package broker

import (
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/latchkey-auth/latchkey/internal/ratelimit"
	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
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
}

func newLimiters(l proxy.Limits, addressOf func(*http.Request) string, now func() time.Time) *limiters {
	documents := rateOr(l.Documents, proxy.Rate{PerSecond: 1, Burst: 20})
	if addressOf == nil {
		addressOf = func(r *http.Request) string { return r.RemoteAddr }
	}
	return &limiters{
		addressOf: addressOf, now: now,
		register:     perAddress(rateOr(l.Register, proxy.Rate{PerSecond: 2, Burst: 60})),
		authorize:    perAddress(rateOr(l.Authorize, proxy.Rate{PerSecond: 5, Burst: 120})),
		documents:    perAddress(documents),
		allDocuments: rate.NewLimiter(rate.Limit(10*documents.PerSecond), 10*documents.Burst),
	}
}

func perAddress(r proxy.Rate) *ratelimit.Limiter {
	return ratelimit.New(r.PerSecond, r.Burst, maxAddresses)
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
