package tickets

// Login is a login at the provider that is under way, in a cookie of 2 KB: scopes and resource are
// numbers, whose meaning the server's configuration gives.
type Login struct {
	// Handle is what the provider sees of the login, as its state.
	Handle ID
	// Client is the digest of the client_id.
	Client   ID
	Redirect string
	State    string
	// Challenge is the client's S256 code challenge, Secret our own verifier towards the provider.
	Challenge, Secret [32]byte
	// Mark stands for the configuration that ScopeSet, a bit for each scope, and Resource are
	// about.
	Mark, ScopeSet, Resource uint64
}

func loginFormat() format[Login] {
	return format[Login]{
		purpose: "login", version: 1, least: 1,
		write: func(w writer, l Login) []byte {
			w.id(l.Handle)
			w.id(l.Client)
			w.text(l.Redirect)
			w.text(l.State)
			w.block(l.Challenge)
			w.block(l.Secret)
			w.number(l.Mark)
			w.number(l.ScopeSet)
			w.number(l.Resource)
			return w.b
		},
		read: func(r reader) (Login, error) {
			l := Login{
				Handle: r.id(), Client: r.id(), Redirect: r.text(), State: r.text(), Challenge: r.block(), Secret: r.block(),
				Mark: r.number(), ScopeSet: r.number(), Resource: r.number(),
			}
			return l, r.end()
		},
	}
}
