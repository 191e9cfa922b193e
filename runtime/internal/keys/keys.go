// Package keys holds a provider's public keys: it fetches its JWK set (RFC 7517), keeps it, and follows rotations.
package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// The defaults of [Config].
const (
	DefaultSoftExpiry = 10 * time.Minute
	DefaultHardExpiry = 30 * time.Minute
	DefaultMaxStale   = 24 * time.Hour
	DefaultCoolDown   = 30 * time.Second
	DefaultTimeout    = 5 * time.Second
)

// firstPause is the time between the first two fetches while there is no key set at all. It doubles with each that fails.
const firstPause = time.Second

// Config says where the keys are and how long a fetched set is relied on. Zero durations mean the defaults.
type Config struct {
	// URL is the address of the JWK set.
	URL string
	// Client fetches the set. Redirects are never followed, whatever it says. The default reaches public hosts
	// over HTTPS only.
	Client *http.Client
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Logger gets outages and changes of the set. The default is [slog.Default].
	Logger *slog.Logger
	// SoftExpiry is the age from which a look-up starts a refresh, in the background.
	SoftExpiry time.Duration
	// HardExpiry is the age from which a look-up waits for the refresh, unless the provider is known to be out of reach.
	HardExpiry time.Duration
	// MaxStale is the age beyond which no key is used, even if the provider stays out of reach.
	MaxStale time.Duration
	// CoolDown is the least time between two fetches, where the later one is no fetch for an unknown key, and between two
	// fetches for unknown keys that found none. Until the first set arrives it is shorter: one second after the first
	// failure, and twice as long after each further one.
	CoolDown time.Duration
	// Timeout limits one fetch, from dialling to the last byte.
	Timeout time.Duration
}

// Remote is a provider's published key set. The first look-up fetches it; later ones refresh it. It has no goroutine of its
// own but the fetch under way, which ends within its time limit; there is nothing to close. It is safe for concurrent use.
//
// A key that the provider removed from its set is accepted
//   - for at most SoftExpiry and one fetch, while look-ups keep coming;
//   - for at most HardExpiry, if none came (the next look-up then waits for the fetch);
//   - for at most MaxStale, while the provider cannot be reached.
//
// Within these bounds a known key is answered at once, whatever the provider does.
//
// A token whose key is unknown causes a fetch, but at most one in a CoolDown, for all such tokens together. Fetches that were
// made for another reason, or that found the key, do not count: a provider may rotate its keys at any time. A fetch that
// fails leaves the known keys in place; a token that needs another key is then answered with
// [oauth.ErrTemporarilyUnavailable], since nobody can say that it is wrong. While no set was fetched yet nobody can be
// served, and look-ups try again sooner: see CoolDown in [Config].
type Remote struct {
	config Config
	client http.Client

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
}

// snapshot is the set as the provider last confirmed it. It is immutable.
type snapshot struct {
	set       *jose.Set
	confirmed time.Time
}

// fetch is one fetch; done is closed when its result is in place.
type fetch struct {
	done  chan struct{}
	ended time.Time // set before done is closed
}

// NewRemote returns the key set at an address. It fetches nothing yet.
func NewRemote(config Config) *Remote {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
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
	if config.Client == nil {
		config.Client = egress.NewClient(egress.Policy{})
	}
	r := &Remote{config: config, client: *config.Client}
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return r
}

// Key returns the one key for tokens with the given kid and algorithm; a token without a kid finds a key only where a
// single one fits the algorithm. A key is the same pointer for as long as the provider publishes it unchanged, through all
// refreshes: see [Remote.Holds].
//
// The error is an [*oauth.Error]: 401 for a key that the provider does not publish, 503 when that cannot be known.
func (r *Remote) Key(ctx context.Context, id string, algorithm jose.Algorithm) (*jose.Key, error) {
	now := r.config.Now()
	s := r.current.Load()
	key, err := s.find(id, algorithm)
	if err == nil && r.reliable(s, now) {
		return key, nil
	}
	f := r.refresh(now, errors.Is(err, jose.ErrNoKey))
	if f != nil {
		if err := r.wait(ctx, f); err != nil {
			return nil, oauth.Unavailable(time.Second, fmt.Errorf("waiting for the provider's keys: %w", err))
		}
	}
	key, err = r.settled(id, algorithm)
	if err == nil && f != nil {
		r.notInVain(f)
	}
	return key, err
}

