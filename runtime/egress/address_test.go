package egress_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// specialRanges is written down independently of the table under test, from the IANA
// special-purpose and multicast registries. operator tells that a host of the operator may have
// such an address.
var specialRanges = []struct {
	prefix   string
	operator bool
}{
	{"0.0.0.0/8", false}, {"10.0.0.0/8", true}, {"100.64.0.0/10", true}, {"127.0.0.0/8", true}, {"169.254.0.0/16", false},
	{"172.16.0.0/12", true}, {"192.0.0.0/24", false}, {"192.0.2.0/24", false}, {"192.31.196.0/24", false},
	{"192.52.193.0/24", false}, {"192.88.99.0/24", false}, {"192.168.0.0/16", true}, {"192.175.48.0/24", false},
	{"198.18.0.0/15", false}, {"198.51.100.0/24", false}, {"203.0.113.0/24", false}, {"224.0.0.0/4", false},
	{"240.0.0.0/4", false}, {"255.255.255.255/32", false}, {"168.63.129.16/32", false}, {"100.100.100.200/32", false},
	{"::1/128", true}, {"::/128", false}, {"::ffff:0:0/96", false}, {"::/96", false}, {"64:ff9b:1::/48", false},
	{"100::/64", false}, {"100:0:0:1::/64", false}, {"2001::/23", false}, {"2001::/32", false}, {"2001:1::1/128", false},
	{"2001:2::/48", false}, {"2001:3::/32", false}, {"2001:4:112::/48", false}, {"2001:10::/28", false},
	{"2001:20::/28", false}, {"2001:30::/28", false}, {"2001:db8::/32", false}, {"2002::/16", false},
	{"2620:4f:8000::/48", false}, {"3fff::/20", false}, {"5f00::/16", false}, {"fc00::/7", true}, {"fe80::/10", false},
	{"fec0::/10", false}, {"ff00::/8", false}, {"4000::/3", false}, {"fd00:ec2::254/128", false},
}

// pick returns the nth interesting address of a prefix: its first, its last, then random ones.
func pick(random *rand.Rand, prefix netip.Prefix, n int) netip.Addr {
	bytes := prefix.Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		if n == 1 || n > 1 && random.IntN(2) == 1 {
			bytes[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// isException tells the special addresses that a larger, permitted range contains.
func isException(addr netip.Addr) bool {
	return addr == netip.MustParseAddr("100.100.100.200") || addr == netip.MustParseAddr("::1")
}

// covers: T-PRX-14, T-RLY-02, OUT-1
func TestEverySpecialRangeIsRefused(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, special := range specialRanges {
		t.Run("refuses "+special.prefix, func(t *testing.T) {
			for n := range 20 {
				addr := pick(random, netip.MustParsePrefix(special.prefix), n)
				w := newWorld()
				w.names["host.example.com"] = []string{addr.String()}
				_, err := get(t, w.client(t, egress.Policy{}), "https://host.example.com:8443/")
				if addr.Is4In6() {
					continue // from a resolver it is the IPv4 address itself, which the other ranges cover
				}
				wantKind(t, err, egress.KindAddress)
				_, err = get(t, w.client(t, egress.Policy{}), joinURL("https", addr.String(), "8443"))
				wantKind(t, err, egress.KindAddress)
				if dialled := w.dials(); len(dialled) != 0 {
					t.Fatalf("dialled %v", dialled)
				}

				_, err = get(t, w.client(t, egress.Policy{OperatorHosts: []string{"host.example.com:8443"}}),
					"https://host.example.com:8443/")
				if permitted := egress.KindOf(err) == egress.KindConnect; permitted != special.operator && !isException(addr) {
					t.Errorf("an operator's host at %s: error %v, want permitted = %v", addr, err, special.operator)
				}
			}
		})
	}
}

func TestTheNeighboursOfSpecialRangesArePublic(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0",
		"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
		"2001:200::", "2001:db7:ffff::1", "2001:db9::", "2003::", "2606:4700:4700::1111", "3ffe:ffff::1", "3fff:1000::",
	} {
		w := newWorld()
		w.names["host.example.com"] = []string{text}
		_, err := get(t, w.client(t, egress.Policy{}), "https://host.example.com/")
		wantKind(t, err, egress.KindConnect)
		if dialled := w.dials(); len(dialled) != 1 || dialled[0].Addr() != netip.MustParseAddr(text) {
			t.Errorf("dialled %v, want %s", dialled, text)
		}
	}
}

func TestAnOperatorsHostBehindNAT64(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, addr string
		want       egress.Kind
	}{
		{"reaches a public provider", "64:ff9b::5db8:d70e", egress.KindConnect},
		{"reaches a private provider", "64:ff9b::10.1.2.3", egress.KindConnect},
		{"does not reach a metadata service", "64:ff9b::169.254.169.254", egress.KindAddress},
		{"does not reach multicast", "64:ff9b::224.0.0.1", egress.KindAddress},
		{"does not use the local prefix", "64:ff9b:1::10.1.2.3", egress.KindAddress},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.names["idp.example.com"] = []string{test.addr}
			_, err := get(t, w.client(t, egress.Policy{OperatorHosts: []string{"idp.example.com"}}), "https://idp.example.com/")
			wantKind(t, err, test.want)
			_, err = get(t, w.client(t, egress.Policy{}), "https://idp.example.com/")
			wantKind(t, err, egress.KindAddress)
		})
	}
}

