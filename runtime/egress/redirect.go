package egress

import (
	"net/http"
	"net/url"
)

// inspectRedirect refuses a redirect that net/http would not follow, or would follow although
// nobody allowed it.
func (t *transport) inspectRedirect(req *http.Request, resp *http.Response) error {
	fail := func(detail string) error {
		return &Error{Kind: KindRedirect, Host: req.URL.Host, Status: resp.StatusCode, Detail: detail}
	}
	if t.policy.MaxRedirects == 0 {
		return fail("the answer is a redirect, and redirects are not followed")
	}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return fail("the answer is a redirect of an unusual kind")
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return fail("only GET and HEAD requests follow redirects")
	}
	// net/http would quote an unreadable location in its error.
	if location, err := resp.Location(); err != nil || location.Host == "" {
		return fail("the redirect has no usable location")
	}
	return nil
}

// checkRedirect is the http.Client's hook. The next hop itself passes [transport.admit] like any
// request.
func (t *transport) checkRedirect(next *http.Request, via []*http.Request) error {
	previous := via[len(via)-1]
	fail := func(detail string) error {
		return &Error{Kind: KindRedirect, Host: previous.URL.Host, Detail: detail}
	}
	if len(via) > t.policy.MaxRedirects {
		return fail("too many redirects")
	}
	if previous.URL.Scheme == "https" && next.URL.Scheme != "https" {
		return fail("the redirect leads from https to " + next.URL.Scheme)
	}
	if !t.trustOfURL(previous.URL).mayBePrivate() && t.trustOfURL(next.URL).mayBePrivate() {
		return fail("the redirect leads from a public host into the operator's network")
	}
	next.Header.Del("Referer") // would carry the query along
	if !sameOrigin(previous.URL, next.URL) {
		for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie", "Dpop"} {
			next.Header.Del(name)
		}
	}
	return nil
}

func (t *transport) trustOfURL(u *url.URL) trust {
	port, err := portOf(u)
	if err != nil {
		return stranger
	}
	host, err := parseHostname(u.Hostname())
	if err != nil {
		return stranger
	}
	return t.trustOf(host, port)
}

func sameOrigin(a, b *url.URL) bool {
	portA, errA := portOf(a)
	portB, errB := portOf(b)
	return errA == nil && errB == nil && a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && portA == portB
}
