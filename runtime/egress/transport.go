package egress

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// transport checks every request, redirected ones too, before net/http sees it, and every answer
// before the caller does.
type transport struct {
	policy    Policy
	addresses addressBook
	operators map[hostPort]bool
	providers map[hostPort]bool
	invalid   error
	base      *http.Transport
}

var _ http.RoundTripper = (*transport)(nil)

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.roundTrip(req)
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // the contract of http.RoundTripper; closing twice is harmless
	}
	return resp, err
}

func (t *transport) roundTrip(req *http.Request) (*http.Response, error) {
	trusted, err := t.admit(req)
	if err != nil {
		return nil, err
	}
	outgoing, err := t.outgoing(req, trusted)
	if err != nil {
		return nil, err
	}
	resp, err := t.base.RoundTrip(outgoing)
	if err != nil {
		return nil, exchangeError(req.URL.Host, err)
	}
	if refused := t.inspect(req, resp); refused != nil {
		_ = resp.Body.Close()
		return nil, refused
	}
	resp.Body = &limitedBody{body: resp.Body, host: req.URL.Host, left: t.policy.MaxResponseBytes, limit: t.policy.MaxResponseBytes}
	return resp, nil
}

// exchangeError keeps an [*Error] of the dialer, which net/http may have wrapped, and sorts all
// others.
func exchangeError(host string, err error) *Error {
	e := AsError(err)
	if e.Host != "" {
		return e
	}
	named := *e
	named.Host = host
	return &named
}

// admit checks everything about a request that can be told without resolving its host.
func (t *transport) admit(req *http.Request) (trust, error) {
	if req.URL != nil && req.Host != "" && req.Host != req.URL.Host {
		return stranger, &Error{Kind: KindURL, Host: safeHost(req.URL.Host), Detail: "the Host header differs from the URL"}
	}
	return t.admitURL(req.URL)
}

func (t *transport) admitURL(u *url.URL) (trust, error) {
	if t.invalid != nil {
		return stranger, &Error{Kind: KindPolicy, Cause: t.invalid}
	}
	if u == nil || u.Host == "" || u.Opaque != "" {
		return stranger, &Error{Kind: KindURL, Detail: "the URL names no host"}
	}
	fail := func(kind Kind, detail string) (trust, error) {
		return stranger, &Error{Kind: kind, Host: safeHost(u.Host), Detail: detail}
	}
	if u.User != nil {
		return fail(KindURL, "the URL contains credentials")
	}
	port, err := portOf(u)
	if err != nil {
		if u.Scheme != "http" && u.Scheme != "https" {
			return fail(KindScheme, err.Error())
		}
		return fail(KindURL, err.Error())
	}
	host, err := parseHostname(u.Hostname())
	if errors.Is(err, errNumericHost) {
		return fail(KindAddress, err.Error())
	} else if err != nil {
		return fail(KindURL, err.Error())
	}
	trusted := t.trustOf(host, port)
	switch {
	case u.Scheme == "http" && (!trusted.mayBePrivate() || !plainurl.HTTPHosts(t.policy.InsecureHTTPHosts).Allow(u)):
		return fail(KindScheme, "plain http is permitted for configured loopback hosts only, and for hosts that are named for it")
	case !trusted.mayBePrivate() && host.isLoopback():
		return fail(KindAddress, "loopback")
	case !trusted.mayBePrivate() && !isPublicPort(port):
		return fail(KindAddress, "port below 1024 that is not 443")
	case host.addr.IsValid():
		if why := t.addresses.refusal(host.addr, trusted); why != "" {
			return fail(KindAddress, why)
		}
	}
	return trusted, nil
}

// safeHost drops what cannot be part of an authority, so that an odd URL does not break a log line.
func safeHost(host string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, host)
}

func (t *transport) trustOf(host hostname, port uint16) trust {
	switch {
	case t.operators[hostPort{host.name, port}]:
		return operator
	case t.providers[hostPort{host.name, port}]:
		return provider
	case t.policy.InsecureAllowLoopback && host.isLoopback():
		return loopback
	default:
		return stranger
	}
}

type proxyKey struct{}

// outgoing returns the request as net/http gets it: with a User-Agent and the choice of proxy.
func (t *transport) outgoing(req *http.Request, trusted trust) (*http.Request, error) {
	ctx := req.Context()
	// Plain http is for hosts of one's own network: its tokens go no further than they must.
	if t.policy.Proxy != nil && (trusted == operator || trusted == provider) && req.URL.Scheme == "https" {
		proxy, err := t.policy.Proxy(req)
		if err != nil {
			return nil, &Error{Kind: KindPolicy, Host: req.URL.Host, Detail: "the proxy setting cannot be used"}
		}
		if proxy != nil {
			ctx = context.WithValue(ctx, proxyKey{}, proxy)
		}
	}
	clone := req.WithContext(ctx)
	if _, ok := req.Header["User-Agent"]; !ok {
		clone.Header = req.Header.Clone()
		if clone.Header == nil {
			clone.Header = make(http.Header, 1)
		}
		clone.Header.Set("User-Agent", t.policy.UserAgent)
	}
	return clone, nil
}

func proxyOfRequest(req *http.Request) (*url.URL, error) {
	proxy, _ := req.Context().Value(proxyKey{}).(*url.URL)
	return proxy, nil
}

// inspect checks an answer before its body is read.
func (t *transport) inspect(req *http.Request, resp *http.Response) error {
	host := req.URL.Host
	if isRedirect(resp.StatusCode) {
		if err := t.inspectRedirect(req, resp); err != nil {
			return err
		}
	}
	// net/http has undone the encoding that it asked for; any other would let a small body become a
	// large one later.
	if encoding := strings.Join(resp.Header.Values("Content-Encoding"), ","); !isUnencoded(encoding) {
		return &Error{Kind: KindContent, Host: host, Detail: "the answer is encoded in a way that was not asked for"}
	}
	if req.Method != http.MethodHead && resp.ContentLength > t.policy.MaxResponseBytes {
		return tooLarge(host, t.policy.MaxResponseBytes)
	}
	return nil
}

// unencoded are values of Content-Encoding that change no body: some servers write a charset there,
// and object stores the name of a framing that they have taken off already.
var unencoded = []string{"", "identity", "none", "binary", "utf-8", "utf8", "us-ascii", "iso-8859-1", "7bit", "8bit", "aws-chunked"}

// isUnencoded reports whether a list of content encodings leaves a body as it is.
func isUnencoded(encodings string) bool {
	for encoding := range strings.SplitSeq(encodings, ",") {
		if !slices.Contains(unencoded, strings.ToLower(strings.TrimSpace(encoding))) {
			return false
		}
	}
	return true
}

// isRedirect reports whether a status is of the redirecting class; 304 answers a conditional
// request.
func isRedirect(status int) bool {
	return status >= 300 && status < 400 && status != http.StatusNotModified
}
