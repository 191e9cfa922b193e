// Package browser plays the browser of a user who logs in through a server in proxy mode, for the
// demo and for tests: it keeps cookies, reads the pages of runtime/internal/broker and answers
// them.
package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/noredirect"
	"github.com/latchkey-auth/latchkey/internal/pageform"
)

// Browser is one user's browser. It follows no redirect by itself, so that each can be looked at.
type Browser struct{ client *http.Client }

// New returns a browser without cookies. It reaches the network through a copy of client, or as any
// browser does where that is nil.
func New(client *http.Client) (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	own := noredirect.Client(client)
	own.Jar = jar
	return &Browser{client: own}, nil
}

// Page is what a browser shows.
type Page struct {
	Status     string
	StatusCode int
	// Body is the page itself.
	Body string
	// Next is where the page leads by itself, by a redirect or a meta refresh; nil if it stays.
	Next *url.URL

	address *url.URL
}

// Open opens an address, as a link on another site does.
func (b *Browser) Open(ctx context.Context, address *url.URL) (*Page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	request.Header.Set("Sec-Fetch-Dest", "document")
	return b.show(request)
}

// The answers to a consent page.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Answer sends the form of a consent page.
func (b *Browser) Answer(ctx context.Context, page *Page, decision string) (*Page, error) {
	action, form := pageform.Action(page.Body), pageform.Hidden(page.Body)["form"]
	if action == "" || form == "" {
		return nil, fmt.Errorf("the page asks for nothing: %s", page.Status)
	}
	target, err := page.address.Parse(action)
	if err != nil {
		return nil, err
	}
	fields := url.Values{"form": {form}, "decision": {decision}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", page.address.Scheme+"://"+page.address.Host)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.show(request)
}

// Consent opens an authorization request, allows what it asks for, and returns where the user logs
// in.
func (b *Browser) Consent(ctx context.Context, authorize *url.URL) (*url.URL, error) {
	page, err := b.Open(ctx, authorize)
	if err != nil {
		return nil, err
	}
	if page, err = b.Answer(ctx, page, Allow); err != nil {
		return nil, err
	}
	return page.leads()
}

// Return opens the callback with which the provider's login ends, and returns where the client gets
// its code.
func (b *Browser) Return(ctx context.Context, callback *url.URL) (*url.URL, error) {
	page, err := b.Open(ctx, callback)
	if err != nil {
		return nil, err
	}
	return page.leads()
}

func (p *Page) leads() (*url.URL, error) {
	if p.Next == nil {
		return nil, fmt.Errorf("the page leads nowhere: %s", p.Status)
	}
	return p.Next, nil
}

// maxPage bounds what is read of a page.
const maxPage = 1 << 20

func (b *Browser) show(request *http.Request) (*Page, error) {
	response, err := b.client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // its text has the whole address, state and code included
			err = wrapped.Err
		}
		return nil, fmt.Errorf("%s: %w", request.URL.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL.Path, err)
	}
	page := &Page{Status: response.Status, StatusCode: response.StatusCode, Body: string(body), address: request.URL}
	switch refresh := pageform.Refresh(page.Body); {
	case response.Header.Get("Location") != "":
		page.Next, err = response.Location()
	case refresh != "":
		page.Next, err = url.Parse(refresh)
	}
	if err != nil {
		return nil, fmt.Errorf("%s leads to an address that cannot be read", request.URL.Path)
	}
	return page, nil
}
