package tickets

import (
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
)

// Boxes are the boxes of all formats, each of which is sealed for a purpose of its own.
type Boxes struct {
	Client   *Box[Client]
	Form     *Box[Form]
	Consents *Box[[]Consent]
	Login    *Box[Login]
	Code     *Box[Code]
	Access   *Box[Access]
	Refresh  *Box[Refresh]
	Answer   *Box[oauth.TokenResponse]
	Renewed  *Box[Renewed]
}

// New returns the boxes of one server.
func New(ring *seal.Ring, binding seal.Binding, now func() time.Time) *Boxes {
	return &Boxes{
		Client:   newBox(clientFormat(), ring, binding, now),
		Form:     newBox(formFormat(), ring, binding, now),
		Consents: newBox(consentsFormat(), ring, binding, now),
		Login:    newBox(loginFormat(), ring, binding, now),
		Code:     newBox(codeFormat(), ring, binding, now),
		Access:   newBox(accessFormat(), ring, binding, now),
		Refresh:  newBox(refreshFormat(), ring, binding, now),
		Answer:   newBox(answerFormat(), ring, binding, now),
		Renewed:  newBox(renewedFormat(), ring, binding, now),
	}
}
