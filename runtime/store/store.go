// Package store is the little state that proxy mode cannot seal into what clients carry: which
// codes and refresh tokens were used, which tokens were revoked, and who is refreshing right now.
//
// Nothing in a store is needed to log in: an empty one, after a restart, only forgets. [Memory]
// keeps the state of one process. Replicas that must agree need a shared [Store], such as that of
// package redisstore; without one each knows only what it saw itself, and the provider's own single
// use of codes and refresh tokens decides in the end.
//
// Each guarantee costs calls of a [Store]; with a shared one each call is a round trip:
//
//   - an authorization code is redeemed once: two calls per login, and one per callback for the
//     transaction;
//   - a replayed refresh token revokes its family, the client's immediate retry is answered, and
//     all that come with one token cause one refresh at the provider: two calls per refresh, an
//     entry of about 100 bytes per login for as long as its refresh tokens live, and the answer for
//     30 s;
//   - a revoked access token is refused before it expires: one call for a token that was not asked
//     about within the last second. Without a shared store a revocation is seen by the replica that
//     was asked to revoke, and the others accept the token until it expires.
package store

import (
	"context"
	"errors"
	"time"
)

// Store is state that expires: entries in groups, each with a key and a value. Its method is called
// from many goroutines at once.
//
// A store compares bytes and understands none: keys are digests, values are sealed or mean nothing
// by themselves. It may forget entries early when it is full or restarted, and must never invent
// any. Time is the store's own, which is one for all who share it.
type Store interface {
	// Do carries out steps in one round trip, in their order, and returns the outcome of each. A
	// step is atomic for all users of the store; between two steps others may come. An error means
	// that nobody knows which of them happened. A step that no store can accept is refused before
	// any happens: see [Step.Check].
	Do(ctx context.Context, steps ...Step) ([]Outcome, error)
}

// Step reads entries of one group, and then swaps some, all or none.
type Step struct {
	// Group is what the entries have in common. A store of several nodes keeps a group on one.
	Group string
	// Get are the keys of the entries that are read, before anything is swapped.
	Get []string
	// Swap are the entries that get other values if each of them has its previous one.
	Swap []Swap
}

// Swap is another value for an entry.
type Swap struct {
	Key string
	// Previous is what the entry must have: nil for an entry that must be absent.
	Previous []byte
	// Next is what it gets, for the time TTL; nil removes it.
	Next []byte
	TTL  time.Duration
}

// Outcome is what a step did.
type Outcome struct {
	// Values are those of the step's Get, nil for each entry that is absent.
	Values [][]byte
	// Swapped reports whether the step's swaps were done. Of a step without any it says nothing.
	Swapped bool
}

// Errors of any [Store] for steps that no store can accept.
var (
	ErrNoGroup    = errors.New("store: a step without a group")
	ErrEmptyValue = errors.New("store: an empty value, which cannot be told from an absent one everywhere")
	ErrNoTTL      = errors.New("store: a value that would never expire")
	ErrTwice      = errors.New("store: a step that swaps an entry twice")
	ErrTooLarge   = errors.New("store: a value beyond the size limit")
)

// Check returns the error of a step that no store can accept.
func (s Step) Check() error {
	if s.Group == "" {
		return ErrNoGroup
	}
	for i, swap := range s.Swap {
		switch {
		case swap.Previous != nil && len(swap.Previous) == 0, swap.Next != nil && len(swap.Next) == 0:
			return ErrEmptyValue
		case swap.Next != nil && swap.TTL <= 0:
			return ErrNoTTL
		}
		for _, other := range s.Swap[:i] {
			if other.Key == swap.Key {
				return ErrTwice
			}
		}
	}
	return nil
}
