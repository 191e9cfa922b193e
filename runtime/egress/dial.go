package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// maxAddresses bounds how many addresses of one name are tried: a name must not become a port
	// scan.
	maxAddresses = 8
	// fallbackDelay is how long the first address family has the field to itself (RFC 8305 section
	// 5).
	fallbackDelay = 300 * time.Millisecond
	// minAttempt is the least time that one of several addresses gets.
	minAttempt = 2 * time.Second
)

// dial resolves, checks and connects in one place, so that the checked address is the dialled one.
// net/http gives it the address of the host, or of the proxy.
func (t *transport) dial(ctx context.Context, _, address string) (net.Conn, error) {
	rawHost, rawPort, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &Error{Kind: KindURL, Detail: "not host:port", Cause: err}
	}
	port, err := parsePort(rawPort)
	if err != nil {
		return nil, &Error{Kind: KindURL, Host: rawHost, Detail: err.Error()}
	}
	host, err := parseHostname(rawHost)
	if err != nil {
		return nil, &Error{Kind: KindURL, Host: address, Detail: err.Error()}
	}
	trusted := t.trustOf(host, port)
	if ctx.Value(proxyKey{}) != nil { // the address is the proxy's, which the operator set
		trusted = operator
	}
	ctx, cancel := context.WithTimeout(ctx, t.policy.DialTimeout)
	defer cancel()
	addrs, err := t.resolve(ctx, host, trusted)
	if err != nil {
		return nil, err
	}
	dialer := addressDialer{transport: t, trusted: trusted, port: port}
	conn, err := dialer.connect(ctx, addrs)
	if err != nil {
		return nil, exchangeError(address, err)
	}
	return conn, nil
}

// resolve returns the addresses of a host, all of them permitted: one refused address refuses the
// host.
func (t *transport) resolve(ctx context.Context, host hostname, trusted trust) ([]netip.Addr, error) {
	addrs, err := t.lookup(ctx, host)
	if err != nil {
		failure := newFailure(host.name, err)
		if failure.Kind == KindFailed {
			failure.Kind, failure.Detail = KindResolve, "the host name could not be resolved"
		}
		return nil, failure
	}
	if len(addrs) == 0 {
		return nil, &Error{Kind: KindResolve, Host: host.name, Detail: "the host name has no address"}
	}
	for _, addr := range addrs {
		if why := t.addresses.refusal(addr, trusted); why != "" {
			return nil, &Error{Kind: KindAddress, Host: host.name, Detail: addr.String() + " is refused: " + why}
		}
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}

func (t *transport) lookup(ctx context.Context, host hostname) ([]netip.Addr, error) {
	if host.addr.IsValid() {
		return []netip.Addr{host.addr.Unmap()}, nil
	}
	if host.isLoopback() { // never a question for DNS (RFC 6761 section 6.3)
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	addrs, err := t.policy.Resolver.LookupNetIP(ctx, "ip", host.name)
	if err != nil {
		return nil, err
	}
	unmapped := make([]netip.Addr, len(addrs))
	for i, addr := range addrs {
		unmapped[i] = addr.Unmap() // the resolver hands IPv4 out in either form
	}
	return unmapped, nil
}

// addressDialer connects to checked addresses of one host.
type addressDialer struct {
	transport *transport
	trusted   trust
	port      uint16
}

// connect tries the addresses in order. Where both families are there, the second joins after a
// short delay, so that a machine whose IPv6 leads nowhere still connects (RFC 8305).
func (d addressDialer) connect(ctx context.Context, addrs []netip.Addr) (net.Conn, error) {
	var first, second []netip.Addr
	for _, addr := range addrs {
		if addr.Is4() == addrs[0].Is4() {
			first = append(first, addr)
		} else {
			second = append(second, addr)
		}
	}
	if len(second) == 0 {
		return d.inOrder(ctx, first)
	}
	return d.race(ctx, first, second)
}

type dialResult struct {
	conn net.Conn
	err  error
}

func (d addressDialer) race(ctx context.Context, first, second []netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialResult)
	start := func(addrs []netip.Addr) {
		conn, err := d.inOrder(ctx, addrs)
		select {
		case results <- dialResult{conn, err}:
		case <-ctx.Done(): // the race is over
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
	go start(first)
	delay := time.NewTimer(fallbackDelay)
	defer delay.Stop()

	var failure error
	for running := 1; running > 0; {
		select {
		case <-delay.C:
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			failure = errors.Join(failure, r.err)
			running--
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if second != nil { // the delay is over, or the first family has failed
			go start(second)
			second = nil
			running++
		}
	}
	return nil, failure
}

// inOrder tries one address after the other, sharing the time that is left among them.
func (d addressDialer) inOrder(ctx context.Context, addrs []netip.Addr) (net.Conn, error) {
	var failure error
	for i, addr := range addrs {
		conn, err := d.attempt(ctx, addr, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failure = errors.Join(failure, err)
	}
	return nil, failure
}

func (d addressDialer) attempt(ctx context.Context, addr netip.Addr, remaining int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		share := max(time.Until(deadline)/time.Duration(remaining), minAttempt)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	target := netip.AddrPortFrom(addr, d.port)
	if observe := d.transport.policy.OnDial; observe != nil {
		observe(target)
	}
	if connect := d.transport.policy.Connect; connect != nil {
		return connect(ctx, target)
	}
	dialer := net.Dialer{Control: d.control}
	return dialer.DialContext(ctx, "tcp", target.String())
}

// control runs between the creation of the socket and the connection, with the address that the
// kernel will get: whatever happened before, this is the last word.
func (d addressDialer) control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return &Error{Kind: KindAddress, Detail: "not an address", Cause: err}
	}
	if why := d.transport.addresses.refusal(target.Addr().Unmap(), d.trusted); why != "" {
		return &Error{Kind: KindAddress, Host: address, Detail: why}
	}
	return nil
}
