package facts

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
)
