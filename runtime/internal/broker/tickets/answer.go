package tickets

import (
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// answerFormat is an answer to a refresh, which a store keeps for the client that may not have got
// it.
func answerFormat() format[oauth.TokenResponse] {
	return format[oauth.TokenResponse]{
		purpose: "answer", version: 1, least: 1,
		write: func(w writer, a oauth.TokenResponse) []byte {
			w.text(a.AccessToken)
			w.text(a.TokenType)
			w.number(uint64(max(0, a.ExpiresIn)))
			w.text(a.RefreshToken)
			w.text(a.Scope)
			return w.b
		},
		read: func(r reader) (oauth.TokenResponse, error) {
			a := oauth.TokenResponse{
				AccessToken: r.text(), TokenType: r.text(), ExpiresIn: int64(min(r.number(), maxTime)), RefreshToken: r.text(),
				Scope: r.text(),
			}
			return a, r.end()
		},
	}
}

// Renewed are the provider's new tokens that could not be verified yet, which a store keeps for the
// next try.
type Renewed struct {
	Access, Refresh string
	// Scopes are those that the provider named; nil where it named none.
	Scopes []string
	// Expires and RefreshExpires are zero where the provider did not say.
	Expires, RefreshExpires time.Time
}

func renewedFormat() format[Renewed] {
	return format[Renewed]{
		purpose: "renewed", version: 1, least: 1,
		write: func(w writer, t Renewed) []byte {
			w.text(t.Access)
			w.text(t.Refresh)
			w.flag(t.Scopes != nil)
			w.texts(t.Scopes)
			w.time(t.Expires)
			w.time(t.RefreshExpires)
			return w.b
		},
		read: func(r reader) (Renewed, error) {
			t := Renewed{Access: r.text(), Refresh: r.text()}
			named := r.flag()
			if t.Scopes = r.texts(); t.Scopes == nil && named {
				t.Scopes = []string{}
			}
			t.Expires, t.RefreshExpires = r.time(), r.time()
			return t, r.end()
		},
	}
}
