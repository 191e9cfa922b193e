// Package keys holds a provider's public keys: it fetches its JWK set (RFC 7517), keeps it, and
// follows rotations.
package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// The defaults of [Config].
const (
	DefaultSoftExpiry = 10 * time.Minute
	DefaultHardExpiry = 30 * time.Minute
	DefaultMaxStale   = 24 * time.Hour
	DefaultCoolDown   = 30 * time.Second
	DefaultTimeout    = 5 * time.Second
)

// maxRetryAfter bounds the pause that a provider may ask for: a wrong header must not keep callers
// out for long.
const maxRetryAfter = 5 * time.Minute

// emptyFor is how long a provider's set has to be seen empty before that is believed.
const emptyFor = 30 * time.Second

// firstPause is the time between the first two fetches while there is no key set at all. It doubles
// with each that fails.
const firstPause = time.Second

// Config says where the keys are and how long a fetched set is relied on. Zero durations mean the
// defaults.
type Config struct {
	// URL is the address of the JWK set. Address, when set, says it in its place: the provider's
	// document may name another one in time.
	URL     string
	Address func() string
	// Client fetches the set. Redirects are never followed, whatever it says. The default reaches
	// public hosts over HTTPS only.
	Client *http.Client
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Events gets the fetches, and what is wrong with the keys.
	Events *events.Sender
	// SoftExpiry is the age from which a look-up starts a refresh, in the background.
	SoftExpiry time.Duration
	// HardExpiry is the age from which a look-up waits for the refresh, unless the provider is
	// known to be out of reach.
	HardExpiry time.Duration
	// MaxStale is the age beyond which no key is used, even if the provider stays out of reach.
	MaxStale time.Duration
	// CoolDown is the least time between two fetches, where the later one is no fetch for an
	// unknown key, and between two fetches for unknown keys that found none. Until the first set
	// arrives it is shorter: one second after the first failure, and twice as long after each
	// further one.
	CoolDown time.Duration
	// Timeout limits one fetch, from dialling to the last byte.
	Timeout time.Duration
}

// Remote is a provider's published key set. The first look-up fetches it; later ones refresh it. It
// has no goroutine of its own but the fetch under way, which ends within its time limit; there is
// nothing to close. It is safe for concurrent use.
//
// A key that the provider removed from its set is accepted
//   - for at most SoftExpiry and one fetch, while look-ups keep coming;
//   - for at most HardExpiry, if none came (the next look-up then waits for the fetch);
//   - for at most MaxStale, while the provider cannot be reached.
//
// Within these bounds a known key is answered at once, whatever the provider does.
//
// A token whose key is unknown, or whose signature is wrong under the known key, causes a fetch,
// but at most one in a CoolDown, for all such tokens together. Fetches that were made for another
// reason, or that found the key, do not count: a provider may rotate its keys at any time, also
// without a new kid. A token is refused only by a set that was fetched after the token had arrived.
// Until then, and where a fetch fails, nobody can say that the token is wrong: the answer is
// [oauth.ErrTemporarilyUnavailable] with the time to wait, and the known keys stay in place. While
// no set was fetched yet nobody can be served, and look-ups try again sooner: see CoolDown in
// [Config].
//
// One empty set does not replace keys that were good: see [emptyFor].
type Remote struct {
	config Config
	gate   *upstream.Gate

	current atomic.Pointer[snapshot]
	// strangers counts the refusals of unknown keys since the last fetch.
	strangers atomic.Int64
	// waiting counts the look-ups that wait for a fetch.
	waiting atomic.Int64

	mu          sync.Mutex
	running     *fetch    // nil while none is under way
	lastAttempt time.Time // when the last fetch ended; zero before the first
	lastErr     error     // how it ended
	failures    int       // how many ended with an error since the last that did not
	inVain      *fetch    // the last that was made for an unknown key, unless it found the key

	// emptySince is when the provider's set was first seen empty; zero while it is not. Only the
	// one running fetch uses it.
	emptySince time.Time
}

// fetch is one fetch; done is closed when its result is in place. It is no flight of package
// flight: its waiters must know which fetch they waited for, since only the last that found nothing
// starts the cool-down of unknown keys.
type fetch struct {
	done  chan struct{}
	began time.Time
	ended time.Time // set before done is closed
}

// NewRemote returns the key set at an address. It fetches nothing yet.
func NewRemote(config Config) *Remote {
	if config.Now == nil {
		config.Now = time.Now
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&config.SoftExpiry, DefaultSoftExpiry}, {&config.HardExpiry, DefaultHardExpiry},
		{&config.MaxStale, DefaultMaxStale}, {&config.CoolDown, DefaultCoolDown}, {&config.Timeout, DefaultTimeout},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	return &Remote{config: config, gate: upstream.NewGate(config.Client)}
}