// spellings returns ways to write an IPv4 address that some parser somewhere understands.
func spellings(v4 [4]byte) []string {
	a, b, c, d := v4[0], v4[1], v4[2], v4[3]
	number := binary.BigEndian.Uint32(v4[:])
	low24, low16 := number&0xffffff, number&0xffff
	dotted := netip.AddrFrom4(v4).String()
	fullWidth := strings.Map(func(r rune) rune {
		if r == '.' {
			return '。'
		}
		return r - '0' + '０'
	}, dotted)
	return []string{
		dotted,
		dotted + ".",
		dotted + "..",
		fmt.Sprint(number),
		fmt.Sprintf("0x%x", number),
		fmt.Sprintf("0X%X", number),
		fmt.Sprintf("0%o", number),
		fmt.Sprintf("%d.", number),
		fmt.Sprintf("%d.%d", a, low24),
		fmt.Sprintf("%d.%d.%d", a, b, low16),
		fmt.Sprintf("0x%x.0x%x.0x%x.0x%x", a, b, c, d),
		fmt.Sprintf("0%o.0%o.0%o.0%o", a, b, c, d),
		fmt.Sprintf("%03d.%03d.%03d.%03d", a, b, c, d),
		fmt.Sprintf("0x%x.%d.0%o.%d", a, b, c, d),
		fullWidth,
		fmt.Sprintf("[::ffff:%s]", dotted),
		fmt.Sprintf("[::ffff:%x:%x]", uint16(a)<<8|uint16(b), uint16(c)<<8|uint16(d)),
		fmt.Sprintf("[0:0:0:0:0:FFFF:%X:%X]", uint16(a)<<8|uint16(b), uint16(c)<<8|uint16(d)),
		fmt.Sprintf("[::%s]", dotted),
		fmt.Sprintf("[64:ff9b::%s]", dotted),
		fmt.Sprintf("[64:ff9b:1::%s]", dotted),
		fmt.Sprintf("[2002:%x:%x::1]", uint16(a)<<8|uint16(b), uint16(c)<<8|uint16(d)),
		fmt.Sprintf("[2001:0:%x:%x::1]", uint16(a)<<8|uint16(b), uint16(c)<<8|uint16(d)),
		fmt.Sprintf("[2001::%x:%x]", ^(uint16(a)<<8 | uint16(b)), ^(uint16(c)<<8 | uint16(d))), // Teredo hides it inverted
		fmt.Sprintf("[::ffff:%s%%25eth0]", dotted),
	}
}

func spellings6(addr netip.Addr) []string {
	return []string{
		"[" + addr.String() + "]",
		"[" + addr.StringExpanded() + "]",
		"[" + strings.ToUpper(addr.StringExpanded()) + "]",
		"[" + addr.String() + "%25eth0]",
		"[" + addr.String() + "%251]",
	}
}

// covers: T-PRX-14, T-RLY-02, OUT-1
func TestNoSpellingOfASpecialAddressIsDialled(t *testing.T) {
	t.Parallel()
	listeners := listenSilently(t)
	w := newWorld()
	client := w.client(t, egress.Policy{})
	// The real resolver and dialer as well: whatever they make of a spelling, the listeners must
	// not notice.
	plain := egress.NewClient(egress.Policy{OnDial: func(addr netip.AddrPort) { t.Errorf("dialled %s", addr) }})
	random := rand.New(rand.NewPCG(3, 4))

	tried := 0
	attempt := func(host string) {
		tried++
		port := listeners.ports[random.IntN(len(listeners.ports))]
		for _, c := range []*http.Client{client, plain} {
			for _, scheme := range []string{"https", "http"} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+host+":"+port+"/", nil)
				if err != nil {
					continue // net/url refuses the spelling
				}
				resp, err := c.Do(req)
				if err == nil {
					_ = resp.Body.Close()
				}
				if !isRefusal(err) {
					t.Errorf("%s://%s: error %v, want a refusal", scheme, host, err)
				}
			}
		}
	}
	for _, special := range specialRanges {
		prefix := netip.MustParsePrefix(special.prefix)
		for n := range 6 {
			addr := pick(random, prefix, n)
			if !addr.Is4() {
				for _, host := range spellings6(addr) {
					attempt(host)
				}
				continue
			}
			for _, host := range spellings(addr.As4()) {
				attempt(host)
			}
		}
	}
	for _, host := range []string{
		"localhost", "LOCALHOST", "localhost.", "a.localhost", "a.localhost.", "ⓛocalhost", "127。0。0。1", "127.1", "0",
		"0x0", "00", "[::]", "[::1]", "[0::1]", "[::1%25lo]", "%31%32%37.0.0.1", "1%32%37.0.0.1", "ⅼocalhost", "127.0.0.1%2e",
		"a..b", ".", "..",
	} {
		attempt(host)
	}
	if tried < 1000 {
		t.Fatalf("only %d spellings were tried", tried)
	}
	if dialled := w.dials(); len(dialled) != 0 {
		t.Errorf("dialled %v, want nothing", dialled)
	}
	listeners.check(t)
}

