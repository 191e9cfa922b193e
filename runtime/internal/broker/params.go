package broker

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
	// maxParamBytes bounds a query or a form: a refresh token with two of the provider's tokens inside fits.
	maxParamBytes = 64 << 10
)

// params are the parameters of a request (RFC 6749 section 3.1): each at most once, one without a value counts as
// omitted. Values are valid UTF-8 without control characters, so that nothing that is echoed can split a response or a
// log line.
type params struct {
	values map[string]string
	// repeated are the names that came more than once, whatever their values.
	repeated []string
}

var (
	errMalformedParams = errors.New("a parameter is not properly encoded or has control characters")
	errTooManyParams   = errors.New("too many or too long parameters")
)

func (p *params) get(name string) string { return p.values[name] }

// add reads an urlencoded text into p.
func (p *params) add(encoded string) error {
	if len(encoded) > maxParamBytes {
		return errTooManyParams
	}
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		if nameErr != nil || valueErr != nil || name == "" || !isPlainText(name) || !isPlainText(value) {
			return errMalformedParams
		}
		if previous, ok := p.values[name]; ok {
			p.repeated = append(p.repeated, name)
			if previous != "" {
				continue
			}
		}
		if p.values == nil {
			p.values = map[string]string{}
		}
		p.values[name] = value
		if len(p.values) > maxParams {
			return errTooManyParams
		}
	}
	return nil
}

// isPlainText reports whether s is valid UTF-8 without control characters.
func isPlainText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// onceEach returns the error for a request with a repeated parameter.
func (p *params) onceEach() *oauth.Error {
	switch {
	case len(p.repeated) == 0:
		return nil
	case slices.Contains(p.repeated, "resource"):
		return badRequest(oauth.CodeInvalidTarget, reasonRepeatedParameter, "This server accepts one resource")
	default:
		return badRequest(oauth.CodeInvalidRequest, reasonRepeatedParameter, "A parameter was sent more than once")
	}
}

// queryParams reads the query of a request.
func queryParams(r *http.Request) (params, *oauth.Error) {
	var p params
	if err := p.add(r.URL.RawQuery); err != nil {
		return p, malformedParams(err)
	}
	return p, nil
}

// formParams reads the form in the body of a POST request. Nothing is read from the query, where secrets would end up in
// logs.
func formParams(r *http.Request) (params, *oauth.Error) {
	var p params
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil ||
		mediaType != "application/x-www-form-urlencoded" {
		return p, badRequest(oauth.CodeInvalidRequest, reasonContentType, "Send the parameters as application/x-www-form-urlencoded")
	}
	body, err := readBody(r, maxParamBytes)
	if err != nil {
		return p, malformedParams(err)
	}
	if err := p.add(string(body)); err != nil {
		return p, malformedParams(err)
	}
	return p, nil
}

func malformedParams(cause error) *oauth.Error {
	e := badRequest(oauth.CodeInvalidRequest, reasonMalformedParameter, "The parameters cannot be read")
	e.Cause = cause
	return e
}

var errBodyTooLarge = errors.New("the body is too large")

// usualBody is more than most bodies have. No more room is made before it comes: anybody can announce a long one.
const usualBody = 8 << 10

// readBody reads a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
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
