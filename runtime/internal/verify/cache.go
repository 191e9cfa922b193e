package verify

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The defaults of [TokenCache].
const (
	DefaultMaxCachedTokens     = 10_000
	DefaultMaxCachedTokenBytes = 64 << 20
	DefaultMaxCachedTokenAge   = 5 * time.Minute
)

// maxCachedTokenAge is the largest MaxAge: beyond a day nothing is won.
const maxCachedTokenAge = 24 * time.Hour

// TokenCache bounds the cache of verified JWTs. Zero values mean the defaults.
//
// It makes no token live longer: on every request a cached token's expiry is looked at, and the key
// that signed it must still be the one that the provider's key set has for it. The cache keeps the
// work, not the answer. A JWT that its provider revoked is accepted until it expires, as it is
// without a cache, since nobody is asked. Only [Config.UserMapper], if it reads more than the
// claims, is seen to change MaxAge later.
//
// Only accepted tokens are kept: a flood of others pushes none of them out. When the cache is full,
// expired tokens go first, then those that were not used for the longest time.
type TokenCache struct {
	// MaxEntries is the number of tokens that are kept. The default is [DefaultMaxCachedTokens].
	MaxEntries int
	// MaxBytes is the memory for the tokens with their claims and callers, by estimate: about four
	// times a token's length. The default is [DefaultMaxCachedTokenBytes].
	MaxBytes int
	// MaxAge is how long a token is relied on before it is verified again, at most a day. The
	// default is [DefaultMaxCachedTokenAge].
	MaxAge time.Duration
	// Off verifies every token on every request.
	Off bool
}

func (c TokenCache) withDefaults() (TokenCache, error) {
	if c.MaxEntries < 0 || c.MaxBytes < 0 || c.MaxAge < 0 {
		return c, errors.New("a limit of the token cache is negative; zero means its default, Off turns the cache off")
	}
	if c.MaxAge > maxCachedTokenAge {
		return c, fmt.Errorf("verified tokens are cached for at most %s, not %s", maxCachedTokenAge, c.MaxAge)
	}
	if c.MaxEntries == 0 {
		c.MaxEntries = DefaultMaxCachedTokens
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxCachedTokenBytes
	}
	if c.MaxAge == 0 {
		c.MaxAge = DefaultMaxCachedTokenAge
	}
	return c, nil
}

// accepted is a token that passed all checks for a resource. It is immutable but for used.
type accepted struct {
	token    string
	resource string
	claims   oauth.Claims
	// caller is nil if only the claims were asked for.
	caller *oauth.AuthInfo

	signer signer

	// from and until are when the checks of time hold, in Unix nanoseconds.
	from, until int64
	size        int64
	// used is the Unix second of the last use. It is written once a second at most, so that readers
	// on several processors do not take the entry's memory from each other.
	used atomic.Int64
}

// ways is how many tokens share a bucket.
const ways = 8

// bucket holds the tokens of one hash value. Readers look at tags first, which are a part of the
// token's hash: that is one cache line for all of them.
type bucket struct {
	tags  [ways]atomic.Uint32
	slots [ways]atomic.Pointer[accepted]
}

// acceptedTokens is a bounded set of accepted tokens. Finding one takes no lock and writes no
// memory that others read; the table has buckets of a few entries, like the caches of a processor,
// and doubles when a quarter of it is full, so that storing one costs the same however many there
// are, and few take little room. A nil *acceptedTokens keeps nothing.
//
// A token is found by its last characters, a part of the signature that nobody can guess, and then
// compared in full: the time that a look-up takes says nothing about tokens to somebody who does
// not have them.
type acceptedTokens struct {
	limits TokenCache
	seed   maphash.Seed
	table  atomic.Pointer[table]

	mu      sync.Mutex // for changes
	most    int        // buckets
	entries int
	bytes   int64
	hand    uint64 // the bucket where the next search for victims begins
}

// table is a power of two of buckets.
type table []bucket

