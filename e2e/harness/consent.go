package harness

import (
	"context"
	"errors"
	"net/url"
)

// The answers to latchkey's consent page.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Walk plays a user's browser through a login in proxy mode: from the authorization request to
// latchkey's consent page, where it presses the button of the decision, and on through the
// provider's pages, which answer answers. It returns the redirect to the client without following
// it.
//
// answer gets each page of the provider and submits what its user would.
func Walk(ctx context.Context, authorizeURL, decision string, answer func(*Page) (*Form, error)) (string, error) {
	return NewBrowser().Walk(ctx, authorizeURL, decision, answer)
}

// Walk is the function Walk with this browser, which may trust a server of its own.
func (b *Browser) Walk(
	ctx context.Context, authorizeURL, decision string, answer func(*Page) (*Form, error),
) (string, error) {
	stop, err := AtRedirectURI(authorizeURL)
	if err != nil {
		return "", err
	}
	page, err := b.Visit(ctx, authorizeURL, stop)
	for range 5 {
		if err != nil {
			return "", err
		}
		if page.Status == 0 {
			return page.URL.String(), nil
		}
		form, formErr := page.Form("decision")
		if formErr == nil {
			err = form.Press("decision", decision)
		} else {
			form, err = answer(page)
		}
		if err != nil {
			return "", err
		}
		page, err = b.Submit(ctx, form, stop)
	}
	return "", errors.New("the login asks for the same pages again")
}

// AtRedirectURI tells the redirect URI of an authorization request from all other addresses.
func AtRedirectURI(authorizeURL string) (func(*url.URL) bool, error) {
	request, err := url.Parse(authorizeURL)
	if err != nil {
		return nil, err
	}
	redirect, err := url.Parse(request.Query().Get("redirect_uri"))
	if err != nil || redirect.Host == "" {
		return nil, errors.New("the authorization request has no absolute redirect_uri")
	}
	return func(u *url.URL) bool {
		return u.Scheme == redirect.Scheme && u.Host == redirect.Host && u.Path == redirect.Path
	}, nil
}
