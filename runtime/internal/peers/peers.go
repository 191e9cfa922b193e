// Package peers says which address the budgets of a server count a request under.
package peers

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"

	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Peers names the clients of requests. It is safe for concurrent use.
type Peers struct {
	addressOf func(*http.Request) string
	events    *events.Sender
	// warn tells once that clients cannot be told apart.
	warn sync.Once
}

// New returns the names that a function gives to the clients of requests. Nil stands for the
// addresses of the connections.
func New(addressOf func(*http.Request) string, sender *events.Sender) *Peers {
	if addressOf == nil {
		addressOf = func(r *http.Request) string { return r.RemoteAddr }
	}
	return &Peers{addressOf: addressOf, events: sender}
}

// Address returns the [clientaddr.Key] of a request's client.
func (p *Peers) Address(r *http.Request) string { return clientaddr.Key(p.addressOf(r)) }

// Budget is the address that what a client asks of the provider counts under. It is empty while all
// that is known is a private address, which may be that of a reverse proxy that nobody named: all
// its clients would share one budget.
func (p *Peers) Budget(r *http.Request) string {
	address := p.Address(r)
	if address != clientaddr.Key(r.RemoteAddr) || !private(r.RemoteAddr) {
		return address
	}
	p.warn.Do(func() {
		p.events.Observe(r.Context(), observe.Event{
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