// maxWaiting is how many look-ups may wait for a fetch: everybody can send tokens with unknown keys.
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

// Holds reports whether Key would give this very key at once, and starts the refresh that is due, as Key does. A cache of
// verified tokens asks on every hit: then a key's removal ends what was cached for it, and neither a refresh that changes
// nothing nor an outage does. now is the time.
func (r *Remote) Holds(id string, algorithm jose.Algorithm, key *jose.Key, now time.Time) bool {
	s := r.current.Load()
	found, err := s.find(id, algorithm)
	return err == nil && found == key && r.reliable(s, now)
}

// reliable reports whether a set may be relied on without waiting for a newer one, and starts the refresh that is due.
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
func (r *Remote) settled(id string, algorithm jose.Algorithm) (*jose.Key, error) {
	r.mu.Lock()
	lastErr, lastAttempt, pause := r.lastErr, r.lastAttempt, r.pause()
	r.mu.Unlock()
	now := r.config.Now()
	s := r.current.Load()
	key, err := s.find(id, algorithm)
	usable := s.age(now) < r.config.MaxStale
	switch {
	case err == nil && usable:
		return key, nil
	case lastErr != nil || !usable:
		wait := max(pause-now.Sub(lastAttempt), time.Second)
		return nil, oauth.Unavailable(min(wait, r.config.CoolDown), errors.Join(errUnavailable, lastErr))
	case errors.Is(err, jose.ErrAmbiguousKey):
		return nil, oauth.InvalidToken(oauth.ReasonUnknownKey,
			fmt.Errorf("more than one of the provider's keys fits kid %q and %s", id, algorithm))
	default:
		r.strangers.Add(1)
		return nil, oauth.InvalidToken(oauth.ReasonUnknownKey, &unknownKeyError{id: id, algorithm: algorithm, usable: s.set.Len()})
	}
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

// Flooded returns the error that Key would give for an unknown key, at once, if many tokens with unknown keys were refused
// since the last fetch and the next one is not allowed yet; nil otherwise. So much is known from a token's header alone,
// while the better reason for a refusal, such as another issuer, takes the claims: see package verify.
func (r *Remote) Flooded(id string, algorithm jose.Algorithm, now time.Time) error {
	if r.strangers.Load() < flood {
		return nil
	}
	s := r.current.Load()
	if _, err := s.find(id, algorithm); !errors.Is(err, jose.ErrNoKey) || s.age(now) >= r.config.SoftExpiry {
		return nil
	}
	r.mu.Lock()
	settled := r.running == nil && r.lastErr == nil && !r.allowed(now, true)
	r.mu.Unlock()
	if !settled {
		return nil
	}
	return oauth.InvalidToken(oauth.ReasonUnknownKey, &unknownKeyError{id: id, algorithm: algorithm, usable: s.set.Len()})
}

var errUnavailable = errors.New("the provider's keys are not available")

// outage reports whether the provider failed to answer recently, so that waiting for it again is pointless.
func (r *Remote) outage(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastErr != nil && elapsed(r.lastAttempt, now) < r.config.SoftExpiry
}

// pause is the least time between the last fetch and the next. The caller holds mu.
func (r *Remote) pause() time.Duration {
	if r.current.Load() != nil {
		return r.config.CoolDown
	}
	pause := firstPause
	for range r.failures - 1 {
		if pause >= r.config.CoolDown {
			break
		}
		pause *= 2
	}
	return min(pause, r.config.CoolDown)
}

// refresh returns the fetch under way, starting one if none is and it is allowed; nil if it is not. unknown reports whether it
// is for a key that is not known.
func (r *Remote) refresh(now time.Time, unknown bool) *fetch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil && r.allowed(now, unknown) {
		r.running = &fetch{done: make(chan struct{})}
		if unknown {
			r.inVain = r.running // until it has found the key
		}
		go r.run(r.running)
	}
	return r.running
}

