package upstream

import (
	"errors"
	"time"

	"github.com/latchkey-auth/latchkey/internal/ratelimit"
)

// Limit is a token bucket: Burst at once, then PerSecond.
type Limit struct {
	PerSecond float64
	Burst     int
}

// Limits bound what reaches the provider on behalf of others. They count in this process alone. A
// zero Limit is none.
type Limits struct {
	// Reserved is each login's own share, which no other limit takes away: of token requests, and
	// as much of revocations.
	Reserved Limit
	// Tokens and Revocations are for what one login asks for beyond its share.
	Tokens, Revocations Limit
	// Address is for what the logins of one client address ask for beyond their shares, All for
	// those of everybody.
	Address, All Limit
}

// Caller is on whose behalf the provider is asked. The zero Caller is this server itself, which has
// no limit.
type Caller struct {
	// Login names the login, or what else stands for one.
	Login string
	// Address is the client's address as limits count it; empty where it is not known, which has no
	// limit of its own.
	Address string
}

// Permit is the leave to send one token request: see [Client.Admit].
type Permit struct{ given bool }

var errNoPermit = errors.New("the request has no permit")

// The numbers of budgets that are remembered. The one that was not used for longest makes room.
const (
	maxLogins    = 65536
	maxAddresses = 8192
)

// budgets are compiled limits. A nil one of them is none.
type budgets struct {
	tokens, revocations share
	address, all        *ratelimit.Limiter
}

// share is what one login may ask for.
type share struct{ reserved, more *ratelimit.Limiter }

func newBudgets(l Limits) budgets {
	return budgets{
		tokens:      share{perKey(l.Reserved, maxLogins), perKey(l.Tokens, maxLogins)},
		revocations: share{perKey(l.Reserved, maxLogins), perKey(l.Revocations, maxLogins)},
		address:     perKey(l.Address, maxAddresses),
		all:         perKey(l.All, 1),
	}
}

func perKey(l Limit, keys int) *ratelimit.Limiter {
	if l == (Limit{}) {
		return nil
	}
	return ratelimit.New(l.PerSecond, l.Burst, keys)
}

// admit counts a request of a caller; its error is of [KindSurplus].
func (b budgets) admit(s share, c Caller, now time.Time) error {
	if c == (Caller{}) || s.reserved != nil && s.reserved.Take(c.Login, now) == 0 {
		return nil
	}
	if s.more != nil {
		if wait := s.more.Take(c.Login, now); wait > 0 {
			return surplus(wait, errors.New("the login asks the provider more often than it may"))
		}
	}
	if b.address != nil && c.Address != "" {
		if wait := b.address.Take(c.Address, now); wait > 0 {
			return surplus(wait, errors.New("the logins of the client's address ask the provider more often than they may"))
		}
	}
	if b.all != nil {
		if wait := b.all.Take("", now); wait > 0 {
			return surplus(wait, errors.New("all logins together ask the provider more often than they may"))
		}
	}
	return nil
}

// Admit counts a token request of a caller. Without the permit that it gives none is sent: the
// surplus is refused with [KindSurplus] before anything counts as used.
func (c *Client) Admit(caller Caller) (Permit, error) {
	if err := c.budgets.admit(c.budgets.tokens, caller, c.now()); err != nil {
		return Permit{}, err
	}
	return Permit{given: true}, nil
}
