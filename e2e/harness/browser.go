package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// maxPages bounds how many redirects a login may take.
const maxPages = 20

// Browser is a user's browser: cookies, and redirects followed by hand.
type Browser struct {
	client *http.Client
}

// Page is where a Browser has arrived.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   []byte
}

// NewBrowser returns a browser without any cookie.
func NewBrowser() *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cookiejar.New never fails without a public suffix list
	}
	return &Browser{client: &http.Client{
		Jar:           jar,
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends one request and follows no redirect.
func (b *Browser) Do(request *http.Request) (*Page, error) {
	response, err := b.client.Do(request) //nolint:gosec // a browser goes where it is sent; the servers are ours
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return nil, fmt.Errorf("the page of %s%s breaks off: %w", request.URL.Host, request.URL.Path, err)
	}
	return &Page{URL: request.URL, Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// Visit follows redirects from target until stop says so of the next address, or a page answers
// that is no redirect. The page at which stop said so is not requested: its Status is 0.
func (b *Browser) Visit(ctx context.Context, target string, stop func(*url.URL) bool) (*Page, error) {
	next, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	for range maxPages {
		if stop != nil && stop(next) {
			return &Page{URL: next}, nil
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, next.String(), nil) //nolint:gosec // as Do
		if err != nil {
			return nil, err
		}
		request.Header.Set("Accept", "text/html")
		page, err := b.Do(request)
		if err != nil {
			return nil, err
		}
		if next, err = page.Redirect(); err != nil || next == nil {
			return page, err
		}
	}
	return nil, fmt.Errorf("more than %d redirects from %s", maxPages, target)
}

// PostJSON posts an object as a page's script does.
func (b *Browser) PostJSON(ctx context.Context, target string, object any) (*Page, error) {
	body, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return b.post(ctx, target, "application/json", body)
}

// PostForm posts a form.
func (b *Browser) PostForm(ctx context.Context, target string, form url.Values) (*Page, error) {
	return b.post(ctx, target, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// Submit posts a form and follows redirects as Visit does.
func (b *Browser) Submit(ctx context.Context, form *Form, stop func(*url.URL) bool) (*Page, error) {
	if form.Method == http.MethodGet {
		target := *form.Action
		target.RawQuery = form.Values.Encode()
		return b.Visit(ctx, target.String(), stop)
	}
	page, err := b.PostForm(ctx, form.Action.String(), form.Values)
	if err != nil {
		return nil, err
	}
	next, err := page.Redirect()
	if err != nil || next == nil {
		return page, err
	}
	return b.Visit(ctx, next.String(), stop)
}

func (b *Browser) post(ctx context.Context, target, contentType string, body []byte) (*Page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Origin", request.URL.Scheme+"://"+request.URL.Host)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.Do(request)
}

// refreshPattern is a page that leads on by itself, without a script.
var refreshPattern = regexp.MustCompile(`<meta http-equiv="refresh" content="0; ?url=([^"]*)">`)

// Redirect is where the page sends the browser: by status and Location, or at once by a Refresh
// header or element. It is nil where the page is there to be looked at.
func (p *Page) Redirect() (*url.URL, error) {
	if target, found := strings.CutPrefix(p.Header.Get("Refresh"), "0; url="); found && p.Status == http.StatusOK {
		return p.URL.Parse(target)
	}
	if match := refreshPattern.FindSubmatch(p.Body); match != nil && p.Status == http.StatusOK {
		return p.URL.Parse(html.UnescapeString(string(match[1])))
	}
	location := p.Header.Get("Location")
	if p.Status < 300 || p.Status > 399 || location == "" {
		return nil, nil //nolint:nilnil // no redirect is no error
	}
	return p.URL.Parse(location)
}

// Excerpt is the beginning of the page's body, for error messages.
func (p *Page) Excerpt() string {
	text := strings.TrimSpace(string(p.Body))
	if len(text) > 500 {
		text = text[:500] + "…"
	}
	return text
}
