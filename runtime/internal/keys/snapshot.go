package keys

import (
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
)

// snapshot is the set as the provider last confirmed it. It is immutable.
type snapshot struct {
	set       *jose.Set
	asked     time.Time // when the fetch began
	confirmed time.Time
}

func (r *Remote) known() int { return r.current.Load().len() }

func (s *snapshot) len() int {
	if s == nil {
		return 0
	}
	return s.set.Len()
}

func (s *snapshot) find(id string, algorithm jose.Algorithm) jose.Candidates {
	if s == nil {
		return jose.Candidates{}
	}
	return s.set.Find(id, algorithm)
}

// others returns the candidates that were not tried yet.
func (s *snapshot) others(id string, algorithm jose.Algorithm, tried *jose.Candidates) jose.Candidates {
	found := s.find(id, algorithm)
	return found.Without(tried)
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

// elapsed is the time since then. Somebody may have looked at the clock just before something
// happened, and come to it just after. A clock that was set back by more tells nothing: then it is
// forever, and everything is asked again.
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