// covers: OUT-1
func TestURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, url string
		want      egress.Kind
	}{
		{"plain http", "http://example.com/", egress.KindScheme},
		{"ftp", "ftp://example.com/", egress.KindScheme},
		{"file", "file://example.com/etc/passwd", egress.KindScheme},
		{"no host", "https:///x", egress.KindURL},
		{"an opaque URL", "https:example.com", egress.KindURL},
		{"a user", "https://user@example.com/", egress.KindURL},
		{"a password", "https://user:pass@example.com/", egress.KindURL},
		{"a port of a mail server", "https://example.com:25/", egress.KindAddress},
		{"ssh's port", "https://example.com:22/", egress.KindAddress},
		{"port 80", "https://example.com:80/", egress.KindAddress},
		{"port 0", "https://example.com:0/", egress.KindURL},
		{"a port beyond the range", "https://example.com:65979/", egress.KindURL},
		{"a unicode name", "https://bücher.example.com/", egress.KindURL},
		{"a unicode full stop", "https://example。com/", egress.KindURL},
		{"a soft hyphen", "https://exam\u00adple.com/", egress.KindURL},
		{"an empty label", "https://example..com/", egress.KindURL},
		{"a name that is too long", "https://" + strings.Repeat("a.", 130) + "com/", egress.KindURL},
		{"a label that is too long", "https://" + strings.Repeat("a", 64) + ".com/", egress.KindURL},
		{"a star", "https://*.example.com/", egress.KindURL},
		{"a name that ends in a number", "https://example.0x7f/", egress.KindAddress},
	} {
		t.Run("refuses "+test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.names["example.com"] = []string{publicIP}
			client := w.client(t, egress.Policy{})
			_, err := get(t, client, test.url)
			wantKind(t, err, test.want)
			u, _ := url.Parse(test.url)
			wantKind(t, egress.CheckURL(client, u), test.want)
			if dialled := w.dials(); len(dialled) != 0 {
				t.Errorf("dialled %v", dialled)
			}
		})
	}
}

func TestURLsThatReachAServer(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, say("here"))
	w := newWorld()
	w.serve("example.com", publicIP, "443", server)
	w.serve("xn--bcher-kva.example.com", "93.184.215.15", "443", server)
	w.serve("under_score.example.com", "93.184.215.16", "8443", server)
	client := w.client(t, egress.Policy{RootCAs: trusting(server)})
	for _, address := range []string{
		"https://example.com/", "https://example.com:/", "https://EXAMPLE.com/", "https://example.com./", "https://example.com:443/",
		"https://example.com:00443/", "https://xn--bcher-kva.example.com/", "https://under_score.example.com:8443/",
	} {
		body, err := get(t, client, address)
		wantBody(t, body, err, "here")
		u, _ := url.Parse(address)
		wantKind(t, egress.CheckURL(client, u), "")
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/", "https://[::1]:8443/", "https://0x7f000001/", "http://localhost", "https://a@b", "https://[fe80::1%25a]/",
		"https://２１３０７０６４３３/", "https://127.0.0.1.:9999/", "//x", "https://%6c/",
	} {
		f.Add(seed)
	}
	special := make([]netip.Prefix, len(specialRanges))
	for i, s := range specialRanges {
		special[i] = netip.MustParsePrefix(s.prefix)
	}
	f.Fuzz(func(t *testing.T, rawURL string) {
		w := newWorld()
		client := egress.NewClient(w.policy(egress.Policy{}))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, rawURL, nil)
		if err != nil {
			return
		}
		if resp, err := egress.Do(client, req); err == nil {
			_ = resp.Body.Close()
			t.Fatal("a request went out of the world")
		}
		for _, addr := range w.dials() {
			for _, prefix := range special {
				if prefix.Contains(addr.Addr()) {
					t.Errorf("%q was dialled at %s", rawURL, addr)
				}
			}
		}
		for name := range w.lookups {
			if strings.ToLower(name) != name || strings.HasSuffix(name, ".") || strings.ContainsAny(name, ":%[]/@") {
				t.Errorf("%q was looked up as %q", rawURL, name)
			}
		}
	})
}