// at is the bucket of a hash.
func (t table) at(hash uint64) *bucket { return &t[hash&uint64(len(t)-1)] } //nolint:gosec // a length is not negative

// fewest is how many buckets there are at first.
const fewest = 16

// minEntryBytes is less than any entry takes: more entries than fit MaxBytes need no room in the
// table.
const minEntryBytes = 1 << 10

func newAcceptedTokens(limits TokenCache) (*acceptedTokens, error) {
	limits, err := limits.withDefaults()
	if err != nil || limits.Off {
		return nil, err
	}
	most := min(limits.MaxEntries, limits.MaxBytes/minEntryBytes+1)
	// At its largest the table is half full, so that few buckets overflow while others have room.
	c := &acceptedTokens{limits: limits, seed: maphash.MakeSeed(), most: 1 << bits.Len(uint(most*2/ways))}
	first := make(table, min(fewest, c.most))
	c.table.Store(&first)
	return c, nil
}

// grow doubles the table if a quarter of it is full. A reader that is looking into the old one
// meanwhile finds what was there. The caller holds the lock.
func (c *acceptedTokens) grow() {
	old := *c.table.Load()
	if len(old) >= c.most || c.entries < len(old)*ways/4 {
		return
	}
	twice := make(table, 2*len(old))
	for i := range old {
		for way := range old[i].slots {
			if e := old[i].slots[way].Load(); e != nil {
				// Two buckets share what was one's, so that each entry finds its old place free.
				hash, tag := c.hash(e.token)
				b := twice.at(hash)
				b.slots[way].Store(e)
				b.tags[way].Store(tag)
			}
		}
	}
	c.table.Store(&twice)
}

// tailLength is how much of a token's end is hashed: 192 bits of its signature.
const tailLength = 32

// hash returns the hash of a token, which decides on its bucket, and its tag, which is never zero.
func (c *acceptedTokens) hash(token string) (hash uint64, tag uint32) {
	hash = maphash.String(c.seed, token[max(0, len(token)-tailLength):])
	return hash, uint32(hash>>32) | 1
}

// locate returns where a token is kept, and its tag.
func (c *acceptedTokens) locate(token string) (*bucket, uint32) {
	hash, tag := c.hash(token)
	return c.table.Load().at(hash), tag
}

// find returns what is kept about a token for a resource, if its checks of time still hold.
func (c *acceptedTokens) find(token, resource string, now time.Time) *accepted {
	if c == nil {
		return nil
	}
	b, tag := c.locate(token)
	for i := range b.tags {
		if b.tags[i].Load() != tag {
			continue
		}
		e := b.slots[i].Load()
		if e == nil || e.token != token || e.resource != resource {
			continue
		}
		// Before from: the clock was set back, and what a token says of its beginning must be
		// looked at again.
		instant := now.UnixNano()
		if instant < e.from || instant >= e.until {
			return nil
		}
		if second := instant / int64(time.Second); e.used.Load() != second {
			e.used.Store(second)
		}
		return e
	}
	return nil
}

// put keeps an accepted token until it expires, replacing what was kept about it for its resource.
func (c *acceptedTokens) put(e *accepted, now, expires time.Time) {
	if c == nil {
		return
	}
	until := now.Add(c.limits.MaxAge)
	if expires.Before(until) {
		until = expires
	}
	e.from, e.until = now.UnixNano(), until.UnixNano()
	e.used.Store(e.from / int64(time.Second))
	e.size = e.bytes()
	if e.size > int64(c.limits.MaxBytes) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.grow()
	b, tag := c.locate(e.token)
	way := b.wayFor(e, tag)
	c.drop(b, way)
	for c.entries >= c.limits.MaxEntries || c.bytes+e.size > int64(c.limits.MaxBytes) {
		c.evict(e.from)
	}
	c.entries++
	c.bytes += e.size
	b.slots[way].Store(e)
	b.tags[way].Store(tag)
}

