// Package redirecturi has the rules for the redirect URIs of clients: which may be registered, and
// when one that is asked for is one that was registered.
package redirecturi

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// maxBytes bounds one redirect URI; real ones have up to about 150 bytes.
const maxBytes = 512

// schemePattern is a URI scheme (RFC 3986 section 3.1), in lower case.
var schemePattern = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)

// forbiddenSchemes run code, read files or open other handlers in the browser: no list can allow
// them.
var forbiddenSchemes = []string{
	"about", "blob", "chrome", "chrome-extension", "data", "edge", "file", "filesystem", "ftp", "http", "https", "intent",
	"jar", "javascript", "mailto", "moz-extension", "ms-settings", "resource", "search-ms", "sms", "tel", "vbscript",
	"view-source", "ws", "wss",
}

// responseParams are the parameters of authorization responses: a redirect URI that brings its own
// would let the client read the wrong one.
var responseParams = []string{"code", "state", "iss", "error", "error_description", "error_uri", "response"}

// CheckSchemes says what is wrong with an operator's list of custom schemes.
func CheckSchemes(schemes []string) error {
	for _, s := range schemes {
		switch {
		case !schemePattern.MatchString(s):
			return fmt.Errorf(`custom scheme %q must be a scheme in lower case such as "cursor", without "://"`, s)
		case slices.Contains(forbiddenSchemes, s):
			return fmt.Errorf("custom scheme %q cannot be allowed: browsers handle it themselves", s)
		}
	}
	return nil
}

// Parse checks a redirect URI that a client wants to register or use: https, plain http to loopback
// (RFC 8252 section 7.3), or a custom scheme that the operator allowed (RFC 8252 section 7.1). It
// accepts one spelling per address, since registered and used ones are compared as texts and people
// have to recognise the host.
func Parse(raw string, customSchemes []string) (*url.URL, error) {
	if raw == "" || len(raw) > maxBytes {
		return nil, fmt.Errorf("must have 1 to %d characters", maxBytes)
	}
	if strings.ContainsFunc(raw, plainurl.IsUnusual) {
		return nil, errors.New("has characters that a URI cannot have")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || !u.IsAbs():
		return nil, errors.New("must be an absolute URI")
	case !strings.HasPrefix(raw, u.Scheme+":"):
		return nil, errors.New("must have its scheme in lower case")
	case strings.Contains(raw, "#"):
		return nil, errors.New("must not have a fragment (RFC 6749 section 3.1.2)")
	case u.User != nil:
		return nil, errors.New("must not have user information, which hides the host")
	case plainurl.HasDotSegment(u):
		return nil, errors.New("must not have dot segments")
	}
	if err := checkQuery(u); err != nil {
		return nil, err
	}
	return u, checkHost(raw, u, customSchemes)
}

func checkHost(raw string, u *url.URL, customSchemes []string) error {
	switch {
	case u.Scheme == "https" || u.Scheme == "http":
		if err := plainurl.CheckHost(raw, u); err != nil {
			return err
		}
		if u.Scheme == "http" && !IsLoopback(u) {
			return errors.New("must use https; plain http is for localhost, 127.0.0.1 and [::1]")
		}
	case !slices.Contains(customSchemes, u.Scheme):
		return &SchemeError{Scheme: u.Scheme}
	}
	return nil
}

// SchemeError is the refusal of a redirect URI whose scheme the operator did not allow.
type SchemeError struct{ Scheme string }

func (e *SchemeError) Error() string {
	return fmt.Sprintf("must use https, or http to a loopback host; the scheme %q is not allowed here", e.Scheme)
}

// Usable returns the redirect URIs of a list that are acceptable, and what is wrong with each of
// the others. Clients register more of them at once than they use: one that is not acceptable does
// not void the rest (RFC 7591 section 3.2.1).
func Usable(list, customSchemes []string) (usable []string, problems []error) {
	for i, uri := range list {
		if _, err := Parse(uri, customSchemes); err != nil {
			problems = append(problems, fmt.Errorf("redirect URI %d %w", i+1, err))
			continue
		}
		usable = append(usable, uri)
	}
	return usable, problems
}

// NeededSchemes returns the schemes that would have to be allowed for redirect URIs that [Usable]
// left out, each once.
func NeededSchemes(problems []error) []string {
	var schemes []string
	for _, problem := range problems {
		if e, ok := errors.AsType[*SchemeError](problem); ok && !slices.Contains(forbiddenSchemes, e.Scheme) && !slices.Contains(schemes, e.Scheme) {
			schemes = append(schemes, e.Scheme)
		}
	}
	return schemes
}

func checkQuery(u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has a query that cannot be read")
	}
	for _, name := range responseParams {
		if query.Has(name) {
			return fmt.Errorf("must not have the parameter %s, which belongs to the response", name)
		}
	}
	return nil
}

// IsLoopback reports whether a checked redirect URI leads to this machine, in the spellings that
// clients use.
func IsLoopback(u *url.URL) bool {
	switch u.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return plainurl.IsLoopbackHost(u.Hostname()) && u.Scheme == "https"
}

// IsNative reports whether a checked redirect URI leads to an application on the user's device
// rather than to a web site. Any application there could have sent the user here under that name.
func IsNative(u *url.URL) bool { return u.Scheme != "https" || IsLoopback(u) }

// Registered reports whether asked is one of the registered redirect URIs: the same text (RFC 9700
// section 2.1), except that a loopback redirect may have any port (RFC 8252 section 7.3). Both
// sides passed [Parse].
func Registered(registered []string, asked string) bool {
	if slices.Contains(registered, asked) {
		return true
	}
	wanted, ok := withoutLoopbackPort(asked)
	return ok && slices.ContainsFunc(registered, func(r string) bool {
		other, ok := withoutLoopbackPort(r)
		return ok && other == wanted
	})
}

// withoutLoopbackPort cuts the port out of a plain http redirect URI, all of which are loopback.
func withoutLoopbackPort(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return "", false
	}
	host := strings.TrimSuffix(u.Host, ":"+u.Port())
	return "http://" + host + strings.TrimPrefix(raw, "http://"+u.Host), true
}
