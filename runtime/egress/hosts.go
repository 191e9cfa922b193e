package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// hostname is the host of a URL in one spelling: a lower-case name without a trailing dot, or an
// address.
type hostname struct {
	name string
	addr netip.Addr // valid when the host is an address
}

func (h hostname) isLoopback() bool { return plainurl.IsLoopbackHost(h.name) }

var errNumericHost = errors.New("an IP address in an unusual spelling")

// parseHostname reads a host without port and brackets. It accepts one spelling per address: what a
// resolver might take for an address (2130706433, 0x7f.1, 127.0.0.1.) is neither name nor address
// here. Names are ASCII: an internationalized one has to be written in its xn-- form, so that no
// mapping happens after the check.
func parseHostname(host string) (hostname, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return hostname{name: addr.String(), addr: addr}, nil
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "" || len(name) > 253 {
		return hostname{}, errors.New("not a host name")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return hostname{}, errors.New("not an ASCII host name")
		}
		last = label
	}
	if isNumeric(last) {
		return hostname{}, errNumericHost
	}
	return hostname{name: name}, nil
}

func isLabel(label string) bool {
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return label != "" && len(label) <= 63
}

// isNumeric reports whether a last label makes the whole host an IPv4 address for inet_aton and
// browsers (WHATWG URL, "ends in a number").
func isNumeric(label string) bool {
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// hostPort identifies a host exactly.
type hostPort struct {
	host string
	port uint16
}

// parseHosts reads a list of a [Policy]; kind is for its error.
func parseHosts(kind string, entries []string) (map[hostPort]bool, error) {
	hosts := make(map[hostPort]bool, len(entries))
	for _, entry := range entries {
		host, ports, err := parseHost(entry)
		if err != nil {
			return nil, fmt.Errorf("egress: %s host %q: %w", kind, entry, err)
		}
		for _, port := range ports {
			hosts[hostPort{host.name, port}] = true
		}
	}
	return hosts, nil
}

func parseHost(entry string) (hostname, []uint16, error) {
	implied := []uint16{443, 80}
	authority := entry
	if scheme, rest, ok := strings.Cut(entry, "://"); ok {
		port, err := defaultPort(strings.ToLower(scheme))
		if err != nil {
			return hostname{}, nil, err
		}
		implied = []uint16{port}
		authority, _, _ = strings.Cut(rest, "/")
	}
	host, port, err := splitAuthority(authority)
	if err != nil {
		return hostname{}, nil, err
	}
	if port != "" {
		number, err := parsePort(port)
		if err != nil {
			return hostname{}, nil, err
		}
		implied = []uint16{number}
	}
	name, err := parseHostname(host)
	if err == nil && name.addr.IsValid() && name.addr.Zone() != "" {
		err = errors.New("an address with a zone")
	}
	return name, implied, err
}

// splitAuthority splits host and port. A bare IPv6 address needs no brackets where there is no
// port.
func splitAuthority(authority string) (host, port string, err error) {
	if addr, err := netip.ParseAddr(strings.Trim(authority, "[]")); err == nil {
		return addr.String(), "", nil
	}
	if !strings.Contains(authority, ":") {
		return authority, "", nil
	}
	host, port, err = net.SplitHostPort(authority)
	if err != nil {
		return "", "", errors.New("must be host or host:port")
	}
	return host, port, nil
}

func defaultPort(scheme string) (uint16, error) {
	switch scheme {
	case "https":
		return 443, nil
	case "http":
		return 80, nil
	default:
		return 0, errors.New("scheme must be https, or http for a loopback host")
	}
}

func parsePort(port string) (uint16, error) {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("port must be a number from 1 to 65535")
	}
	return uint16(n), nil
}

// portOf returns the port of a URL, stated or implied.
func portOf(u *url.URL) (uint16, error) {
	if port := u.Port(); port != "" {
		return parsePort(port)
	}
	return defaultPort(u.Scheme)
}

// lowestUnprivilegedPort is the first port beyond those of the classic services. A URL from outside
// may name 443 and those above: an identity provider on port 25 is an attack on a mail server.
const lowestUnprivilegedPort = 1024

func isPublicPort(port uint16) bool { return port == 443 || port >= lowestUnprivilegedPort }