// Keys returns the keys that may have signed a token with the given kid and algorithm, which are
// all that fit where it has no kid. There is one at least. A key is the same pointer for as long as
// the provider publishes it unchanged, through all refreshes: see [Remote.Holds]. arrived is when
// the token did.
//
// The error is an [*oauth.Error]: 401 for a key that the provider does not publish, 503 when that
// cannot be known.
func (r *Remote) Keys(ctx context.Context, id string, algorithm jose.Algorithm, arrived time.Time) (jose.Candidates, error) {
	now := r.config.Now()
	s := r.current.Load()
	found := s.find(id, algorithm)
	if found.Len() > 0 && r.reliable(s, now) {
		return found, nil
	}
	f, err := r.refreshed(ctx, now, found.Len() == 0)
	if err != nil {
		return jose.Candidates{}, err
	}
	found, err = r.settled(id, algorithm, arrived)
	if err == nil && f != nil {
		r.notInVain(f)
	}
	return found, err
}

// Replaced returns the keys that took the place of those with which a token's signature was found
// wrong, fetching the set as for an unknown key. There is none where a set that was fetched after
// the token had arrived has no others: then the signature is wrong. The error is an [*oauth.Error],
// 503 where nobody can know.
func (r *Remote) Replaced(
	ctx context.Context, id string, algorithm jose.Algorithm, arrived time.Time, tried *jose.Candidates,
) (jose.Candidates, error) {
	s := r.current.Load()
	if others := s.others(id, algorithm, tried); others.Len() > 0 || r.knows(s, arrived) {
		return others, nil
	}
	f, err := r.refreshed(ctx, r.config.Now(), true)
	if err != nil {
		return jose.Candidates{}, err
	}
	s = r.current.Load()
	others := s.others(id, algorithm, tried)
	if others.Len() > 0 && f != nil {
		r.notInVain(f)
	}
	if others.Len() > 0 || r.knows(s, arrived) {
		return others, nil
	}
	return others, r.undecided(oauth.ReasonBadSignature, errMayBeReplaced)
}

var errMayBeReplaced = errors.New("the signature does not match the provider's key, which the provider may have replaced since its keys were fetched")

// Load fetches the key set unless there is one, as often as look-ups may, and returns nil once
// there is.
func (r *Remote) Load(ctx context.Context) error {
	if r.known() > 0 {
		return nil
	}
	if _, err := r.refreshed(ctx, r.config.Now(), false); err != nil || r.known() > 0 {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.lastErr, errNoKeys)
}

var errNoKeys = errors.New("the provider publishes no keys that can be used")

// refreshed waits for the fetch under way, starting one if it is allowed. It returns nil if it is
// not.
func (r *Remote) refreshed(ctx context.Context, now time.Time, unknown bool) (*fetch, error) {
	f := r.refresh(now, unknown)
	if f == nil {
		return nil, nil //nolint:nilnil // no fetch is no error
	}
	if err := r.wait(ctx, f); err != nil {
		return nil, oauth.Unavailable(time.Second, fmt.Errorf("waiting for the provider's keys: %w", err))
	}
	return f, nil
}

// maxWaiting is how many look-ups may wait for a fetch: everybody can send tokens with unknown
// keys.
const maxWaiting = 2000

