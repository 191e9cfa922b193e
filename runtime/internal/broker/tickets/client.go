package tickets

import "time"

// Client is a registration (RFC 7591), which travels in the client_id.
type Client struct {
	Issued    time.Time
	Name      string
	Redirects []string
}

func clientFormat() format[Client] {
	return format[Client]{
		purpose: "client", version: 1, least: 1,
		write: func(w writer, c Client) []byte {
			w.time(c.Issued)
			w.text(c.Name)
			w.texts(c.Redirects)
			return w.b
		},
		read: func(r reader) (Client, error) {
			c := Client{Issued: r.time(), Name: r.text(), Redirects: r.texts()}
			return c, r.end()
		},
	}
}
