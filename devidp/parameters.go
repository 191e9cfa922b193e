package devidp

import (
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
)

// queryOrForm reads the parameters of an endpoint that takes GET and POST (OpenID Connect Core
// section 3.1.2.1).
func queryOrForm(r *http.Request) (params.Params, error) {
	if r.Method == http.MethodPost {
		return form(r)
	}
	return onceEach(params.Query(r))
}

// form reads the parameters of a body. Those in the query do not count: secrets do not belong there
// (RFC 6749 section 2.3.1).
func form(r *http.Request) (params.Params, error) { return onceEach(params.Form(r)) }

// onceEach refuses parameters that cannot be read, or that came more than once.
func onceEach(p params.Params, refused *oauth.Error) (params.Params, error) {
	if refused == nil {
		refused = p.OnceEach()
	}
	if refused != nil { // an interface that holds a nil pointer is not nil
		return p, refused
	}
	return p, nil
}

// quoted shows a word of a client's in an error description: short, and without what RFC 6749
// section 5.2 does not allow there.
func quoted(word string) string {
	const most = 40
	word = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, word)
	return "'" + word[:min(len(word), most)] + "'"
}
