package verify

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/recent"
	"github.com/latchkey-auth/latchkey/oauth"
)

// The defaults of [AnswerCache].
const (
	DefaultAnswerTTL        = time.Minute
	DefaultRefusalTTL       = 5 * time.Second
	DefaultMaxCachedAnswers = 10_000
)

// maxAnswerTTL is the longest time that still deserves to be called a check.
const maxAnswerTTL = time.Hour

// The memory that a cache may take for the answers in it.
const (
	maxAcceptedBytes = 64 << 20
	maxRefusedBytes  = 4 << 20
)

// AnswerCache says how long a provider's answers about tokens are relied on. Zero values mean the
// defaults.
//
// The cache delays revocation: a token that the provider stops accepting, since it was revoked or
// its user locked, is accepted here for at most TTL longer, and never beyond its own end. A shorter
// TTL costs requests to the provider, one per token and TTL; most providers limit them. A caller
// that revokes a token itself ends this at once with [Opaque.Forget], in its own process.
//
// Tokens are found by their SHA-256. Only accepted ones are kept with the good answers: a flood of
// others fills its own, smaller memory and pushes none of them out. Outages are not cached.
type AnswerCache struct {
	// TTL is how long an accepted token is not asked about again. The default is
	// [DefaultAnswerTTL], the most one hour.
	TTL time.Duration
	// RefusalTTL is how long a refused token is not asked about again. The default is
	// [DefaultRefusalTTL], the most one hour.
	RefusalTTL time.Duration
	// MaxEntries bounds the accepted and the refused tokens, each. The default is
	// [DefaultMaxCachedAnswers].
	MaxEntries int
	// Off asks the provider on every request. Requests with the same token at the same time still
	// share one question.
	Off bool
}

func (c AnswerCache) withDefaults() (AnswerCache, error) {
	if c.TTL < 0 || c.TTL > maxAnswerTTL || c.RefusalTTL < 0 || c.RefusalTTL > maxAnswerTTL {
		return c, fmt.Errorf("answers are cached for at most %s: that long a revoked token may still be accepted", maxAnswerTTL)
	}
	if c.MaxEntries < 0 {
		return c, errors.New("the number of cached answers is negative; Off turns the cache off")
	}
	if c.TTL == 0 {
		c.TTL = DefaultAnswerTTL
	}
	if c.RefusalTTL == 0 {
		c.RefusalTTL = DefaultRefusalTTL
	}
	if c.MaxEntries == 0 {
		c.MaxEntries = DefaultMaxCachedAnswers
	}
	return c, nil
}

// tokenKey stands for a token, so that a memory dump of the cache's index holds none.
type tokenKey [sha256.Size]byte

func keyOf(token string) tokenKey { return sha256.Sum256([]byte(token)) }

// answers remembers what the provider said.
type answers struct {
	settings AnswerCache

	mu       sync.Mutex
	accepted *timed[*answer]
	refused  *timed[refused]
	// familiar are tokens that were accepted not long ago, whether or not their answer still
	// counts.
	familiar *timed[struct{}]
	// forgotten counts the calls of [Opaque.Forget]: a question that was asked before may not bring
	// its answer back.
	forgotten uint64
}

// refused is a refusal with what it holds for.
type refused struct {
	err *oauth.Error
	at  time.Time
	// everywhere is a token that is good nowhere; else it was refused for resource.
	everywhere bool
	resource   string
}

func newAnswers(settings AnswerCache) *answers {
	return &answers{
		settings: settings,
		accepted: newTimed[*answer](settings.MaxEntries, maxAcceptedBytes),
		refused:  newTimed[refused](settings.MaxEntries, maxRefusedBytes),
		familiar: newTimed[struct{}](settings.MaxEntries, 0),
	}
}

// find returns what is known about a token: an accepted answer or a refusal.
func (c *answers) find(key tokenKey, resource string, now time.Time) (a *answer, known bool, err error) {
	if c.settings.Off {
		return nil, false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a, ok := c.accepted.get(key, now); ok {
		return a, true, nil
	}
	if r, ok := c.refused.get(key, now); ok && (r.everywhere || r.resource == resource) {
		return nil, true, ownCopy(r.err)
	}
	return nil, false, nil
}

// knows reports whether a token was accepted not long ago and not refused since.
func (c *answers) knows(key tokenKey, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.familiar.get(key, now)
	return known
}

// version changes when a token is forgotten.
func (c *answers) version() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgotten
}

// accept remembers a good answer, unless the token was forgotten or refused since the question was
// asked.
func (c *answers) accept(key tokenKey, a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.refused.peek(key); a.version != c.forgotten || ok && r.everywhere && r.at.After(a.asked) {
		return
	}
	c.familiar.put(key, struct{}{}, 0, a.asked, a.asked.Add(maxAnswerTTL))
	if c.settings.Off {
		return
	}
	until := a.asked.Add(c.settings.TTL)
	if a.partial {
		until = a.asked.Add(c.settings.RefusalTTL)
	}
	if !a.expires.IsZero() && a.expires.Before(until) {
		until = a.expires
	}
	c.accepted.put(key, a, a.size, a.asked, until)
	c.refused.remove(key)
}

// refuse remembers a refusal. One that holds everywhere ends what was accepted before.
func (c *answers) refuse(key tokenKey, r refused) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.everywhere {
		c.accepted.remove(key)
		c.familiar.remove(key)
	}
	if c.settings.Off {
		return
	}
	c.refused.put(key, r, refusalSize(r), r.at, r.at.Add(c.settings.RefusalTTL))
}

func refusalSize(r refused) int {
	size := 256 + len(r.resource)
	if r.err.Cause != nil {
		size += len(r.err.Cause.Error())
	}
	return size
}

func (c *answers) forget(key tokenKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten++
	c.familiar.remove(key)
	c.accepted.remove(key)
	c.refused.remove(key)
}

// ownCopy is a refusal for one request: the guard writes the caller into it.
func ownCopy(e *oauth.Error) *oauth.Error {
	own := *e
	return &own
}

// timed keeps values until their time is over, or until there are too many and they were used the
// longest time ago. It is not safe for concurrent use.
type timed[V any] struct {
	entries  *recent.Table[tokenKey, kept[V]]
	maxBytes int
	bytes    int
}

type kept[V any] struct {
	value       V
	size        int
	from, until time.Time
}

func newTimed[V any](maxEntries, maxBytes int) *timed[V] {
	t := &timed[V]{maxBytes: maxBytes}
	t.entries = recent.New(maxEntries, func(_ tokenKey, entry kept[V]) { t.bytes -= entry.size })
	return t
}

// get returns a value whose time has come and is not over. A clock that was set back makes it
// unknown.
func (t *timed[V]) get(key tokenKey, now time.Time) (V, bool) {
	entry, ok := t.entries.Get(key)
	if ok && (now.Before(entry.from) || !now.Before(entry.until)) {
		t.remove(key)
		entry, ok = kept[V]{}, false
	}
	return entry.value, ok
}

// peek returns a value whatever its time.
func (t *timed[V]) peek(key tokenKey) (V, bool) {
	entry, ok := t.entries.Peek(key)
	return entry.value, ok
}

func (t *timed[V]) put(key tokenKey, value V, size int, from, until time.Time) {
	t.remove(key)
	if size > t.maxBytes || !from.Before(until) {
		return
	}
	t.entries.Put(key, kept[V]{value, size, from, until})
	for t.bytes += size; t.bytes > t.maxBytes; {
		t.entries.DropOldest()
	}
}

func (t *timed[V]) remove(key tokenKey) { t.entries.Drop(key) }
