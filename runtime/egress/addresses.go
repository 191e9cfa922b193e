package egress

import (
	"net/netip"
)

// trust says who chose a host, which decides what addresses it may have.
type trust int

const (
	// stranger hosts come from outside: only addresses of the public internet, and never by a
	// proxy, behind which nobody could promise that the checked address is the dialled one.
	stranger trust = iota
	// provider hosts are named by the provider's spec or the configured issuer: only addresses of
	// the public internet, by the proxy where there is one.
	provider
	// operator hosts are written in the configuration: private networks and loopback too, by the
	// proxy where there is one.
	operator
	// loopback hosts are reachable in development: loopback addresses only.
	loopback
)

// mayBePrivate reports whether a host of this trust may have an address that is not of the public
// internet.
func (t trust) mayBePrivate() bool { return t == operator || t == loopback }

// block is an address range that is not part of the public internet.
type block struct {
	prefix netip.Prefix
	name   string
	// operator tells that a host which the operator named may have such an address.
	operator bool
}

// specialBlocks returns the special-purpose ranges of both families, and multicast, which has
// registries of its own.
//
// Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190) as
// updated on 2025-10-09, the IANA multicast registries (RFC 5771, RFC 4291), RFC 3879 and RFC 4291
// section 2.5.5.1 for the retired IPv6 ranges. Ranges that the registries call globally reachable
// (AS112, AMT, PCP and TURN anycast, ORCHID …) are listed all the same: no identity provider lives
// there. A range that lies outside 2000::/3 need not be listed to be refused (see [refusal]); it is
// listed for the sake of a good error message.
func specialBlocks() []block {
	return []block{
		{netip.MustParsePrefix("0.0.0.0/8"), "this network", false},
		{netip.MustParsePrefix("10.0.0.0/8"), "a private network", true},
		{netip.MustParsePrefix("100.64.0.0/10"), "shared address space (carrier-grade NAT)", true},
		{netip.MustParsePrefix("127.0.0.0/8"), "loopback", true},
		{netip.MustParsePrefix("169.254.0.0/16"), "link-local", false},
		{netip.MustParsePrefix("172.16.0.0/12"), "a private network", true},
		{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments", false},
		{netip.MustParsePrefix("192.0.2.0/24"), "documentation", false},
		{netip.MustParsePrefix("192.31.196.0/24"), "AS112", false},
		{netip.MustParsePrefix("192.52.193.0/24"), "AMT", false},
		{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay anycast", false},
		{netip.MustParsePrefix("192.168.0.0/16"), "a private network", true},
		{netip.MustParsePrefix("192.175.48.0/24"), "AS112", false},
		{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking", false},
		{netip.MustParsePrefix("198.51.100.0/24"), "documentation", false},
		{netip.MustParsePrefix("203.0.113.0/24"), "documentation", false},
		{netip.MustParsePrefix("224.0.0.0/4"), "multicast", false},
		{netip.MustParsePrefix("240.0.0.0/4"), "reserved or broadcast", false},

		{netip.MustParsePrefix("::1/128"), "loopback", true},
		{netip.MustParsePrefix("::/128"), "unspecified", false},
		{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4-mapped", false},
		{netip.MustParsePrefix("::/96"), "IPv4-compatible", false},
		{netip.MustParsePrefix("64:ff9b::/96"), "NAT64", false},
		{netip.MustParsePrefix("64:ff9b:1::/48"), "local-use NAT64", false},
		{netip.MustParsePrefix("100::/64"), "discard-only", false},
		{netip.MustParsePrefix("100:0:0:1::/64"), "dummy prefix", false},
		{netip.MustParsePrefix("2001::/32"), "Teredo", false},
		{netip.MustParsePrefix("2001:2::/48"), "benchmarking", false},
		{netip.MustParsePrefix("2001:db8::/32"), "documentation", false},
		{netip.MustParsePrefix("2001::/23"), "IETF protocol assignments", false},
		{netip.MustParsePrefix("2002::/16"), "6to4", false},
		{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112", false},
		{netip.MustParsePrefix("3fff::/20"), "documentation", false},
		{netip.MustParsePrefix("5f00::/16"), "segment routing", false},
		{netip.MustParsePrefix("fc00::/7"), "unique local", true},
		{netip.MustParsePrefix("fe80::/10"), "link-local", false},
		{netip.MustParsePrefix("fec0::/10"), "site-local", false},
		{netip.MustParsePrefix("ff00::/8"), "multicast", false},
	}
}

// metadataAddresses returns the addresses at which clouds hand credentials to the machine itself.
// Nobody may reach them through this client: an operator's host name that leads there was tampered
// with.
//
// Sources: the instance metadata pages of AWS (EC2, ECS, EKS), Google Cloud, Azure (the second is
// its wire server, whose address lies outside every special range), Alibaba Cloud and Oracle Cloud.
func metadataAddresses() []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr("169.254.169.254"),
		netip.MustParseAddr("168.63.129.16"),
		netip.MustParseAddr("169.254.170.2"),
		netip.MustParseAddr("169.254.170.23"),
		netip.MustParseAddr("100.100.100.200"),
		netip.MustParseAddr("192.0.0.192"),
		netip.MustParseAddr("fd00:ec2::254"),
		netip.MustParseAddr("fd00:ec2::23"),
		netip.MustParseAddr("fd20:ce::254"),
	}
}

// addressBook holds the ranges, so that they are parsed once per client.
type addressBook struct {
	special       []block
	metadata      []netip.Addr
	globalUnicast netip.Prefix
	nat64         netip.Prefix
}

func newAddressBook() addressBook {
	return addressBook{
		special:       specialBlocks(),
		metadata:      metadataAddresses(),
		globalUnicast: netip.MustParsePrefix("2000::/3"), // all that IANA has handed out for unicast
		nat64:         netip.MustParsePrefix("64:ff9b::/96"),
	}
}

// refusal says why a host of the given trust may not have this address. It is empty for a permitted
// one.
func (b addressBook) refusal(addr netip.Addr, t trust) string {
	switch {
	case !addr.IsValid():
		return "no address"
	case addr.Zone() != "":
		return "an address with a zone"
	}
	for _, m := range b.metadata {
		if addr.Unmap() == m {
			return "a cloud's metadata service"
		}
	}
	if t == loopback {
		if !addr.Unmap().IsLoopback() {
			return "not a loopback address"
		}
		return ""
	}
	if t == operator && b.nat64.Contains(addr) { // DNS64 networks reach every IPv4-only provider this way
		return b.refusal(embeddedIPv4(addr), t)
	}
	for _, s := range b.special {
		if s.prefix.Contains(addr) {
			if s.operator && t == operator {
				return ""
			}
			return s.name
		}
	}
	if addr.Is6() && !b.globalUnicast.Contains(addr) {
		return "outside global unicast"
	}
	return ""
}

// embeddedIPv4 returns the last 32 bits of a NAT64 address (RFC 6052 section 2.2).
func embeddedIPv4(addr netip.Addr) netip.Addr {
	b := addr.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}
