package grants

import (
	"slices"

	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// lineage is the place of a refresh token among those of its login. Replicas without a shared store
// see some of them only: by its ancestors one can tell a token that another replica made of what
// this one knows from a token that somebody made of an older one.
type lineage tickets.Lineage

func newLineage() lineage { return lineage{ID: tickets.NewID()} }

func ancestorOf(id tickets.ID) tickets.Ancestor { return tickets.Ancestor(id[:8]) }

// next is the place of the token that a refresh of this one gives.
func (l lineage) next() lineage {
	ancestors := slices.Concat([]tickets.Ancestor{ancestorOf(l.ID)}, l.Ancestors)
	return lineage{ID: tickets.NewID(), Turn: l.Turn + 1, Ancestors: ancestors[:min(len(ancestors), tickets.MaxAncestors)]}
}

// continues reports whether a token is the known one, or was made of it. A token that is further
// away than ancestors are named gets the benefit of the doubt: only tokens older than what is known
// are certainly replays.
func (l lineage) continues(known tickets.Lineage) bool {
	switch {
	case known.Turn > l.Turn:
		return false
	case known.Turn == l.Turn:
		return known.ID == l.ID
	case l.Turn-known.Turn <= uint64(len(l.Ancestors)):
		return l.Ancestors[l.Turn-known.Turn-1] == ancestorOf(known.ID)
	}
	return true
}
