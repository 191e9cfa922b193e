// Package noredirect makes HTTP clients that leave redirects to their user: neither a key set, a
// document nor a token answer may come from elsewhere, and no secret may follow a redirect.
package noredirect

import "net/http"

// Client returns a copy of a client that hands redirects out as answers. A nil client stands for
// one with default settings.
func Client(c *http.Client) *http.Client {
	own := http.Client{}
	if c != nil {
		own = *c
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