// wait waits for a fetch.
func (r *Remote) wait(ctx context.Context, f *fetch) error {
	defer r.waiting.Add(-1)
	if r.waiting.Add(1) > maxWaiting {
		return fmt.Errorf("%d requests are waiting already", maxWaiting)
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Holds reports whether the provider publishes this very key for such tokens, as far as that is
// known without waiting, and starts the refresh that is due, as Keys does. A cache of verified
// tokens asks on every hit: then a key's removal ends what was cached for it, and neither a refresh
// that changes nothing nor an outage does. now is the time.
func (r *Remote) Holds(id string, algorithm jose.Algorithm, key *jose.Key, now time.Time) bool {
	s := r.current.Load()
	return s != nil && s.set.Has(id, algorithm, key) && r.reliable(s, now)
}

// Ready reports whether Keys would answer at once, and starts the refresh that is due, as Keys
// does.
func (r *Remote) Ready(id string, algorithm jose.Algorithm) bool {
	s := r.current.Load()
	found := s.find(id, algorithm)
	return found.Len() > 0 && r.reliable(s, r.config.Now())
}

// reliable reports whether a set may be relied on without waiting for a newer one, and starts the
// refresh that is due.
func (r *Remote) reliable(s *snapshot, now time.Time) bool {
	switch age := s.age(now); {
	case age < r.config.SoftExpiry:
		return true
	case age < r.config.HardExpiry, age < r.config.MaxStale && r.outage(now):
		r.refresh(now, false)
		return true
	default:
		return false
	}
}

// settled answers from what is known after the fetch that was allowed, if one was.
func (r *Remote) settled(id string, algorithm jose.Algorithm, arrived time.Time) (jose.Candidates, error) {
	s := r.current.Load()
	found := s.find(id, algorithm)
	if found.Len() > 0 && s.age(r.config.Now()) < r.config.MaxStale {
		return found, nil
	}
	return jose.Candidates{}, r.unknown(s, id, algorithm, arrived)
}

// unknown is the answer to a token whose key is not in the set.
func (r *Remote) unknown(s *snapshot, id string, algorithm jose.Algorithm, arrived time.Time) *oauth.Error {
	cause := &unknownKeyError{id: id, algorithm: algorithm, usable: s.len()}
	if !r.knows(s, arrived) {
		return r.undecided(oauth.ReasonUnknownKey, cause)
	}
	r.strangers.Add(1)
	return oauth.InvalidToken(oauth.ReasonUnknownKey, cause)
}

// knows reports whether a set has every key that may have signed a token: whether the provider was
// asked for it when the token had arrived already, and answers still.
func (r *Remote) knows(s *snapshot, arrived time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s != nil && !s.asked.Before(arrived) && r.lastErr == nil
}

// undecided is the answer to a token of which nobody can say whether it is wrong: the provider
// cannot be asked now, or not yet.
func (r *Remote) undecided(reason oauth.Reason, cause error) *oauth.Error {
	r.mu.Lock()
	lastErr, left := r.lastErr, r.untilNext(r.config.Now())
	r.mu.Unlock()
	if lastErr != nil || r.current.Load().age(r.config.Now()) >= r.config.MaxStale {
		return oauth.Unavailable(left, errors.Join(errUnavailable, lastErr))
	}
	r.strangers.Add(1)
	e := oauth.Unavailable(left, &undecidedError{cause, left})
	e.Reason, e.Description = reason, "The token cannot be verified yet, try again later"
	return e
}

// undecidedError is the cause of an answer that is no refusal yet. Its text is made when somebody
// reads it, since a flood of tokens may bring about many.
type undecidedError struct {
	cause error
	left  time.Duration
}

func (e *undecidedError) Error() string {
	return fmt.Sprintf("%s: the provider is asked again at the earliest in %s", e.cause, e.left)
}

func (e *undecidedError) Unwrap() error { return e.cause }

// untilNext is how long it takes at most until a fetch for an unknown key is allowed, in whole
// seconds and at least one. The caller holds mu.
func (r *Remote) untilNext(now time.Time) time.Duration {
	pause := r.pause()
	left := pause - now.Sub(r.lastAttempt)
	if r.lastErr == nil {
		vain := time.Duration(0)
		if r.inVain != nil {
			vain = r.config.CoolDown - now.Sub(r.inVain.ended)
		}
		left = min(left, vain)
	}
	left = (left + time.Second - 1).Truncate(time.Second)
	return max(time.Second, min(left, max(pause, time.Second))) // the bounds are for a clock that was set back
}

// unknownKeyError is put into words only when somebody reads it: in a flood nobody reads them all.
type unknownKeyError struct {
	id        string
	algorithm jose.Algorithm
	usable    int
}

func (e *unknownKeyError) Error() string {
	return fmt.Sprintf("the provider publishes no key with kid %q for %s (%d usable keys in its set)", e.id, e.algorithm, e.usable)
}

// flood is how many tokens with unknown keys since the last fetch are a flood.
const flood = 16

// Flooded returns the error that Keys would give for an unknown key, at once, if many tokens with
// unknown keys were refused since the last fetch and the next one is not allowed yet; nil
// otherwise. So much is known from a token's header alone, while the better reason for a refusal,
// such as another issuer, takes the claims: see package verify.
func (r *Remote) Flooded(id string, algorithm jose.Algorithm, now time.Time) error {
	if r.strangers.Load() < flood {
		return nil
	}
	s := r.current.Load()
	if found := s.find(id, algorithm); found.Len() > 0 || s.age(now) >= r.config.SoftExpiry {
		return nil
	}
	r.mu.Lock()
	settled := r.running == nil && r.lastErr == nil && !r.allowed(now, true)
	r.mu.Unlock()
	if !settled {
		return nil
	}
	return r.unknown(s, id, algorithm, now)
}

var errUnavailable = errors.New("the provider's keys are not available")
