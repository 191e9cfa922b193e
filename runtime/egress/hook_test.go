package egress

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestTheSocketHookIsTheLastWord(t *testing.T) {
	t.Parallel()
	client := &transport{addresses: newAddressBook()}
	for address, refused := range map[string]bool{
		"93.184.215.14:443": false, "[2606:4700::1]:443": false,
		"127.0.0.1:443": true, "[::ffff:10.0.0.1]:443": true, "169.254.169.254:443": true, "[fe80::1%eth0]:443": true, "name:443": true,
	} {
		err := addressDialer{transport: client, trusted: stranger}.control("tcp", address, nil)
		var e *Error
		if (err != nil) != refused || refused && (!errors.As(err, &e) || e.Kind != KindAddress) {
			t.Errorf("the hook's answer to %s is %v, want refused = %v", address, err, refused)
		}
	}
}

func TestTheSocketHookOfALoopbackHostKnowsLoopbackOnly(t *testing.T) {
	t.Parallel()
	client := &transport{addresses: newAddressBook()}
	for address, refused := range map[string]bool{
		"127.0.0.1:80": false, "[::1]:80": false, "[::1%eth0]:80": true, "10.0.0.1:80": true, "93.184.215.14:80": true,
	} {
		if err := (addressDialer{transport: client, trusted: loopback}).control("tcp", address, nil); (err != nil) != refused {
			t.Errorf("the hook's answer to %s is %v, want refused = %v", address, err, refused)
		}
	}
}

// The reason is in the log of an operator who asks why: the first that holds is given, however the
// address is spelled.
func TestAnAddressIsRefusedForTheRightReason(t *testing.T) {
	t.Parallel()
	const metadata, zone = "a cloud's metadata service", "an address with a zone"
	for _, c := range []struct {
		addr    string
		trusted trust
		want    string
	}{
		{"169.254.169.254", operator, metadata}, {"::ffff:169.254.169.254", operator, metadata}, {"::ffff:169.254.169.254", stranger, metadata},
		{"::ffff:168.63.129.16", stranger, metadata}, {"64:ff9b::169.254.169.254", operator, metadata}, {"fd00:ec2::254", operator, metadata},
		{"fe80::1%eth0", stranger, zone}, {"2606:4700::1%eth0", stranger, zone}, {"fd00::1%eth0", operator, zone}, {"::1%eth0", loopback, zone},
		{"fd00::1", operator, ""}, {"::1", loopback, ""}, {"2606:4700::1", stranger, ""},
	} {
		if got := newAddressBook().refusal(netip.MustParseAddr(c.addr), c.trusted); got != c.want {
			t.Errorf("%s with trust %v: got %q, want %q", c.addr, c.trusted, got, c.want)
		}
	}
}

// The socket hook checks again the address that resolve has checked: nothing between the two may
// change it.
// covers: OUT-1
func TestNoConnectionIsMadePastTheSocketHook(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	target := netip.MustParseAddrPort(listener.Addr().String())
	for trusted, refused := range map[trust]bool{stranger: true, loopback: false} {
		dialer := addressDialer{transport: &transport{addresses: newAddressBook()}, trusted: trusted, port: target.Port()}
		conn, err := dialer.attempt(t.Context(), target.Addr(), 1)
		if conn != nil {
			_ = conn.Close()
		}
		var e *Error
		if (err != nil) != refused || refused && (!errors.As(err, &e) || e.Kind != KindAddress) {
			t.Errorf("a connection to %s with trust %v ends with %v, want refused = %v", target, trusted, err, refused)
		}
	}
}

func FuzzParseHostname(f *testing.F) {
	for _, seed := range []string{"example.com", "127.0.0.1", "0x7f.1", "::1", "fe80::1%a", "a.", "２.１", "-", "a.0x", "1.2.3.4.5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		h, err := parseHostname(host)
		if err != nil || h.addr.IsValid() {
			return
		}
		again, err := parseHostname(h.name)
		if err != nil || again != h {
			t.Errorf("%q reads as %q, which reads as %q (%v)", host, h.name, again.name, err)
		}
		if _, err := netip.ParseAddr(h.name); err == nil {
			t.Errorf("%q is an address and was read as a name", host)
		}
		last := h.name[len(h.name)-1]
		if len(h.name) == 1 && last >= '0' && last <= '9' {
			t.Errorf("%q is a number and was read as a name", host)
		}
	})
}
