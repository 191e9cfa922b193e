// Package params reads the parameters of a request to an OAuth endpoint (RFC 6749 section 3.1):
// strictly, each once, bounded.
package params

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latchkey-auth/latchkey/oauth"
)

const (
	// maxParams is how many parameters a request may have.
	maxParams = 64
	// maxBytes bounds a query or a form: a refresh token with two of the provider's tokens inside
	// fits.
	maxBytes = 64 << 10
	// maxResources is how many different resources a request may name.
	maxResources = 8
)

// Params are the parameters of a request: each but resource at most once, one without a value
// counts as omitted. Values are valid UTF-8 without control characters, so that nothing that is
// echoed can split a response or a log line.
type Params struct {
	values map[string]string
	// repeated are the names that came more than once, whatever their values.
	repeated []string
	// resources are the values of resource, the one parameter that may come several times (RFC 8707
	// section 2).
	resources []string
}

// resourceName is the name of that parameter.
const resourceName = "resource"

var (
	errMalformed = errors.New("a parameter is not properly encoded or has control characters")
	errTooMany   = errors.New("too many or too long parameters")
)

// Get returns the value of a parameter, empty where it was not sent.
func (p *Params) Get(name string) string { return p.values[name] }

// Set sets the value of a parameter.
func (p *Params) Set(name, value string) {
	if p.values == nil {
		p.values = map[string]string{}
	}
	p.values[name] = value
}

// Repeats reports whether a parameter came more than once.
func (p *Params) Repeats(name string) bool { return slices.Contains(p.repeated, name) }

// Resources returns the values of the parameter resource, each once.
func (p *Params) Resources() []string { return p.resources }

func (p *Params) addResource(value string) {
	if value != "" && !slices.Contains(p.resources, value) {
		p.resources = append(p.resources, value)
	}
}

// Merge adds the parameters of another part of the same request. One that is in both is a repeated
// one.
func (p *Params) Merge(other Params) {
	for _, resource := range other.resources {
		p.addResource(resource)
	}
	for name, value := range other.values {
		if _, ok := p.values[name]; ok {
			p.repeated = append(p.repeated, name)
		}
		p.Set(name, value)
	}
	p.repeated = append(p.repeated, other.repeated...)
}

// add reads an urlencoded text into p.
func (p *Params) add(encoded string) error {
	if len(encoded) > maxBytes {
		return errTooMany
	}
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		if nameErr != nil || valueErr != nil || name == "" || !IsPlainText(name) || !IsPlainText(value) {
			return errMalformed
		}
		if name == resourceName {
			p.addResource(value)
			if len(p.resources) > maxResources {
				return errTooMany
			}
			continue
		}
		if previous, ok := p.values[name]; ok {
			p.repeated = append(p.repeated, name)
			if previous != "" {
				continue
			}
		}
		p.Set(name, value)
		if len(p.values) > maxParams {
			return errTooMany
		}
	}
	return nil
}

// IsPlainText reports whether s is valid UTF-8 without control characters.
func IsPlainText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// OnceEach returns the error for a request with a repeated parameter.
func (p *Params) OnceEach() *oauth.Error {
	if len(p.repeated) == 0 {
		return nil
	}
	return oauth.InvalidRequest(oauth.ReasonRepeatedParameter, "A parameter was sent more than once")
}

// Query reads the query of a request.
func Query(r *http.Request) (Params, *oauth.Error) {
	var p Params
	if err := p.add(r.URL.RawQuery); err != nil {
		return p, malformed(err)
	}
	return p, nil
}

// Form reads the form in the body of a POST request. Nothing is read from the query, where secrets
// would end up in logs.
func Form(r *http.Request) (Params, *oauth.Error) {
	var p Params
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		mediaType != "application/x-www-form-urlencoded" {
		return p, oauth.InvalidRequest(oauth.ReasonContentType, "Send the parameters as application/x-www-form-urlencoded")
	}
	body, err := ReadBody(r, maxBytes)
	if err != nil {
		return p, malformed(err)
	}
	if err := p.add(string(body)); err != nil {
		return p, malformed(err)
	}
	return p, nil
}

func malformed(cause error) *oauth.Error {
	e := oauth.InvalidRequest(oauth.ReasonMalformedParameter, "The parameters cannot be read")
	e.Cause = cause
	return e
}

var errBodyTooLarge = errors.New("the body is too large")

// usualBody is more than most bodies have. No more room is made before it comes: anybody can
// announce a long one.
const usualBody = 8 << 10

// ReadBody reads a body of at most limit bytes.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), usualBody)) + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(r.Body, limit+1)); err != nil {
		return nil, err
	}
	if int64(body.Len()) > limit {
		return nil, errBodyTooLarge
	}
	return body.Bytes(), nil
}
