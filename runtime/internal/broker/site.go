package broker

import (
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/grants"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// The endpoints' paths below the resource.
const (
	pathRegister  = "/register"
	pathAuthorize = "/authorize"
	pathConsent   = "/consent"
	pathCallback  = "/oauth/callback"
	pathToken     = "/token"
	pathRevoke    = "/revoke"
	pathJWKS      = "/jwks"
)

// site is everything that the server's URLs are made of, from the configuration alone.
type site struct {
	resources grants.Resources
	// path is what the endpoints' paths begin with: the resource's, without a slash at its end.
	path         string
	origin, host string // of the resource
	// mount stands for the resource where names have to differ between servers: in cookies and in
	// the store.
	mount string
}

func newSite(resource string, below []string) (site, error) {
	resources, err := grants.NewResources(resource, below)
	if err != nil {
		return site{resources: grants.Resources{resource}}, err
	}
	u, err := url.Parse(resources[0])
	if err != nil {
		return site{resources: resources}, err
	}
	return site{
		resources: resources, path: strings.TrimSuffix(u.EscapedPath(), "/"), origin: u.Scheme + "://" + u.Host, host: u.Host,
		mount: tickets.Digest("mount", resources[0]).String()[:8],
	}, nil
}

// resource is the server's own URL, and its issuer.
func (s site) resource() string { return s.resources[0] }

// url is the URL of an endpoint.
func (s site) url(path string) string { return s.origin + s.path + path }

func (s site) secure() bool { return strings.HasPrefix(s.origin, "https://") }

// answerURL returns a redirect URI with the parameters of an authorization response, iss among them
// in every case (RFC 9207 section 2). The redirect URI was checked and every parameter is encoded,
// so nothing can break out.
func (s site) answerURL(redirect, state string, answer ...[2]string) string {
	if state != "" {
		answer = append(answer, [2]string{"state", state})
	}
	answer = append(answer, [2]string{"iss", s.resource()})
	return appendQuery(redirect, answer)
}

// errorURL is the answer of an error (RFC 6749 section 4.1.2.1).
func (s site) errorURL(redirect, state string, e *oauth.Error) string {
	return s.answerURL(redirect, state, [2]string{"error", string(e.Code)}, [2]string{"error_description", e.Description})
}

// appendQuery adds parameters to a URL without touching its own.
func appendQuery(base string, pairs [][2]string) string {
	var s strings.Builder
	s.WriteString(base)
	separator := byte('?')
	if strings.Contains(base, "?") {
		separator = '&'
		if strings.HasSuffix(base, "?") || strings.HasSuffix(base, "&") {
			separator = 0
		}
	}
	for _, p := range pairs {
		if separator != 0 {
			s.WriteByte(separator)
		}
		s.WriteString(url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1]))
		separator = '&'
	}
	return s.String()
}
