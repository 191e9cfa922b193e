package egress

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Response is a complete answer.
type Response struct {
	// StatusCode is the HTTP status, whatever it is.
	StatusCode int
	// Header are the answer's headers.
	Header http.Header
	// Body is the decoded body.
	Body []byte
}

// CheckURL says why a client made by [NewClient] would refuse a URL, as far as that can be told
// without resolving the host: scheme, credentials, an address that may not be reached, a port. It
// is nil for a URL that may be tried. For a client of other making it is always nil.
func CheckURL(client *http.Client, u *url.URL) error {
	t, ok := client.Transport.(*transport)
	if !ok {
		return nil
	}
	if _, err := t.admitURL(u); err != nil {
		return err
	}
	return nil
}

// Do sends a request like client.Do, but with an error that is an [*Error] and does not name the
// URL.
func Do(client *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := client.Do(req) //nolint:gosec // refusing forged requests is the client's job
	if err != nil {
		return nil, exchangeError(hostOfRequest(req), err)
	}
	return resp, nil
}

func hostOfRequest(req *http.Request) string {
	if req.URL == nil {
		return ""
	}
	return safeHost(req.URL.Host)
}

// Fetch sends a request and reads the answer, of any status, up to maxBytes of it; a larger one is
// an error ([KindTooLarge]). The limit of the client's policy counts as well. Errors are [*Error]
// values.
func Fetch(client *http.Client, req *http.Request, maxBytes int64) (*Response, error) {
	resp, err := Do(client, req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readAll(resp, hostOfRequest(req), maxBytes)
	if err != nil {
		return nil, err
	}
	return &Response{StatusCode: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// usualBody is more than most answers have. No more room is made before it comes: anybody can
// announce a long one.
const usualBody = 32 << 10

// readAll reads a body up to its limit. It holds with any client, also one that is not from this
// package.
func readAll(resp *http.Response, host string, maxBytes int64) ([]byte, error) {
	if resp.ContentLength > maxBytes {
		return nil, tooLarge(host, maxBytes)
	}
	var body bytes.Buffer
	body.Grow(int(min(max(resp.ContentLength, 0), usualBody)) + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, maxBytes+1)); err != nil {
		return nil, exchangeError(host, err)
	}
	if int64(body.Len()) > maxBytes {
		return nil, tooLarge(host, maxBytes)
	}
	return body.Bytes(), nil
}

// GetJSON fetches a JSON document: it asks for JSON, accepts status 200 alone ([KindStatus]
// otherwise), checks that the content type is JSON ([KindContent] otherwise) and reads at most
// maxBytes. It returns the document unparsed and the answer's headers. Errors are [*Error] values.
func GetJSON(ctx context.Context, client *http.Client, rawURL string, maxBytes int64) ([]byte, http.Header, error) {
	req, err := newGet(ctx, rawURL)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := Do(client, req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	host := hostOfRequest(req)
	if resp.StatusCode != http.StatusOK {
		return nil, nil, statusError(host, resp)
	}
	if !IsJSON(resp.Header) {
		return nil, nil, &Error{Kind: KindContent, Host: host, Detail: "the answer's content type is not JSON"}
	}
	body, err := readAll(resp, host, maxBytes)
	if err != nil {
		return nil, nil, err
	}
	return body, resp.Header, nil
}

// newGet builds a request without the URL in the error, where net/http would quote it.
func newGet(ctx context.Context, rawURL string) (*http.Request, error) {
	if _, err := url.Parse(rawURL); err != nil {
		return nil, &Error{Kind: KindURL, Detail: "the URL cannot be parsed"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, &Error{Kind: KindURL, Detail: "the URL cannot be used"}
	}
	return req, nil
}

func statusError(host string, resp *http.Response) *Error {
	return &Error{
		Kind: KindStatus, Host: host, Status: resp.StatusCode, RetryAfter: RetryAfter(resp.Header, time.Now()),
		Detail: "the answer's status is " + strconv.Itoa(resp.StatusCode),
	}
}

// IsJSON reports whether the Content-Type is application/json or an application type with the +json
// suffix (RFC 6839 section 3.1).
func IsJSON(header http.Header) bool {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return false
	}
	return mediaType == "application/json" || strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// maxRetryAfter bounds what another server may ask of us.
const maxRetryAfter = time.Hour

// RetryAfter returns the delay of a Retry-After header (RFC 9110 section 10.2.3), at most one hour;
// zero when there is none.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}