// bytes estimates the memory that an entry takes: the token, the claims' text, the list of claims,
// and what is made of them, of which lists may be most.
func (e *accepted) bytes() int64 {
	const perClaim, perText, fixed = 64, 24, 1 << 10
	size := 2*len(e.token) + len(e.resource) + perClaim*e.claims.Len() + fixed
	if e.caller != nil {
		user := &e.caller.User
		for _, list := range [][]string{e.caller.Scopes, e.caller.Permissions, e.caller.Audience, user.Roles, user.Permissions, user.Scopes} {
			for _, text := range list {
				size += perText + len(text)
			}
		}
	}
	return int64(size)
}

// wayFor returns the slot for an entry: its own from before, else an empty one, an expired one, or
// the one that was not used for the longest time.
func (b *bucket) wayFor(e *accepted, tag uint32) int {
	victim, best := 0, (*accepted)(nil)
	for i := range b.slots {
		old := b.slots[i].Load()
		if old != nil && b.tags[i].Load() == tag && old.token == e.token && old.resource == e.resource {
			return i
		}
		if i == 0 || best != nil && (old == nil || old.goesBefore(best, e.from)) {
			victim, best = i, old
		}
	}
	return victim
}

// goesBefore reports whether e is evicted rather than other.
func (e *accepted) goesBefore(other *accepted, now int64) bool {
	if expired := e.until <= now; expired != (other.until <= now) {
		return expired
	}
	return e.used.Load() < other.used.Load()
}

// drop empties a slot. The caller holds the lock.
func (c *acceptedTokens) drop(b *bucket, way int) {
	old := b.slots[way].Load()
	if old == nil {
		return
	}
	b.tags[way].Store(0)
	b.slots[way].Store(nil)
	c.entries--
	c.bytes -= old.size
}

// sample is how many buckets are searched for a victim: the best of some sixty is nearly as good as
// the best of all.
const sample = 16

// evict drops the entry of a sample of the table that goes first, moving on to the next sample each
// time. The caller holds the lock and knows that there is an entry.
func (c *acceptedTokens) evict(now int64) {
	var from *bucket
	way, best := 0, (*accepted)(nil)
	for searched := 0; searched < sample || best == nil; searched++ {
		b := c.table.Load().at(c.hand)
		c.hand++
		for i := range b.slots {
			if e := b.slots[i].Load(); e != nil && (best == nil || e.goesBefore(best, now)) {
				from, way, best = b, i, e
			}
		}
	}
	c.drop(from, way)
}

// forget drops what is kept about a token, for all resources.
func (c *acceptedTokens) forget(token string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b, tag := c.locate(token)
	for i := range b.slots {
		if e := b.slots[i].Load(); e != nil && b.tags[i].Load() == tag && e.token == token {
			c.drop(b, i)
		}
	}
}

// Forget drops what is cached about a token, so that the next request verifies it again, and asks
// [Config.UserMapper]. The provider is not asked: a JWT that it revoked is accepted until it
// expires.
func (v *JWT) Forget(token string) { v.accepted.forget(token) }

// Recall returns the caller of a token that is in the cache, if everything that was checked still
// holds; nil if it has to be verified. Verify does the same first. It is for callers who have
// checks of their own that an accepted token has passed.
func (v *JWT) Recall(token, resource string) *oauth.AuthInfo {
	if v.accepted == nil {
		return nil
	}
	if e := v.recall(token, resource, v.clock.now()); e != nil {
		return e.caller
	}
	return nil
}

// recall returns what is kept about a token, if everything that was checked still holds.
func (v *JWT) recall(token, resource string, now time.Time) *accepted {
	e := v.accepted.find(token, resource, now)
	if e == nil {
		return nil
	}
	if !v.stillHeld(&e.signer, now) {
		v.arrivals.note(token, time.Unix(0, e.from))
		return nil
	}
	v.insecure.used()
	return e
}

// stillHeld reports whether the signature would be checked with the same key now.
func (v *JWT) stillHeld(s *signer, now time.Time) bool {
	return s.key == nil || v.keys.Holds(s.keyID, s.algorithm, s.key, now)
}
