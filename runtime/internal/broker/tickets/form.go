package tickets

// Form is a checked authorization request in the hidden field of a consent page.
type Form struct {
	// Browser is the digest of the browser's identifier: the page is good in that browser alone.
	Browser ID
	// Client is the digest of the client_id, Label the client's name for logs.
	Client   ID
	Label    string
	Redirect string
	State    string
	// Challenge is the client's S256 code challenge.
	Challenge [32]byte
	Scopes    []string
	Resource  string
}

func formFormat() format[Form] { //nolint:dupl // as in code.go
	return format[Form]{
		purpose: "form", version: 1, least: 1,
		write: func(w writer, f Form) []byte {
			w.id(f.Browser)
			w.id(f.Client)
			w.text(f.Label)
			w.text(f.Redirect)
			w.text(f.State)
			w.block(f.Challenge)
			w.texts(f.Scopes)
			w.text(f.Resource)
			return w.b
		},
		read: func(r reader) (Form, error) {
			f := Form{
				Browser: r.id(), Client: r.id(), Label: r.text(), Redirect: r.text(), State: r.text(), Challenge: r.block(),
				Scopes: r.texts(), Resource: r.text(),
			}
			return f, r.end()
		},
	}
}
