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

	// Those of the values that a store keeps, each sealed for its entry there.
	CodeState *Box[CodeState]
	Current   *Box[Lineage]
	Answer    *Box[oauth.TokenResponse]
	Renewed   *Box[Renewed]
}

// New returns the boxes of one server. Mark stands for everything of its configuration that a login
// must not see change under way: what a login is made of, form, login and code, opens under that
// mark alone. Tokens and registrations outlive it.
func New(ring *seal.Ring, binding seal.Binding, mark ID, now func() time.Time) *Boxes {
	marked := binding
	marked.Resource += " " + mark.String()
	return &Boxes{
		Client:    newBox(clientFormat(), ring, binding, now),
		Form:      newBox(formFormat(), ring, marked, now),
		Consents:  newBox(consentsFormat(), ring, binding, now),
		Login:     newBox(loginFormat(), ring, marked, now),
		Code:      newBox(codeFormat(), ring, marked, now),
		Access:    newBox(accessFormat(), ring, binding, now),
		Refresh:   newBox(refreshFormat(), ring, binding, now),
		CodeState: newBox(codeStateFormat(), ring, binding, now),
		Current:   newBox(currentFormat(), ring, binding, now),
		Answer:    newBox(answerFormat(), ring, binding, now),
		Renewed:   newBox(renewedFormat(), ring, binding, now),
	}
}
