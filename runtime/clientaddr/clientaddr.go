// Package clientaddr tells the clients of a server behind reverse proxies apart, for limits that
// each of them has. It says nothing about who a client is: URLs and access never depend on it.
//
// A [Resolver] reads the address that the proxies vouch for; its Client method is what the options
// called ClientAddress take. A [Key] is what an address counts as: one customer has one, whatever
// they may choose within their own network.
package clientaddr

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// DefaultHeader is where most reverse proxies write the address of their client.
const DefaultHeader = "X-Forwarded-For"

// Config says which reverse proxies there are, and where they write addresses.
type Config struct {
	// Header is set, or appended to, by every trusted proxy: a list of addresses, the nearest last.
	// The default is [DefaultHeader].
	Header string
	// Trusted are the addresses that the proxies connect from, such as "10.0.0.0/8" or "192.0.2.7".
	// Every client that connects from there is believed. Required.
	Trusted []string
	// Observer is told once when a trusted proxy sends no usable header. The default is
	// [observe.Slog] with [slog.Default].
	Observer observe.Observer
}

// Resolver reads addresses of clients.
type Resolver struct {
	header  string
	trusted []netip.Prefix
	events  *events.Sender
	warn    sync.Once
}

// New returns a resolver. Its errors name what to correct.
func New(config Config) (*Resolver, error) {
	r := &Resolver{header: http.CanonicalHeaderKey(cmp.Or(config.Header, DefaultHeader)), events: events.Or(config.Observer)}
	switch {
	case !httpguts.ValidHeaderFieldName(r.header):
		return nil, fmt.Errorf("%q is not the name of a header", config.Header)
	case r.header == "Forwarded":
		return nil, errors.New("the header Forwarded (RFC 7239) is not read; let the proxy set X-Forwarded-For")
	case len(config.Trusted) == 0:
		return nil, errors.New("no trusted proxy is named: without one every client could write the header")
	}
	for _, text := range config.Trusted {
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		r.trusted = append(r.trusted, prefix)
	}
	return r, nil
}

// parsePrefix reads a network, or a single address as one.
func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return prefix, fmt.Errorf("trusted proxy %q must be a network or an address, such as 10.0.0.0/8 or 192.0.2.7", text)
		}
		address = address.Unmap()
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	switch {
	case prefix.Addr().Is4In6():
		return prefix, fmt.Errorf("trusted proxy %q must be written as an IPv4 network", text)
	case prefix.Bits() == 0:
		return prefix, fmt.Errorf("trusted proxy %q is everybody, so that every client could write the header; name the proxies' own network", text)
	}
	return prefix.Masked(), nil
}

// Client names the client of a request by the [Key] of its address. The header counts only in a
// connection from a trusted proxy. There the right-most address that is no trusted proxy's is the
// client: what stands further left was written by the client itself. If that cannot be read, the
// client is the connection's peer.
func (r *Resolver) Client(req *http.Request) string {
	peer, ok := parseAddress(req.RemoteAddr)
	if !ok || !r.trusts(peer) {
		return Key(req.RemoteAddr)
	}
	client, ok := r.forwarded(req.Header.Values(r.header))
	if !ok {
		r.warn.Do(func() {
			r.events.Observe(req.Context(), observe.Event{
				Kind: observe.Notice, Level: slog.LevelWarn,
				Message: "a trusted proxy does not say for whom it connects: its clients share one limit",
				Details: []slog.Attr{slog.String("header", r.header), slog.Any("proxy", peer)},
			})
		})
		return keyOf(peer)
	}
	return keyOf(client)
}

// Key returns what limits count the client at an address under: an IPv4 address itself, an IPv6
// one's /64 network, which is what one customer gets. A port and a zone are left out. A text that
// is no address is its own key.
func Key(address string) string {
	parsed, ok := parseAddress(address)
	if !ok {
		return address
	}
	return keyOf(parsed)
}

// forwarded returns the right-most address that is not trusted. Where all are, the client is a
// machine of the proxies' own network, and the left-most is meant.
func (r *Resolver) forwarded(lines []string) (client netip.Addr, ok bool) {
	list := strings.Join(lines, ",")
	for {
		comma := strings.LastIndexByte(list, ',')
		address, valid := parseAddress(strings.Trim(list[comma+1:], " \t"))
		if !valid {
			return address, false
		}
		if comma < 0 || !r.trusts(address) {
			return address, true
		}
		list = list[:comma]
	}
}

func (r *Resolver) trusts(address netip.Addr) bool {
	for _, prefix := range r.trusted {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// parseAddress reads an address, with or without a port: some proxies write one.
func parseAddress(text string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	} else if inner, found := strings.CutPrefix(text, "["); found {
		text = strings.TrimSuffix(inner, "]")
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}

func keyOf(address netip.Addr) string {
	if address.Is4() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}
