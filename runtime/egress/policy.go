package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Resolver finds the addresses of a host name. [*net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// The limits of a [Policy] whose fields are zero.
const (
	defaultDialTimeout           = 5 * time.Second
	defaultTLSHandshakeTimeout   = 5 * time.Second
	defaultResponseHeaderTimeout = 10 * time.Second
	defaultTimeout               = 15 * time.Second
	// defaultIdleConnTimeout is shorter than the five seconds after which Node.js and Apache close
	// unused connections. A token request that is sent at that very moment is lost, and nobody may
	// repeat it: its code works once.
	defaultIdleConnTimeout        = 3 * time.Second
	defaultMaxResponseBytes       = 1 << 20
	defaultMaxResponseHeaderBytes = 64 << 10
	defaultMaxConnsPerHost        = 64
	defaultUserAgent              = "latchkey"
)

// Policy says what a client may reach and how long and large an exchange may be. The zero value is
// the strictest policy: public hosts over HTTPS, no redirect, no proxy, the default limits.
type Policy struct {
	// OperatorHosts are the hosts that the operator wrote into the configuration:
	// "kc.internal:8443", "[fd00::1]:8443", "localhost:8080", or a URL. Exactly that host and port
	// may have a private or loopback address; a host without port means the scheme's default port.
	// Plain http is permitted for loopback hosts among them. Link-local, metadata and other special
	// addresses stay refused.
	OperatorHosts []string
	// ProviderHosts are the hosts of the identity provider that the operator did not write, since
	// its spec or the configured issuer's own document names them, in the same form. They must have
	// addresses of the public internet, as strangers' hosts must, but are reached through Proxy.
	ProviderHosts []string
	// InsecureHTTPHosts are those of OperatorHosts that plain http may reach although they are not
	// on this machine, each with a port or, for all its ports, without. Tokens, codes and secrets
	// then travel unprotected; packages that offer it log a warning.
	InsecureHTTPHosts []string
	// InsecureAllowLoopback lets any URL name a loopback host, over plain http too. It is for
	// development on one machine: on a server it opens every service that trusts its own machine.
	// Packages that offer it log a warning.
	InsecureAllowLoopback bool

	// MaxRedirects is how many redirects in a row are followed, for GET and HEAD only. Every hop is
	// checked like a first request, a downgrade to http and a step from a public host to an
	// operator's are refused, and credentials are dropped when the origin changes. Zero makes every
	// redirect an error.
	MaxRedirects int
	// Proxy chooses a proxy for requests to OperatorHosts and ProviderHosts, see
	// [EnvironmentProxy]. Other hosts are always reached directly, since behind a proxy nobody
	// could promise that the checked address is the dialled one, and so is what plain http reaches.
	// Nil means no proxy.
	Proxy func(*http.Request) (*url.URL, error)
	// RootCAs are the certificate authorities to trust instead of the system's, for an operator's
	// private authority; see [ReadCAFile].
	RootCAs *x509.CertPool

	// DialTimeout limits name resolution and connecting, together. Zero means 5 seconds.
	DialTimeout time.Duration
	// TLSHandshakeTimeout limits the handshake. Zero means 5 seconds.
	TLSHandshakeTimeout time.Duration
	// ResponseHeaderTimeout limits the wait for the answer's headers once the request is sent. Zero
	// means 10 seconds.
	ResponseHeaderTimeout time.Duration
	// Timeout limits the whole exchange: redirects and reading the body included. Zero means 15
	// seconds.
	Timeout time.Duration
	// IdleConnTimeout is how long an unused connection is kept. Zero means 3 seconds; keep it below
	// what the servers allow.
	IdleConnTimeout time.Duration

	// MaxResponseBytes limits a body after decompression. Zero means 1 MiB.
	MaxResponseBytes int64
	// MaxResponseHeaderBytes limits the answer's headers. Zero means 64 KiB.
	MaxResponseHeaderBytes int64
	// MaxConnsPerHost limits the connections to one host; as many may stay idle. Zero means 64.
	MaxConnsPerHost int

	// UserAgent is sent when a request names none. Empty means "latchkey".
	UserAgent string
	// Resolver replaces the system's resolver. Nil means [net.DefaultResolver].
	Resolver Resolver
	// OnDial is told every address right before a connection to it is attempted. It must be safe
	// for concurrent use.
	OnDial func(netip.AddrPort)
	// Connect replaces the last step, connecting to an address that was checked: for a network that
	// needs more than a plain TCP connection, and for tests. It must connect to this very address
	// and obey the context. Nil means TCP.
	Connect func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
}

// NewClient returns a client that keeps to the policy. A policy with an invalid field gives a
// client whose every request fails with that error ([KindPolicy]); [Policy.Validate] reports it
// beforehand.
//
// The client keeps connections open for [Policy.IdleConnTimeout]: make one per policy, and call
// CloseIdleConnections when it is no longer needed.
func NewClient(p Policy) *http.Client {
	t := &transport{policy: p.withDefaults(), addresses: newAddressBook()}
	t.operators, t.providers, t.invalid = p.check()
	t.base = t.newBase()
	return &http.Client{Transport: t, CheckRedirect: t.checkRedirect, Timeout: t.policy.Timeout}
}

// Validate reports what is wrong with the policy.
func (p Policy) Validate() error {
	_, _, err := p.check()
	return err
}

func (p Policy) check() (operators, providers map[hostPort]bool, err error) {
	for _, limit := range []int64{
		int64(p.MaxRedirects), int64(p.DialTimeout), int64(p.TLSHandshakeTimeout), int64(p.ResponseHeaderTimeout),
		int64(p.Timeout), int64(p.IdleConnTimeout), p.MaxResponseBytes, p.MaxResponseHeaderBytes, int64(p.MaxConnsPerHost),
	} {
		if limit < 0 {
			return nil, nil, errors.New("egress: a limit of the policy is negative; zero means its default")
		}
	}
	if operators, err = parseHosts("operator", p.OperatorHosts); err != nil {
		return nil, nil, err
	}
	if providers, err = parseHosts("provider", p.ProviderHosts); err != nil {
		return nil, nil, err
	}
	for _, name := range p.InsecureHTTPHosts {
		if _, _, err := parseHost(name); err != nil || strings.Contains(name, "/") {
			return nil, nil, fmt.Errorf("egress: insecure http host %q must be host or host:port", name)
		}
	}
	return operators, providers, nil
}

func (p Policy) withDefaults() Policy {
	p.DialTimeout = orDefault(p.DialTimeout, defaultDialTimeout)
	p.TLSHandshakeTimeout = orDefault(p.TLSHandshakeTimeout, defaultTLSHandshakeTimeout)
	p.ResponseHeaderTimeout = orDefault(p.ResponseHeaderTimeout, defaultResponseHeaderTimeout)
	p.Timeout = orDefault(p.Timeout, defaultTimeout)
	p.IdleConnTimeout = orDefault(p.IdleConnTimeout, defaultIdleConnTimeout)
	p.MaxResponseBytes = orDefault(p.MaxResponseBytes, defaultMaxResponseBytes)
	p.MaxResponseHeaderBytes = orDefault(p.MaxResponseHeaderBytes, defaultMaxResponseHeaderBytes)
	p.MaxConnsPerHost = orDefault(p.MaxConnsPerHost, defaultMaxConnsPerHost)
	p.UserAgent = orDefault(p.UserAgent, defaultUserAgent)
	if p.Resolver == nil {
		p.Resolver = net.DefaultResolver
	}
	return p
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// newBase returns the net/http transport below the checks.
func (t *transport) newBase() *http.Transport {
	p := t.policy
	return &http.Transport{
		Proxy:                  proxyOfRequest,
		DialContext:            t.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.RootCAs},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    p.TLSHandshakeTimeout,
		ResponseHeaderTimeout:  p.ResponseHeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        p.IdleConnTimeout,
		MaxResponseHeaderBytes: p.MaxResponseHeaderBytes,
		MaxConnsPerHost:        p.MaxConnsPerHost,
		// net/http would keep two idle connections per host and make new ones, handshake included,
		// for all others.
		MaxIdleConnsPerHost: p.MaxConnsPerHost,
		MaxIdleConns:        4 * p.MaxConnsPerHost,
		// Without pings a connection that a firewall dropped silently swallows requests until they
		// time out.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 5 * time.Second},
	}
}
