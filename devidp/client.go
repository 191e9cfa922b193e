package devidp

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The grants and client authentication methods on offer (RFC 7591 section 2).
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"

	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// clientKind says how the server came to know a client.
type clientKind int

const (
	presetClient   clientKind = iota // from the configuration
	dynamicClient                    // registered itself
	documentClient                   // described by a client ID metadata document
)

// client is a registered client. It is immutable.
type client struct {
	id        string
	name      string
	kind      clientKind
	redirects []string
	grants    []string
	methods   []string
	secret    [sha256.Size]byte // of a confidential client
}

func (c *client) confidential() bool { return !slices.Contains(c.methods, authNone) }

// clientRules are the parts of the configuration that decide about a client's metadata.
type clientRules struct {
	schemes []string
}

func (s *Server) clientRules() clientRules { return clientRules{schemes: s.config.RedirectSchemes} }

// AddClient registers a client, in place of one with the same ID.
func (s *Server) AddClient(c Client) error {
	built, err := c.build(s.clientRules())
	if err != nil {
		return fmt.Errorf("devidp: client %q: %w", c.ID, err)
	}
	s.state.addPreset(built)
	return nil
}

func (c Client) build(rules clientRules) (*client, error) {
	switch {
	case c.ID == "" || !printable(c.ID):
		return nil, errors.New("needs an ID of printable characters")
	case len(c.RedirectURIs) == 0:
		return nil, errors.New("needs a redirect URI")
	}
	for _, uri := range c.RedirectURIs {
		if err := rules.checkRedirect(uri); err != nil {
			return nil, fmt.Errorf("redirect URI %q: %w", uri, err)
		}
	}
	built := &client{
		id: c.ID, name: cmp.Or(c.Name, c.ID), kind: presetClient,
		redirects: slices.Clone(c.RedirectURIs), grants: slices.Clone(c.GrantTypes),
		secret: sha256.Sum256([]byte(c.Secret.Reveal())),
	}
	if built.grants == nil {
		built.grants = []string{grantCode, grantRefresh}
	}
	switch {
	case c.Secret == "" && (c.AuthMethod == "" || c.AuthMethod == authNone):
		built.methods = []string{authNone}
	case c.Secret != "" && c.AuthMethod == "":
		built.methods = []string{authBasic, authPost}
	case c.Secret != "" && (c.AuthMethod == authBasic || c.AuthMethod == authPost):
		built.methods = []string{c.AuthMethod}
	default:
		return nil, fmt.Errorf("authentication method %q does not go with its secret: none for a client without one, "+
			"client_secret_basic or client_secret_post for one with", c.AuthMethod)
	}
	return built, nil
}

// maxRedirectBytes bounds one redirect URI.
const maxRedirectBytes = 2000

// checkRedirect says what is wrong with a redirect URI: only https, loopback http and the configured schemes are good, in
// a spelling that every parser reads alike (RFC 9700 section 4.1, OAuth 2.1 section 2.3).
func (r clientRules) checkRedirect(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || len(raw) > maxRedirectBytes || strings.ContainsFunc(raw, unusualInURL):
		return errors.New("is not a plain URL")
	case !strings.HasPrefix(raw, u.Scheme+":") || u.Scheme == "":
		return errors.New("must begin with a scheme in lower case")
	case strings.Contains(raw, "#"):
		return errors.New("must not have a fragment")
	case u.User != nil || u.Opaque != "":
		return errors.New("must have neither credentials nor an opaque part")
	case hasDotSegment(u.Path):
		return errors.New("must not have dot segments")
	}
	switch {
	case u.Scheme == "https" && plainHost(u):
		return nil
	case u.Scheme == "http" && plainHost(u) && oauth.IsLoopbackHost(u.Hostname()):
		return nil
	case slices.Contains(r.schemes, u.Scheme) && (u.Host == "" || plainHost(u)):
		return nil
	default:
		return errors.New("must use https, or http with a loopback host; custom schemes are by configuration")
	}
}

// unusualInURL are characters that parsers disagree about, and all that RFC 3986 does not have.
func unusualInURL(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\\\"<>^`{|}", c) }

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// plainHost reports whether a URL's host is a name or address without escapes, and its port, if it has one, a number.
func plainHost(u *url.URL) bool {
	const hostChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]"
	return u.Hostname() != "" && strings.Trim(u.Host, hostChars) == "" && !strings.HasSuffix(u.Host, ":")
}

// registered reports whether a redirect URI is one of the client's: the same text, but for the port of a loopback http URI
// (RFC 8252 section 7.3).
func (c *client) registered(rules clientRules, uri string) bool {
	if slices.Contains(c.redirects, uri) {
		return true
	}
	portless, ok := withoutLoopbackPort(uri)
	return ok && rules.checkRedirect(uri) == nil && slices.ContainsFunc(c.redirects, func(known string) bool {
		knownPortless, ok := withoutLoopbackPort(known)
		return ok && knownPortless == portless
	})
}

func withoutLoopbackPort(uri string) (string, bool) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || !oauth.IsLoopbackHost(u.Hostname()) {
		return "", false
	}
	before, after, found := strings.Cut(uri, u.Host)
	return before + strings.TrimSuffix(u.Host, ":"+u.Port()) + after, found
}

// validCustomScheme refuses what is no scheme (RFC 3986 section 3.1), and the schemes with which a browser does something
// else than starting a program.
func validCustomScheme(scheme string) bool {
	const schemeChars = "abcdefghijklmnopqrstuvwxyz0123456789+-."
	dangerous := []string{"http", "https", "javascript", "data", "file", "blob", "about", "vbscript", "view-source", "ws", "wss", "ftp"}
	return scheme != "" && scheme[0] >= 'a' && scheme[0] <= 'z' && strings.Trim(scheme, schemeChars) == "" &&
		!slices.Contains(dangerous, scheme)
}

// printable reports whether a text can be shown in one line: no control characters, and none of the invisible ones that
// reorder or hide the others.
func printable(text string) bool {
	const maxLabelBytes = 256
	return len(text) <= maxLabelBytes && !strings.ContainsFunc(text, func(c rune) bool {
		return c == unicode.ReplacementChar || !unicode.IsPrint(c)
	})
}
