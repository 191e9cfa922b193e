package tickets

import (
	"strings"
	"time"
)

// Client is a registration (RFC 7591), which travels in the client_id.
type Client struct {
	Issued    time.Time
	Name      string
	Redirects []string
}

// redirectPrefixes are how most redirect URIs begin: each is written as its place in this list,
// since some clients keep a client_id where 255 characters fit. The list is part of the format's
// version 2 and stays as it is.
var redirectPrefixes = []string{
	"", "https://", "http://localhost:", "http://127.0.0.1:", "http://localhost/", "http://127.0.0.1/", "http://[::1]:",
}

// clientFormat has the version 2 since redirect URIs are written by [redirectPrefixes]. Version 1
// wrote them whole.
func clientFormat() format[Client] {
	return format[Client]{
		purpose: "client", version: 2, least: 2,
		write: func(w writer, c Client) []byte {
			w.time(c.Issued)
			w.text(c.Name)
			w.number(uint64(len(c.Redirects)))
			for _, redirect := range c.Redirects {
				w.redirect(redirect)
			}
			return w.b
		},
		read: func(r reader) (Client, error) {
			c := Client{Issued: r.time(), Name: r.text()}
			if r.version < 2 {
				c.Redirects = r.texts()
				return c, r.end()
			}
			n := r.number()
			if n > uint64(len(r.rest)) { // each has two bytes at least
				return c, errShape
			}
			for range n {
				c.Redirects = append(c.Redirects, r.redirect())
			}
			return c, r.end()
		},
	}
}

func (w *writer) redirect(uri string) {
	longest := 0
	for i, prefix := range redirectPrefixes {
		if strings.HasPrefix(uri, prefix) && len(prefix) > len(redirectPrefixes[longest]) {
			longest = i
		}
	}
	w.number(uint64(longest))
	w.text(strings.TrimPrefix(uri, redirectPrefixes[longest]))
}

func (r *reader) redirect() string {
	i := r.number()
	if i >= uint64(len(redirectPrefixes)) {
		r.broken = true
		return ""
	}
	return redirectPrefixes[i] + r.text()
}
