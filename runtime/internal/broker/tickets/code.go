package tickets

// Code is an authorization code of ours.
type Code struct {
	// Family names the tokens that the code gives; it is also what makes the code usable once.
	Family ID
	// Client and Redirect are digests of the client_id and the redirect URI.
	Client, Redirect ID
	// Challenge is the client's S256 code challenge, Secret our own verifier towards the provider.
	Challenge, Secret [32]byte
	Resource          string
	Scopes            []string
	// Upstream is the provider's code.
	Upstream string
}

func codeFormat() format[Code] { //nolint:dupl // the formats change each for itself
	return format[Code]{
		purpose: "code", version: 1, least: 1,
		write: func(w writer, c Code) []byte {
			w.id(c.Family)
			w.id(c.Client)
			w.id(c.Redirect)
			w.block(c.Challenge)
			w.block(c.Secret)
			w.text(c.Resource)
			w.texts(c.Scopes)
			w.text(c.Upstream)
			return w.b
		},
		read: func(r reader) (Code, error) {
			c := Code{
				Family: r.id(), Client: r.id(), Redirect: r.id(), Challenge: r.block(), Secret: r.block(), Resource: r.text(),
				Scopes: r.texts(), Upstream: r.text(),
			}
			return c, r.end()
		},
	}
}

// CodeState is what a store keeps of a code.
type CodeState uint64

// The states of a code.
const (
	CodeUsed     CodeState = 1 + iota // being redeemed, or refused by the provider
	CodeGave                          // redeemed for tokens
	CodeDisputed                      // came twice before it gave any
)

func codeStateFormat() format[CodeState] {
	return format[CodeState]{
		purpose: "code-state", version: 1, least: 1,
		write: func(w writer, s CodeState) []byte {
			w.number(uint64(s))
			return w.b
		},
		read: func(r reader) (CodeState, error) {
			s := CodeState(r.number())
			return s, r.end()
		},
	}
}
