package grants

import (
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// covers: T-PRX-11
func TestWhichRefreshTokenContinuesAnother(t *testing.T) {
	t.Parallel()
	first := newLineage()
	second := first.next()
	third := second.next()
	fork := first.next().next()
	late := first
	for range 2 * tickets.MaxAncestors {
		late = late.next()
	}
	for name, c := range map[string]struct {
		token, known lineage
		want         bool
	}{
		"the token itself":          {second, second, true},
		"its child":                 {third, second, true},
		"its grandchild":            {third, first, true},
		"its parent":                {first, second, false},
		"a sibling":                 {first.next(), second, false},
		"a descendant of a sibling": {fork, second, false},
		"a token of another login":  {newLineage(), first, false},
		"one further on than ancestors are named": {late, first, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.token.continues(tickets.Lineage{ID: c.known.ID, Turn: c.known.Turn}); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if n := len(late.Ancestors); n != tickets.MaxAncestors {
		t.Errorf("%d ancestors", n)
	}
}
