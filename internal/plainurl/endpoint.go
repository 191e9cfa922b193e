package plainurl

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
)

// HTTPHosts are the hosts that plain http may reach besides those of this machine, each with a port
// or, for all its ports, without: "keycloak:8080", "keycloak".
type HTTPHosts []string

// Allow reports whether plain http may be used for a URL, whatever its own scheme.
func (h HTTPHosts) Allow(u *url.URL) bool {
	return IsLoopbackHost(u.Hostname()) || slices.ContainsFunc(h, func(name string) bool {
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			host, port = strings.Trim(name, "[]"), ""
		}
		return strings.EqualFold(host, u.Hostname()) && (port == "" || port == cmp.Or(u.Port(), "80"))
	})
}

// CheckEndpoint says what is wrong with the URL of an endpoint, to which tokens and secrets are
// sent: it must be absolute, use https where plain http is not allowed, and name nobody's
// credentials. A query is the endpoint's own (RFC 6749 section 3.2).
func CheckEndpoint(text string, plain HTTPHosts) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("is required")
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("must be an absolute URL")
	case !Bare(text, u):
		return errors.New("must be a URL without credentials and fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !plain.Allow(u)):
		return errors.New("must use https, or http for a loopback host: tokens and secrets would travel unprotected")
	}
	return nil
}
