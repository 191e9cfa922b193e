package grants

import (
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// Entries are a server's entries in a store. Servers that share a store never share entries.
type Entries struct {
	Store store.Store
	// Prefix begins the names of the server's entries.
	Prefix string
}

// Key is the name of an entry.
func (e Entries) Key(kind string, id tickets.ID) string { return e.Prefix + kind + ":" + id.String() }