// allowed reports whether a fetch may start. Tokens with unknown keys have a cool-down of their own: otherwise a key that is new
// right after a fetch for another reason would have to wait, and its tokens would be refused. The caller holds mu.
func (r *Remote) allowed(now time.Time, unknown bool) bool {
	if r.lastAttempt.IsZero() || elapsed(r.lastAttempt, now) >= r.pause() {
		return true
	}
	return unknown && r.lastErr == nil && (r.inVain == nil || elapsed(r.inVain.ended, now) >= r.config.CoolDown)
}

// notInVain takes a fetch that found what it was made for off the count of those that did not.
func (r *Remote) notInVain(f *fetch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inVain == f {
		r.inVain = nil
	}
}

// run performs a fetch. It does not use the context of the look-up that started it, since others wait for it too; its own
// time limit ends it.
func (r *Remote) run(f *fetch) {
	ctx, cancel := context.WithTimeout(context.Background(), r.config.Timeout)
	defer cancel()
	set, err := r.download(ctx)
	now := r.config.Now()
	if err == nil {
		r.install(set, now)
	} else {
		r.config.Logger.Warn("the provider's keys could not be fetched; known keys stay in use",
			"url", redacted(r.config.URL), "error", err, "known_keys", r.known())
	}
	r.mu.Lock()
	r.running, r.lastAttempt, r.lastErr, f.ended = nil, now, err, now
	if r.failures++; err == nil {
		r.failures = 0
	}
	r.strangers.Store(0)
	r.mu.Unlock()
	close(f.done)
}

// install makes a fetched set the current one. Only the one running fetch calls it.
func (r *Remote) install(set *jose.Set, now time.Time) {
	changed := true
	if old := r.current.Load(); old != nil {
		set, changed = set.Renew(old.set)
	}
	r.current.Store(&snapshot{set: set, confirmed: now})
	if !changed {
		return
	}
	r.config.Logger.Info("the provider's key set is new", "url", redacted(r.config.URL), "keys", set.Len())
	for _, reason := range set.Unusable() {
		level := slog.LevelWarn
		if errors.Is(reason, jose.ErrForEncryption) {
			level = slog.LevelDebug // as it should be: nothing is signed with it
		}
		r.config.Logger.Log(context.Background(), level, "a key of the provider's set is ignored",
			"url", redacted(r.config.URL), "reason", reason)
	}
}

func (r *Remote) known() int {
	if s := r.current.Load(); s != nil {
		return s.set.Len()
	}
	return 0
}

func (s *snapshot) find(id string, algorithm jose.Algorithm) (*jose.Key, error) {
	if s == nil {
		return nil, jose.ErrNoKey
	}
	return s.set.Find(id, algorithm)
}

// forever is longer than any configured age.
const forever = time.Duration(1<<63 - 1)

// age is how long ago the provider confirmed the set; forever if it never did.
func (s *snapshot) age(now time.Time) time.Duration {
	if s == nil {
		return forever
	}
	return elapsed(s.confirmed, now)
}

// elapsed is the time since then. Somebody may have looked at the clock just before something happened, and come to it just
// after. A clock that was set back by more tells nothing: then it is forever, and everything is asked anew.
func elapsed(then, now time.Time) time.Duration {
	const justBefore = 5 * time.Second
	switch d := now.Sub(then); {
	case d >= 0:
		return d
	case d > -justBefore:
		return 0
	default:
		return forever
	}
}
