package facts

// Asking says how a question whose credential is the token itself is put, where it is not a GET
// with the scheme Bearer.
type Asking struct {
	// Scheme is the authentication scheme in the Authorization header: OAuth at Twitch. The default
	// is Bearer.
	Scheme string
	// Post sends a POST without a body, as Dropbox wants for the user's account.
	Post bool
	// GraphQL posts this query, as {"query": …}, to an endpoint that speaks GraphQL, as Linear's
	// does. Claims are then below data.
	GraphQL string
	// Listed says that the answer is a list whose one entry is the object with the claims.
	Listed bool
}

// TokenPlace says how a request carries the token that is asked about.
type TokenPlace string

const (
	// TokenInHeader is a GET request with the token as its bearer credential.
	TokenInHeader TokenPlace = "header"
	// TokenInForm is a POST request with the token in a form.
	TokenInForm TokenPlace = "form"
	// TokenInJSON is a POST request with the token in a JSON object.
	TokenInJSON TokenPlace = "json"
	// TokenInQuery is a GET request with the token in the URL. The provider's access log, and that
	// of every gateway before it, then holds tokens that still work: use it only where the provider
	// offers nothing else.
	TokenInQuery TokenPlace = "query"
	// TokenInPath is a GET request with the token, escaped, in place of [TokenPlaceholder] in the
	// path of the URL, as HubSpot's first API wants it. Access logs hold tokens here too.
	TokenInPath TokenPlace = "path"
)

// TokenPlaceholder stands for the token in the URL of [TokenInPath], where it is a segment of the
// path. In errors, events and logs it stays as it is.
const TokenPlaceholder = "{token}"
