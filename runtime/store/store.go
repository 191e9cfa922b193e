// Package store is the little state that proxy mode cannot seal into what clients carry: which
// codes and refresh tokens were used, which tokens were revoked, and who is refreshing right now.
//
// Nothing in a store is needed to log in: an empty one, after a restart, only forgets. [Memory]
// keeps the state of one process. Replicas that must agree need a shared [Store]; without one each
// knows only what it saw itself, and the provider's own single use of codes and refresh tokens
// decides in the end.
//
// Each guarantee costs calls of a [Store]; with a shared one each call is a round trip:
//
//   - an authorization code is redeemed once: two swaps and a read per login, and a swap per callback for the transaction;
//   - a replayed refresh token revokes its family, and the client's immediate retry is answered: five reads and two swaps
//     per refresh, an entry of about 150 bytes per login for as long as its refresh tokens live, and the answer for 30 s;
//   - one refresh at the provider for concurrent callers: one lock per refresh;
//   - a revoked access token is refused before it expires: one read per request. Without a shared store a revocation is
//     seen by the replica that was asked to revoke, and the others accept the token until it expires, one hour at most.
package store

import (
	"context"
	"errors"
	"time"
)

// Store is state that expires. Its methods are called from many goroutines at once.
//
// The shape fits Redis and its kin: Get is GET, CompareAndSwap is SET NX PX for an absent key and a
// short script otherwise, Lock is SET NX PX with a random value, released by a script that compares
// it. A store may forget entries early when it is full or restarted, and must never invent any.
// Values hold no secret in the clear; keys are made of random identifiers and hashes.
type Store interface {
	// Get returns the value of a key that has not expired. found is false for any other.
	Get(ctx context.Context, key string) (value []byte, found bool, err error)

	// CompareAndSwap sets key to next, for the given time, if its value is previous, and reports
	// whether it did. A nil previous means that the key must be absent; a nil next removes it.
	// Empty values are not allowed. The operation is atomic for all users of the store.
	CompareAndSwap(ctx context.Context, key string, previous, next []byte, ttl time.Duration) (swapped bool, err error)

	// Lock waits until nobody else holds the lock of a key, or until ctx ends with its error. The
	// lock frees itself after the lease, so that a crashed holder blocks nobody for longer: work
	// that must not happen twice needs a CompareAndSwap at its end as well.
	Lock(ctx context.Context, key string, lease time.Duration) (Lease, error)
}

// Lease is a held lock.
type Lease interface {
	// Release frees the lock. It does nothing when the lease ran out, even if somebody else holds
	// the lock by now.
	Release(ctx context.Context) error
}

// Errors of any [Store] for arguments that no store can accept.
var (
	ErrEmptyValue = errors.New("store: an empty value, which cannot be told from an absent one everywhere")
	ErrNoTTL      = errors.New("store: a value or lock that would never expire")
	ErrTooLarge   = errors.New("store: a value beyond the size limit")
)

// mark is the value of a key whose existence is all that matters.
var mark = []byte{1}

// Mark marks a key for the given time and reports whether this call was the first to do so.
func Mark(ctx context.Context, s Store, key string, ttl time.Duration) (first bool, err error) {
	return s.CompareAndSwap(ctx, key, nil, mark, ttl)
}

// Marked reports whether a key is marked.
func Marked(ctx context.Context, s Store, key string) (bool, error) {
	_, found, err := s.Get(ctx, key)
	return found, err
}
